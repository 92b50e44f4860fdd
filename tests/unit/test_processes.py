"""A job's seeds in several processes: each seed once, at once, and no failure is lost."""

import os
import signal
import time
from pathlib import Path

import pytest

from study.design.factorial import Job
from study.errors import StudyError
from study.trainers.parallel import in_processes

JOB = Job("a", (), (4, 5, 6, 7, 8))
PATIENCE = 60


def test_one_process_is_this_one(tmp_path: Path) -> None:
    seen = []
    in_processes(JOB, 1, lambda part: seen.append((part, os.getpid())))
    assert seen == [(JOB, os.getpid())]


def test_every_seed_is_dealt_to_one_process_and_they_work_at_once(tmp_path: Path) -> None:
    def train(part: Job) -> None:
        (tmp_path / str(os.getpid())).write_text(" ".join(map(str, part.seeds)))
        deadline = time.monotonic() + PATIENCE
        while len(list(tmp_path.iterdir())) < 3:
            assert time.monotonic() < deadline, "the processes wait for each other"
            time.sleep(0.01)

    in_processes(JOB, 3, train)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["4 7", "5 8", "6"]
    assert str(os.getpid()) not in {path.name for path in tmp_path.iterdir()}


def test_no_more_processes_than_seeds(tmp_path: Path) -> None:
    in_processes(JOB, 99, lambda part: (tmp_path / str(part.seeds[0])).write_text(str(len(part.seeds))) and None)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {str(seed): "1" for seed in JOB.seeds}


def test_an_error_in_a_process_is_the_callers(tmp_path: Path) -> None:
    def train(part: Job) -> None:
        if 5 in part.seeds:
            raise StudyError("the disk is full")

    with pytest.raises(StudyError, match="the disk is full"):
        in_processes(JOB, 2, train)


def test_a_killed_process_is_told_in_one_line_with_what_to_type(tmp_path: Path) -> None:
    def train(part: Job) -> None:
        if 5 in part.seeds:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(StudyError, match=r"seeds 4-8: one of its 2 processes was killed.*`snakemake`") as caught:
        in_processes(JOB, 2, train)
    assert "\n" not in str(caught.value)
