"""How far a study is, told from its store: what is done, what is left, and for how long."""

import os
import time

from study.design.factorial import Job, looks
from study.design.plan import Plan
from study.store.provenance import STARTED
from study.store.record import Store
from study.words import duration


def line(plan: Plan, store: Store, job: Job, seed: int, outcome: str) -> str:
    """One line of progress after a training: runs done, its outcome in words, the time left at the pace so far."""
    runs = plan.runs()
    recorded = store.recorded()
    done = sum(run_id in recorded for run_id, _, _ in runs)
    trainings = {(cell.trajectory, seed): run_id for run_id, cell, seed in runs}
    started = float(os.environ.get(STARTED, time.time()))
    finished = [store.path(run_id).stat().st_mtime for run_id in trainings.values() if run_id in recorded]
    lately = sum(moment >= started for moment in finished)
    left = len(trainings) - len(finished)
    pace = f", about {duration(left * (time.time() - started) / lately)} left" if left and lately else ""
    words = f"({job.trajectory.replace('_', ' ').replace('~', ' ')}, seed {seed}: {outcome})"
    if looks(plan.config):
        # Nobody knows yet how many runs a sequential study will take.
        return f"[study] {done} runs, {len(runs)} at most  {words}"
    return f"[study] {done} of {len(runs)} runs{pace}  {words}"
