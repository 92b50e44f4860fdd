"""How far a study is, told from its store: what is done, what is left, and for how long."""

import os
import time
from typing import Any

from study.design.factorial import Job, looks
from study.design.plan import Plan
from study.store.record import Record, Store
from study.words import duration

# Set by the Snakefile, so that all jobs of one call of Snakemake measure from one moment; and the cores of this machine
# that the call may use, empty if its jobs run elsewhere.
STARTED = "STUDY_STARTED"
CORES = "STUDY_CORES"


def call() -> dict[str, Any] | None:
    """When the call of Snakemake that this process belongs to started (seconds since 1970), and its cores.

    None outside Snakemake, and where jobs run on other machines.
    """
    started, cores = os.environ.get(STARTED), os.environ.get(CORES)
    return {"started": float(started), "cores": int(cores)} if started and cores else None


def line(plan: Plan, store: Store, job: Job, seed: int, record: Record) -> str:
    """One line of progress after a training: runs done of all, the outcome, the time left at the pace so far."""
    runs = plan.runs()
    done = store.count(run_id for run_id, _, _ in runs)
    trainings = {(cell.trajectory, seed): run_id for run_id, cell, seed in runs}
    started = float(os.environ.get(STARTED, time.time()))
    finished = [store.path(run_id).stat().st_mtime for run_id in trainings.values() if store.path(run_id).exists()]
    lately = sum(moment >= started for moment in finished)
    left = len(trainings) - len(finished)
    words = job.trajectory.replace("_", " ").replace("~", " ")
    pace = f", about {duration(left * (time.time() - started) / lately)} left" if left and lately else ""
    told = f"({words}, seed {seed}: {record.in_words()})"
    if looks(plan.config):
        # Nobody knows yet how many runs a sequential study will take.
        return f"[study] {done} runs, {len(runs)} at most  {told}"
    return f"[study] {done} of {len(runs)} runs{pace}  {told}"
