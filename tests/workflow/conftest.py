"""Studies that run through Snakemake, in folders of their own."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from study import trainers
from study.config import resolve as configuration
from study.design import factorial, plan
from study.store.record import Record
from tests.examples import PROJECT, overlaid

Changes = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A folder in which Snakemake works, and the overlay that it gets as `--configfile`."""

    folder: Path
    overlay: Changes

    def command(self, *arguments: str, project: Path = PROJECT, cores: int = 2, **changes: Any) -> list[str]:
        """The command line of Snakemake, with `changes` laid over the configuration file."""
        path = self.folder / "overlay.yaml"
        path.write_text(yaml.safe_dump(overlaid(changes, self.overlay)))
        return [
            *(sys.executable, "-m", "snakemake", "--cores", str(cores), "--snakefile", str(project / "Snakefile")),
            *("--configfile", str(path), "--directory", str(self.folder), *arguments),
        ]

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; all that it says is in `stdout`."""
        return subprocess.run(
            self.command(*arguments, **options),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def succeed(self, *arguments: str, **options: Any) -> str:
        """Run Snakemake; it must not fail. Returns what it said."""
        answer = self.run(*arguments, **options)
        assert answer.returncode == 0, answer.stdout
        return answer.stdout

    def environment(self) -> dict[str, str]:
        """That of a user who calls Snakemake by its path and has activated no environment."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "SNAKEMAKE"))}
        here = Path(sys.executable).parent
        path = [folder for folder in inherited["PATH"].split(os.pathsep) if Path(folder) != here]
        return inherited | {"PATH": os.pathsep.join(path), "XDG_CACHE_HOME": str(self.folder / "cache")}

    def copy(self, folder: Path) -> "Study":
        """The same study in another folder, with all times kept."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Study(folder, self.overlay)

    def target(self, name: str) -> str:
        """A result as a rule names it."""
        return f"results/{self.overlay['study']['name']}/{name}"

    def result(self, name: str) -> Path:
        return self.folder / self.target(name)

    def stored(self) -> dict[str, Path]:
        """The files of all records, by identity."""
        # While a record is being written, it has a hidden name.
        return {path.stem: path for path in (self.folder / "results/runs").rglob("[!.]*.json")}

    def untouched(self) -> dict[str, tuple[int, int, bytes]]:
        """What does not change about a record that nobody writes."""
        return {
            run_id: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
            for run_id, path in self.stored().items()
        }

    def bits(self) -> dict[str, tuple[str, str, str]]:
        """What a run came to, bit for bit: its weights, its predictions, and which of them are right."""
        records = {run_id: Record.from_json(path.read_text()) for run_id, path in self.stored().items()}
        return {
            run_id: (*record.extra["digests"].values(), record.extra["correct_bits"])
            for run_id, record in records.items()
        }

    def config(self, **changes: Any) -> dict[str, Any]:
        """The resolved configuration: config.yaml, the overlay over it, `changes` over both."""
        base = yaml.safe_load((PROJECT / "config.yaml").read_text())
        return configuration.resolve(overlaid(changes, overlaid(self.overlay, base)))

    def planned(self, **changes: Any) -> plan.Plan:
        """The plan that `changes` make of it, with the images that were planned on."""
        config = self.config(**changes)
        return plan.Plan(config, plan.read(self.result("design.json")).origin, trainers.choose(config).shared_levels())

    def manifest(self, trajectory: str, block: str, **changes: Any) -> str:
        """The output of one training job, as its rule names it."""
        config = self.config(**changes)
        trainer = trainers.choose(config)
        every = factorial.jobs(config, trainer.shared_levels())
        (job,) = [job for job in every if (job.trajectory, job.block) == (trajectory, block)]
        return self.target(f"train/{trajectory}/seeds~{block}.{job.key(trainer.fingerprint())}.json")


@pytest.fixture(scope="session")
def overlay(small_images: Path) -> Changes:
    """bn {none, keras} x dropout {0.0, 0.3} x 3 seeds: four jobs of a few seconds."""
    return {
        "study": {"name": "tiny"},
        "design": {"factors": {"bn": ["none", "keras"], "dropout": [0.0, 0.3], "lr": None}, "seeds": 3},
        "training": {"lr": 0.001, "epochs": 2, "batch_size": 50, "train_images": 400},
        "data": {"source": str(small_images)},
        "execution": {"seeds_per_job": 3},
    }


@pytest.fixture
def study(tmp_path: Path, overlay: Changes) -> Study:
    """The tiny study, before anything was done."""
    return Study(tmp_path, overlay)


@pytest.fixture(scope="session")
def first_words(tmp_path_factory: pytest.TempPathFactory, overlay: Changes) -> tuple[Study, str]:
    """The tiny study, run from nothing to the report, and what Snakemake said."""
    study = Study(tmp_path_factory.mktemp("tiny"), overlay)
    return study, study.succeed()


@pytest.fixture(scope="session")
def original(first_words: tuple[Study, str]) -> Study:
    """The finished tiny study; only to be read."""
    return first_words[0]


@pytest.fixture
def finished(original: Study, tmp_path: Path) -> Study:
    """A copy of the finished tiny study."""
    return original.copy(tmp_path / "copy")
