"""How far a study is, cell by cell, told from its design, its store and the heartbeats of its jobs.

Nothing is asked of Snakemake or of a scheduler, so it can be told while the study runs, by anyone who sees the files.
"""

import itertools
import statistics
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.analysis import adaptive
from study.design import plan as plans
from study.design.factorial import Cell
from study.design.plan import Plan
from study.errors import StudyError
from study.monitor import heartbeat
from study.store.record import Store

DONE, RUNNING, FAILED, MISSING = STATES = ("done", "running", "failed", "missing")
Runs = list[tuple[str, Cell, int]]
# Of each trajectory, so many records tell how long a training takes.
SAMPLE = 3


@dataclass(frozen=True)
class Row:
    """One cell of the design: its levels, and the state of each of its runs, in the order of the seeds."""

    levels: dict[str, Any]
    states: tuple[str, ...]

    def count(self, state: str) -> int:
        return self.states.count(state)


@dataclass(frozen=True)
class Failure:
    """Why a job ended without its records, when (seconds since the epoch), and where its log is."""

    what: str
    error: str
    when: float
    log: Path

    def in_words(self) -> list[str]:
        """What failed, where to look, and what to type: a line each."""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.when))
        return [
            f"last error {when}, {self.what}: {self.error}",
            f"its log: {self.log}",
            "finished runs are safe; the same `snakemake` command goes on",
        ]


@dataclass(frozen=True)
class Status:
    """How far a study is.

    Attributes:
        rows: one a cell, in the order of the design.
        trainings_at_once: how many trainings are under way.
        core_seconds_left: how long what is left would take one core.
        failure: the last one.
    """

    name: str
    rows: tuple[Row, ...]
    trainings_at_once: int
    core_seconds_left: float
    failure: Failure | None

    def count(self, state: str) -> int:
        return sum(row.count(state) for row in self.rows)

    @property
    def runs(self) -> int:
        return sum(len(row.states) for row in self.rows)


def survey(plan: Plan, folder: Path, store: Store) -> Status:
    """The state of every run now; of a sequential study, of every run that it has asked for so far.

    Args:
        folder: the study's.
    """
    runs = plan.runs(adaptive.asked_for(plan.config, folder))
    recorded = store.recorded()
    states = {run_id: DONE if run_id in recorded else MISSING for run_id, _, _ in runs}
    lacking: dict[tuple[str, int], list[str]] = {}
    for run_id, cell, seed in runs:
        if run_id not in recorded:
            lacking.setdefault((cell.trajectory, seed), []).append(run_id)
    under_way = 0
    failures = []
    for path in sorted((folder / "train").glob(f"*/*{heartbeat.SUFFIX}")):
        beat = heartbeat.read(path)
        if beat is None:
            continue
        trajectory = beat.about["trajectory"]
        # A job trains its seeds in order, so many at once; the first without records are those it is at.
        seeds = [seed for seed in beat.about["seeds"] if (trajectory, seed) in lacking][: beat.about["at_once"]]
        for seed in seeds:
            for run_id in lacking[trajectory, seed]:
                if states[run_id] != RUNNING:
                    states[run_id] = FAILED if beat.error else RUNNING
        if beat.error and seeds:
            log = folder / "logs/train" / path.parent.name / f"{path.stem}.log"
            failures.append(Failure(f"{trajectory}, seed {seeds[0]}", beat.error, beat.when, log))
        elif seeds:
            under_way += len(seeds)
    by_cell = [list(members) for _, members in itertools.groupby(runs, key=lambda run: id(run[1]))]
    seconds = _seconds_a_training(plan, runs, store, recorded) if lacking else {}
    return Status(
        name=plan.name,
        rows=tuple(Row(found[0][1].levels, tuple(states[run_id] for run_id, _, _ in found)) for found in by_cell),
        trainings_at_once=under_way,
        core_seconds_left=sum(seconds[trajectory] for trajectory, _ in lacking),
        failure=max(failures, key=lambda failure: failure.when, default=None),
    )


def last_words(folder: Path, store: Store) -> str:
    """What a workflow that has failed ends with; the failing step's own log stands above it."""
    with suppress(StudyError):
        status = survey(plans.read(folder / "design.json"), folder, store)
        counts = f"study: {status.count(DONE)} of {status.runs} runs are recorded"
        if status.failure:
            return "\n".join([counts, *status.failure.in_words()])
        return f"{counts} and safe; a step failed, and its log stands above; the same `snakemake` command goes on"
    return "study: a step failed, and its log stands above"


def _seconds_a_training(plan: Plan, runs: Runs, store: Store, recorded: set[str]) -> dict[str, float]:
    """How long a training of each trajectory takes: as its first records have it, else as others, else as planned."""
    known: dict[str, list[float]] = {cell.trajectory: [] for _, cell, _ in runs}
    for run_id, cell, _ in runs:
        if run_id in recorded and len(known[cell.trajectory]) < SAMPLE:
            with suppress(StudyError):
                cost = store.load(run_id).cost
                known[cell.trajectory].append(cost["training_seconds"] + cost["evaluation_seconds"])
    medians = {trajectory: statistics.median(seconds) for trajectory, seconds in known.items() if seconds}
    other = statistics.mean(medians.values()) if medians else plan.config["execution"]["seconds_per_run"]
    return dict.fromkeys(known, other) | medians
