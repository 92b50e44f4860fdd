"""The examples: studies with trainers of their own, through Snakemake."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import PROJECT


def succeed(folder: Path, *arguments: str) -> str:
    """Run Snakemake as a user calls it by its path; returns what it said."""
    here = Path(sys.executable).parent
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != here)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "SNAKEMAKE", "PYTHONPATH"))
    }
    answer = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(PROJECT / "Snakefile"), *arguments],
        cwd=folder,
        env=kept | {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def stored(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every record with its time and content."""
    files = (folder / "results/runs").rglob("[!.]*.json")
    return {path.stem: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def words(page: Path) -> str:
    """What stands on the page, without its figures' data and its scripts."""
    text = page.read_text().split('id="report-data"')[0]
    # A word of the glossary is a button within its sentence.
    text = re.sub(r"(?s)<style>.*?</style>|</?button[^>]*>", "", text)
    text = re.sub(r"<[^>]+>", " ", text)
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("name", "line", "absent"),
    [
        (
            "digits",
            "Worse than raw pixels by more than the margin of ±0.5 pp: standardized pixels −1.08 pp",
            ("images", "moving", "How often runs collapse", "dropout"),
        ),
        (
            "spirals",
            "Better than small (sd 0.1) by more than the margin of ±0.05 nats: “He”",
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


def test_a_published_study_is_verified_and_extended_without_training_its_runs_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        shutil.copytree(PROJECT / "examples", folder / "examples")
    overlay = ("--configfile", "examples/spirals/config.yaml", "--config")
    succeed(first, *overlay, "design={seeds: 3}")
    published = tmp_path / "published"
    said = study(first, "publish", "results/spirals", "--out", str(published))
    assert "published: 12 records and the results made from them" in said
    assert (published / "report.html").read_bytes() == (first / "results/spirals/report.html").read_bytes()
    assert "2 of 2 runs have the same bits" in study(first, "verify", str(published), "--sample", "2")
    assert "results/runs: 12 records added;" in study(second, "unpack", str(published))
    before = stored(second)
    assert [content for _, content in before.values()] == [content for _, content in stored(first).values()]
    succeed(second, *overlay, "design={seeds: 4}")
    after = stored(second)
    assert len(after) == 16
    assert {run_id: after[run_id] for run_id in before} == before


def study(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", "study", *arguments], cwd=folder, text=True, capture_output=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
