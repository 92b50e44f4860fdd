"""On a real Slurm: the same bits as on one machine, and nothing lost, whatever breaks on the way."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from study.monitor import heartbeat
from study.monitor.status import survey
from study.trainers.mnist import checkpoint
from tests.examples import PROJECT
from tests.slurm.cluster import NODES, PATIENCE, Cluster, until
from tests.slurm.conftest import Clone
from tests.workflow.conftest import Study

# What the profile says, only that the queue is looked at more often.
SLURM = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "2")
FAR = 1e6
"""Seconds, more than any test trains."""


def training(trajectory: str, folder: Path) -> int | None:
    """The process that trains a trajectory in a folder."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode().split("\0")
            if words[1:4] == ["-m", "study", "train"] and trajectory in words and (path / "cwd").readlink() == folder:
                return int(path.name)
        except OSError:
            continue
    return None


def is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def second_run(clone: Clone, trajectory: str) -> tuple[Path, Path]:
    """Record and checkpoint of the second seed of a job."""
    job = clone.jobs()[trajectory]
    run_id = clone.planned().run_id(job.cells[0], job.seeds[1])
    return clone.store.path(run_id), clone.store.checkpoint(run_id)


def halted(clone: Clone, *trajectories: str) -> dict[str, int]:
    """Halt each of the trainings in the middle of its second run; returns their processes.

    A halted process takes no time and cannot end by itself: what the test does next is done in the middle of the run,
    however fast or slow the machine is.
    """
    until(clone.result("design.json").exists, "the design")
    paths = {name: second_run(clone, name) for name in trajectories}
    found: dict[str, int] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < len(trajectories):
        assert time.monotonic() < deadline, clone.words()
        time.sleep(0.02)
        for name in set(trajectories) - set(found):
            record, state = paths[name]
            if state.exists() and (process := training(name, clone.folder)):
                os.kill(process, signal.SIGSTOP)
                found[name] = process
                assert not record.exists()
    return found


def mark(state: Path) -> None:
    """Make the run that goes on from this checkpoint remember that it did: it has trained for an age."""
    tensors, progress = checkpoint.load(state)
    checkpoint.save(state, tensors, progress | {"training_seconds": FAR, "seconds": 2 * FAR})


def went_on_from_its_checkpoint(clone: Clone, trajectory: str) -> bool:
    record, _ = second_run(clone, trajectory)
    return clone.store.load(record.stem).cost["training_seconds"] > FAR


@contextmanager
def nothing_is_lost(clone: Clone, local: Study) -> Iterator[None]:
    """What is recorded at the start is untouched at the end, when all runs are there with the bits of a local run."""
    safe = clone.untouched()
    assert len(safe) >= 2
    yield
    assert {run_id: clone.untouched()[run_id] for run_id in safe} == safe
    assert clone.bits() == local.bits()
    left = [path for path in clone.store.root.rglob("*") if path.is_file() and path.suffix != ".json"]
    assert left == []


def slurm_job(cluster: Cluster, trajectory: str) -> str:
    (number,) = [number for number, (_, _, comment) in cluster.jobs().items() if trajectory in comment]
    return number


def test_the_literal_command_leads_to_the_report_with_the_bits_of_a_local_run(
    cluster: Cluster, clone: Clone, local: Study
) -> None:
    words = clone.end_of(clone.start("--profile", "slurm"))
    # Two trainings, the table and the analysis.
    assert len(set(re.findall(r"SLURM jobid (\d+)", words))) == 4
    assert clone.bits() == local.bits()
    assert len(clone.bits()) == 4
    assert len(pd.read_parquet(clone.result("runs.parquet"))) == 4
    assert "<html" in clone.result("report.html").read_text()[:1000]


def test_a_cancelled_job_and_one_at_its_time_limit_go_on_from_what_they_had(
    cluster: Cluster, clone: Clone, local: Study
) -> None:
    limit = ("--set-resources", "train:runtime=attempt")
    process = clone.start(*SLURM, *limit, "--", *clone.manifests())
    trainings = halted(clone, "bn~none", "bn~shared")
    status = survey(clone.planned(), clone.result(""), clone.store)
    assert [row.states for row in status.rows] == [("done", "running")] * 2
    (sign,) = (clone.folder / clone.manifest("bn~none", "0-1")).parent.glob(f"*{heartbeat.SUFFIX}")
    assert json.loads(sign.read_text())["slurm_job"] == slurm_job(cluster, "bn~none")
    with nothing_is_lost(clone, local):
        subprocess.run(["scancel", slurm_job(cluster, "bn~none")], check=True)
        for name in ("bn~none", "bn~shared"):
            until(lambda name=name: not is_alive(trainings[name]), f"the end of {name}")
            mark(second_run(clone, name)[1])
        words = clone.end_of(process)
        assert words.count("Trying to restart job") >= 2
    assert went_on_from_its_checkpoint(clone, "bn~none")
    assert went_on_from_its_checkpoint(clone, "bn~shared")


def test_neither_a_lost_node_nor_a_lost_controller_loses_a_run(cluster: Cluster, clone: Clone, local: Study) -> None:
    process = clone.start(*SLURM, "--", *clone.manifests())
    trainings = halted(clone, "bn~none", "bn~shared")
    nodes = {name: cluster.jobs()[slurm_job(cluster, name)][1] for name in trainings}
    assert set(nodes.values()) == set(NODES)
    with nothing_is_lost(clone, local):
        lost = nodes["bn~none"]
        cluster.kill_node(lost)
        until(lambda: not is_alive(trainings["bn~none"]), "the end of what the node ran")
        mark(second_run(clone, "bn~none")[1])
        until(lambda: cluster.states()[lost].startswith("down"), f"{lost} to be missed")
        cluster.start_node(lost)
        cluster.kill_controller()
        # Without a controller a job that runs goes on.
        os.kill(trainings["bn~shared"], signal.SIGCONT)
        until(second_run(clone, "bn~shared")[0].exists, "the record of a run while the controller is down")
        cluster.start_controller()
        clone.end_of(process)
    assert went_on_from_its_checkpoint(clone, "bn~none")


def test_a_killed_snakemake_takes_nothing_with_it(cluster: Cluster, clone: Clone, local: Study) -> None:
    process = clone.start(*SLURM, "--", *clone.manifests())
    trainings = halted(clone, "bn~none", "bn~shared")
    with nothing_is_lost(clone, local):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Slurm knows nothing of it: the jobs go on by themselves.
        for training_process in trainings.values():
            os.kill(training_process, signal.SIGCONT)
        answer = clone.run(*SLURM)
        assert answer.returncode != 0
        assert "--unlock" in answer.stdout
        clone.succeed("--unlock")
        clone.succeed(*SLURM, "--", *clone.manifests())
    assert all((clone.folder / manifest).exists() for manifest in clone.manifests())


def test_the_documented_commands_for_another_scheduler_run_the_study(
    cluster: Cluster, clone: Clone, local: Study
) -> None:
    guide = (PROJECT / "docs/cluster.md").read_text()
    profile, status = re.search(r"```yaml\n(executor: cluster-generic\n.*?)```.*?```sh\n(.*?)```", guide, re.S).groups()
    folder = clone.folder / "mine"
    folder.mkdir()
    (folder / "profile.yaml").write_text(profile)
    (folder / "status.sh").write_text(status)
    (folder / "status.sh").chmod(0o755)
    clone.succeed("--profile", "mine", "--", *clone.manifests())
    assert clone.bits() == local.bits()
