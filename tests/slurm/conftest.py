"""The cluster, and studies that run on it from a copy of the project."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from study import trainers
from study.design.factorial import Job, jobs
from study.store.record import Store
from tests.examples import PROJECT, copy_of_the_project, overlaid
from tests.slurm.cluster import PATIENCE, Cluster, obstacle
from tests.workflow.conftest import Study


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes with one processor each."""
    if reason := obstacle():
        pytest.skip(f"no Slurm here: {reason}")
    # A socket's path has at most 107 characters: pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@dataclass(frozen=True)
class Clone(Study):
    """A copy of the project with the study as its config.yaml; Snakemake works in its root."""

    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def command(self, *arguments: str, **_: Any) -> list[str]:
        return ["snakemake", *arguments]

    def environment(self) -> dict[str, str]:
        """That of a user who has activated the environment."""
        here = str(Path(sys.executable).parent)
        return super().environment() | {"PATH": os.pathsep.join([here, os.environ["PATH"]])}

    def run(self, *arguments: str, **_: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        process.wait(PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, self.words())

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start Snakemake."""
        with (self.folder / "words.log").open("wb") as stream:
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment(),
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def end_of(self, process: "subprocess.Popen[bytes]") -> str:
        """Wait for a Snakemake that must succeed; returns what it said."""
        process.wait(PATIENCE)
        assert process.returncode == 0, self.words()
        return self.words()

    def words(self) -> str:
        """What the last Snakemake said."""
        return (self.folder / "words.log").read_text()

    @property
    def store(self) -> Store:
        return Store(self.folder / "results/runs")

    def jobs(self) -> dict[str, Job]:
        """The study's jobs, by trajectory: each has but one."""
        config = self.config()
        return {job.trajectory: job for job in jobs(config, trainers.choose(config).shared_levels())}

    def manifests(self) -> list[str]:
        return [self.manifest(job.trajectory, job.block) for job in self.jobs().values()]


@pytest.fixture(scope="session")
def slurm_overlay(small_images: Path) -> dict[str, Any]:
    """bn {none, keras} x 2 seeds: two jobs of two trainings, long enough to be met in the middle."""
    return {
        "study": {"name": "tiny"},
        "design": {"factors": {"bn": ["none", "keras"], "dropout": None, "lr": None}, "seeds": 2},
        "training": {"lr": 0.001, "epochs": 6, "batch_size": 50, "train_images": 400, "checkpoint_every": 1},
        "data": {"source": str(small_images)},
        "execution": {"seeds_per_job": 2},
    }


@pytest.fixture
def clone(tmp_path: Path, slurm_overlay: dict[str, Any]) -> Iterator[Clone]:
    """The study, before anything was done."""
    project = copy_of_the_project(tmp_path / "project")
    base = yaml.safe_load((PROJECT / "config.yaml").read_text())
    (project / "config.yaml").write_text(yaml.safe_dump(overlaid(slurm_overlay, base)))
    clone = Clone(project, slurm_overlay)
    yield clone
    for process in clone.started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, slurm_overlay: dict[str, Any]) -> Study:
    """The same study, trained by a plain Snakemake on this machine, without Slurm."""
    study = Study(tmp_path_factory.mktemp("local"), slurm_overlay)
    study.succeed("--until", "train")
    return study
