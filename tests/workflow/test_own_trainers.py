"""Studies with trainers of their own through Snakemake: the examples, the starter, failures, and what is repeated."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import PROJECT


def snakemake(
    folder: Path, *arguments: str, snakefile: Path = PROJECT / "Snakefile"
) -> subprocess.CompletedProcess[str]:
    """Snakemake as a user calls it by its path, all that it says in `stdout`."""
    here = Path(sys.executable).parent
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != here)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "SNAKEMAKE", "PYTHONPATH"))
    }
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(snakefile), *arguments]
    environment = kept | {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


def succeed(folder: Path, *arguments: str, **options: Path) -> str:
    answer = snakemake(folder, *arguments, **options)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def stored(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every record with its time and content."""
    files = (folder / "results/runs").rglob("[!.]*.json")
    return {path.stem: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def words(page: Path) -> str:
    """What stands on the page, without its figures' data and its scripts."""
    text = page.read_text().split('id="report-data"')[0]
    text = re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", text))
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("name", "line", "absent"),
    [
        (
            "digits",
            "Worse than raw pixels: standardised pixels, −1.08 pp",
            ("images", "moving", "How often runs collapse", "dropout"),
        ),
        (
            "spirals",
            "Better than small (sd 0.1) by enough to matter (margin ±0.05 nats): He",
            ("accuracy", "Odds", " pp"),
        ),
    ],
)
def test_an_example_runs_to_its_answer(tmp_path: Path, name: str, line: str, absent: tuple[str, ...]) -> None:
    shutil.copytree(PROJECT / "examples", tmp_path / "examples")
    overlay = ("--configfile", f"examples/{name}/config.yaml")
    succeed(tmp_path, *overlay)
    assert len(stored(tmp_path)) == 40
    page = words(tmp_path / f"results/{name}/report.html")
    assert line in page
    for word in absent:
        assert word not in page
    assert not (tmp_path / f"results/{name}/mechanism.json").exists()
    before = stored(tmp_path)
    assert "Nothing to be done" in succeed(tmp_path, *overlay)
    assert stored(tmp_path) == before


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    """A fresh starter study with two seeds."""
    folder = tmp_path / "mine"
    assert subprocess.run([sys.executable, "-m", "study", "new", str(folder)], cwd=PROJECT, check=False).returncode == 0
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("seeds: 10", "seeds: 3"))
    return folder


def test_the_starter_runs_as_it_is_and_repeats_only_what_must_be(starter: Path) -> None:
    own = {"snakefile": starter / "Snakefile"}
    succeed(starter, **own)
    first = stored(starter)
    assert len(first) == 12
    assert "Final loss" in words(starter / "results/mine/report.html")
    # Words make a new analysis and page, and no new run.
    config = starter / "config.yaml"
    config.write_text(
        config.read_text().replace("name: final loss", "name: last loss").replace("margin: 0.05", "margin: 0.1")
    )
    succeed(starter, **own)
    assert stored(starter) == first
    assert "Last loss" in words(starter / "results/mine/report.html")
    # A file that decides results makes new runs, beside the old ones.
    script = starter / "train.py"
    script.write_text(script.read_text().replace("STEPS = 50", "STEPS = 60"))
    succeed(starter, **own)
    assert len(stored(starter)) == 24
    assert first.items() <= stored(starter).items()
    planned = json.loads((starter / "results/mine/design.json").read_text())
    assert list(planned["origin"]["trainer"]["files"]) == ["train.py"]


def test_nothing_that_exists_is_overwritten(starter: Path) -> None:
    before = {path: path.read_bytes() for path in starter.iterdir()}
    command = [sys.executable, "-m", "study", "new", str(starter)]
    answer = subprocess.run(command, cwd=PROJECT, text=True, capture_output=True, check=False)
    assert answer.returncode == 2
    assert (
        answer.stderr
        == f"study: error: {starter}: exists and is not empty; name a new folder, nothing is overwritten\n"
    )
    assert {path: path.read_bytes() for path in starter.iterdir()} == before


def test_a_run_that_fails_fails_its_job_alone_and_is_run_by_the_same_command(starter: Path) -> None:
    own = {"snakefile": starter / "Snakefile"}
    config, script = starter / "config.yaml", starter / "train.py"
    # The switch is no part of the identity, as an overfull disk is none.
    config.write_text(config.read_text().replace("files: [train.py]", "files: []"))
    sound = script.read_text()
    broken = "    if (options.seed, options.momentum, options.rate) == (1, 0.9, 0.03):\n        raise SystemExit(7)\n"
    script.write_text(sound.replace("    losses = train(", broken + "    losses = train("))
    answer = snakemake(starter, "--keep-going", "--show-failed-logs", **own)
    assert answer.returncode != 0
    assert "1 of 3 runs failed and have no record; the same command runs them again. " in answer.stdout
    assert "momentum 0.9, rate 0.03, seed 1: exit status 7" in answer.stdout
    assert len(stored(starter)) == 11
    assert not (starter / "results/mine/report.html").exists()
    before = stored(starter)
    script.write_text(sound)
    succeed(starter, **own)
    assert len(stored(starter)) == 12
    assert before.items() <= stored(starter).items()
