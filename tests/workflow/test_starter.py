"""What `pip install` and `study new` give, far from any checkout: the literal commands in a fresh environment."""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from tests.examples import PROJECT, copy_of_the_project
from tests.workflow.test_own_trainers import stored, words

PATIENCE = 300
"""Seconds after which a command that shows nothing has failed."""
NO_TENSORFLOW = "raise ModuleNotFoundError('an extra, which nothing here may need', name='tensorflow')\n"
# As the script that pip writes for it: Python does not look for modules in the folder it works in.
SNAKEMAKE = "#!/bin/sh\nexec '{python}' -P -m snakemake \"$@\"\n"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the wheel. Its dependencies are this environment's, less TensorFlow."""
    folder = tmp_path_factory.mktemp("installation")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, PROJECT], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    programs = folder / "venv/bin"
    install = ["--python", programs / "python", "install", "--no-index", "--no-deps", *folder.glob("*.whl")]
    subprocess.run([*pip, *install], check=True)
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    # The line adds a folder to the path, but not what the .pth files in it add: an editable install of the checkout.
    (packages / "dependencies.pth").write_text(str(metadata.distribution("snakemake").locate_file("")))
    (packages / "tensorflow.py").write_text(NO_TENSORFLOW)
    snakemake = programs / "snakemake"
    snakemake.write_text(SNAKEMAKE.format(python=programs / "python"))
    snakemake.chmod(0o755)
    return programs


@dataclass(frozen=True)
class User:
    """Someone who types commands in a folder, with the fresh environment activated."""

    folder: Path
    environment: dict[str, str]

    def start(self, line: str) -> "subprocess.Popen[str]":
        """Start a command, in a process group of its own, which hears Ctrl-C though these tests may not: a shell lets
        what it starts in the background ignore it."""
        return subprocess.Popen(
            line.split(),
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, line: str) -> tuple[int, str]:
        """The exit status of a command, and what it said."""
        process = self.start(line)
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said

    def succeed(self, line: str) -> str:
        """Run a command that must not fail; returns what it said."""
        status, said = self.run(line)
        assert status == 0, said
        return said


