"""A study that was killed goes on from what is safe, to the same bits."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study.store.record import Store
from tests.workflow.conftest import Study

JOB = ("bn~shared_dropout~0.3", "0-2")
PATIENCE = 300
"""Seconds after which a training that shows nothing has failed."""


def kill_when(study: Study, ready: Callable[[], bool], *arguments: str, **changes: object) -> None:
    """Start Snakemake, and kill it and all its jobs as `ready` becomes true: no handler runs, nothing is tidied up."""
    words = study.folder / "words.log"
    with words.open("w") as stream:
        process = subprocess.Popen(
            study.command(*arguments, **changes),
            env=study.environment(),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    finished = process.poll() is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not finished, words.read_text()
    # The jobs are in the same group; wait until the last of them is gone.
    with contextlib.suppress(ProcessLookupError):
        for _ in range(500):
            os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.01)


@pytest.mark.parametrize("checkpoint_every", [0, 1], ids=["between epochs nothing is saved", "every epoch is saved"])
def test_a_study_killed_in_mid_training_goes_on_to_the_same_bits(
    study: Study, original: Study, checkpoint_every: int
) -> None:
    changes = {"training": {"checkpoint_every": checkpoint_every}}
    target = study.manifest(*JOB)
    store = study.folder / "results/runs"

    def in_mid_training() -> bool:
        return len(study.stored()) == 1 and (not checkpoint_every or any(store.rglob("*.checkpoint.npz")))

    kill_when(study, in_mid_training, target, **changes)
    safe = study.untouched()
    assert 1 <= len(safe) < 3
    assert Store(store).missing(safe) == []
    assert not (study.folder / target).exists()

    # A killed Snakemake cannot take its lock away; it says how to, and nothing is lost by it.
    answer = study.run(target, **changes)
    assert answer.returncode != 0
    assert "--unlock" in answer.stdout
    study.succeed("--unlock", **changes)
    words = study.succeed(target, **changes)

    assert words.count("[study] ") == 3 - len(safe)
    assert {run_id: study.untouched()[run_id] for run_id in safe} == safe
    assert len(study.stored()) == 3
    # No checkpoint stays.
    assert len([path for path in store.rglob("[!.]*") if path.is_file()]) == 3
    assert study.bits().items() <= original.bits().items()


@pytest.fixture
def small_disk(study: Study) -> Iterator[Path]:
    """A disk of five pages, where the study keeps its records."""
    folder = study.folder / "results/runs"
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20k", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk of one's own here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_is_named(study: Study, original: Study, small_disk: Path) -> None:
    answer = study.run("--until", "train")
    assert answer.returncode != 0
    assert re.search(r"study: error: results/runs/\S+\.json: cannot be written: No space left on device", answer.stdout)
    safe = study.untouched()
    assert 1 <= len(safe) < 12
    assert Store(small_disk).missing(safe) == []
    assert [path for path in small_disk.rglob(".*") if path.is_file()] == []
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    words = study.succeed("--until", "train")
    assert words.count("[study] ") == 12 - len(safe)
    assert {run_id: study.untouched()[run_id] for run_id in safe} == safe
    assert study.bits() == original.bits()


def test_of_two_snakemakes_in_one_folder_one_works_and_the_other_says_why_not(study: Study, original: Study) -> None:
    command = study.command("--until", "train")
    both = [
        subprocess.Popen(command, env=study.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    words = [process.communicate(timeout=2 * PATIENCE)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], words
    (refusal,) = [said for process, said in zip(both, words, strict=True) if process.returncode]
    assert "Directory cannot be locked" in refusal
    assert "--unlock" in refusal
    assert study.bits() == original.bits()