def activated(programs: Path, folder: Path) -> User:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "SNAKE", "PYTHON"))}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return User(folder, kept | {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache")})


@pytest.fixture
def user(programs: Path, tmp_path: Path) -> User:
    return activated(programs, tmp_path)


@pytest.fixture(scope="module")
def finished(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    """The same user in a starter study that was run as it is; only to be read."""
    user = activated(programs, tmp_path_factory.mktemp("user"))
    user.succeed("study new mine")
    mine = replace(user, folder=user.folder / "mine")
    mine.succeed("snakemake --cores 2")
    return mine


@pytest.fixture
def mine(user: User) -> User:
    """The same user in a starter study of 12 runs. `train.py` may change: it is no part of their identities."""
    user.succeed("study new mine")
    config = user.folder / "mine/config.yaml"
    text = config.read_text().replace("seeds: 10", "seeds: 3").replace("files: [train.py]", "files: []")
    config.write_text(text)
    return replace(user, folder=user.folder / "mine")


def before_training(folder: Path, line: str) -> str:
    """Put a line before the training in a starter's `train.py`; returns the content that it had."""
    script, call = folder / "train.py", "    losses = train("
    sound = script.read_text()
    assert call in sound
    script.write_text(sound.replace(call, f"    {line}\n{call}"))
    return sound


def test_what_runs_is_the_wheel(user: User, programs: Path) -> None:
    (user.folder / "look.py").write_text("import study, sys; print(study.__file__, *sys.path, sep='\\n')")
    file, *path = user.succeed("python look.py").splitlines()
    assert Path(file).is_relative_to(programs.parent)
    assert str(PROJECT) not in path


def test_it_leads_from_nothing_to_a_report(finished: User) -> None:
    assert len(stored(finished.folder)) == 40
    assert "final loss" in words(finished.folder / "results/mine/report.html")
    # The captions of Snakemake's own report come from the wheel too.
    finished.succeed("snakemake --report ../report.zip")
    with zipfile.ZipFile(finished.folder.parent / "report.zip") as archive:
        assert "The study <strong>mine</strong> crosses" in archive.read("report/report.html").decode()


def test_it_analyses_a_table(user: User) -> None:
    rows = [f"{arm},{seed},{seed % 3 + (arm == 'b')}" for arm in "ab" for seed in range(5)]
    (user.folder / "runs.csv").write_text("\n".join(["arm,seed,loss", *rows]))
    user.succeed("study analyze runs.csv --response loss --factor arm --block seed --control arm=a --out analysis")
    user.succeed("study report analysis")
    assert "<html" in (user.folder / "analysis/report.html").read_text()[:1000]


def test_a_starter_in_an_environment_with_a_checkout_runs_the_workflow_of_the_checkout(mine: User) -> None:
    checkout = copy_of_the_project(mine.folder.parent / "checkout")
    rules = checkout / "workflow/rules/design.smk"
    rules.write_text(rules.read_text().replace("Planning the runs of", "By the checkout, planning the runs of"))
    # What an editable install comes to.
    developer = replace(mine, environment=mine.environment | {"PYTHONPATH": str(checkout)})
    assert "By the checkout, planning the runs of results/mine" in developer.succeed("snakemake --dry-run")
    assert "By the checkout" not in mine.succeed("snakemake --dry-run")


def test_a_configuration_of_the_users_own_lies_over_that_of_the_built_in_networks(user: User) -> None:
    user.succeed("study new mine")
    mine = replace(user, folder=user.folder / "mine")
    (mine.folder / "config.yaml").write_text(yaml.safe_dump({"study": {"name": "nets"}, "data": {"source": "keras"}}))
    said = mine.succeed("snakemake --dry-run")
    assert "Planning the runs of results/nets" in said
    assert "Training bn~shared_dropout~0.3_lr~0.0002" in said


def test_the_bundled_images_come_with_a_checkout(user: User) -> None:
    user.succeed("study new mine")
    mine = replace(user, folder=user.folder / "mine")
    (mine.folder / "config.yaml").write_text(yaml.safe_dump({"study": {"name": "nets"}}))
    status, said = mine.run("snakemake --dry-run")
    assert status != 0
    assert said.splitlines()[-1] == (
        "study: error: data.source: 'mnist', the bundled images, come with a checkout of the project and not with an "
        "installed package; allowed here: keras, or a folder with four IDX files"
    )


def test_nothing_that_exists_is_overwritten(mine: User) -> None:
    before = {path: path.read_bytes() for path in mine.folder.rglob("*") if path.is_file()}
    status, said = mine.run(f"study new {mine.folder}")
    assert status == 2
    assert said == f"study: error: {mine.folder}: exists and is not empty; name a new folder, nothing is overwritten\n"
    assert {path: path.read_bytes() for path in mine.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("study: {a: [", "config.yaml: cannot be read as YAML"),
        ("\t- x: y\n", "config.yaml: cannot be read as YAML"),
        ("[]", "config.yaml: holds a list; allowed: sections"),
        ("", "config.yaml: holds nothing; allowed: sections"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_one_line(mine: User, content: str, words: str) -> None:
    (mine.folder / "config.yaml").write_text(content)
    status, said = mine.run("snakemake --dry-run")
    lines = [line for line in said.splitlines() if "profile" not in line]
    assert status != 0
    assert [line.startswith("study: error: ") and words in line for line in lines] == [True]


def test_only_what_must_be_is_repeated(finished: User, user: User) -> None:
    folder = Path(shutil.copytree(finished.folder, user.folder / "mine"))
    copy, config, script = replace(user, folder=folder), folder / "config.yaml", folder / "train.py"
    before = stored(folder)
    assert "Nothing to be done" in copy.succeed("snakemake --dry-run")
    # Words make a new analysis and page, and no new run.
    config.write_text(config.read_text().replace("name: final loss", "name: last loss").replace("0.05", "0.1"))
    said = copy.succeed("snakemake --dry-run")
    assert "Analysing the runs" in said
    assert "Writing the report" in said
    assert "Training" not in said
    # A file that decides results makes new runs, beside the old ones.
    script.write_text(script.read_text().replace("STEPS = 50", "STEPS = 60"))
    copy.succeed("snakemake --cores 2 --until train")
    assert len(stored(folder)) == 80
    assert before.items() <= stored(folder).items()


def test_a_run_that_fails_fails_its_job_alone_and_is_run_by_the_same_command(mine: User) -> None:
    condition = "if (options.seed, options.momentum, options.rate) == (1, 0.0, 0.01): raise SystemExit(7)"
    sound = before_training(mine.folder, condition)
    status, said = mine.run("snakemake --cores 1")
    assert status != 0
    # From the log of the job, which is the first to run.
    assert "1 of 3 runs failed and have no record; the same command runs them again. " in said
    assert "momentum 0.0, rate 0.01, seed 1: exit status 7" in said
    # Once in the log that Snakemake shows, and once more as the last of all: what failed, where, and what to type.
    assert "RuleException" not in said
    recorded, error, log, hint = said.splitlines()[-4:]
    assert recorded == "study: 11 of 12 runs are recorded"
    assert error.endswith(
        "1 of 3 runs failed and have no record; the same command runs them again. momentum 0.0, "
        "rate 0.01, seed 1: exit status 7"
    )
    assert "momentum 0.0, rate 0.01, seed 1: exit status 7" in (mine.folder / log.removeprefix("its log: ")).read_text()
    assert hint == "finished runs are safe; the same `snakemake` command goes on"
    before = stored(mine.folder)
    assert len(before) == 11
    assert not (mine.folder / "results/mine/report.html").exists()
    (mine.folder / "train.py").write_text(sound)
    mine.succeed("snakemake --cores 1")
    assert len(stored(mine.folder)) == 12
    assert before.items() <= stored(mine.folder).items()
    assert (mine.folder / "results/mine/report.html").exists()


def interrupt_when(user: User, ready: Callable[[], bool]) -> None:
    """Start the study and press Ctrl-C as `ready` becomes true; a terminal sends it to all that Snakemake runs."""
    process = user.start("snakemake --cores 2 --until train")
    deadline = time.monotonic() + PATIENCE
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0, said


def test_after_ctrl_c_the_same_command_goes_on(mine: User) -> None:
    sound = before_training(mine.folder, "import time; time.sleep(3)")
    # In a job that has begun to write: Snakemake takes what is there for incomplete, and would ask what to do.
    interrupt_when(mine, (mine.folder / "results/mine/design.json").exists)
    assert [path for path in (mine.folder / ".snakemake/incomplete").rglob("*") if path.is_file()]
    assert stored(mine.folder) == {}
    # In mid training.
    interrupt_when(mine, lambda: len(stored(mine.folder)) >= 2)
    before = stored(mine.folder)
    assert 2 <= len(before) < 12
    (mine.folder / "train.py").write_text(sound)
    mine.succeed("snakemake --cores 2 --until train")
    assert len(stored(mine.folder)) == 12
    assert before.items() <= stored(mine.folder).items()
