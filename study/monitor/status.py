"""How far a study is, cell by cell, told from its design, its store and the heartbeats of its jobs.

Nothing is asked of Snakemake or of a scheduler, so it can be told while the study runs, by anyone who sees the files.
"""

import statistics
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.analysis import adaptive
from study.design.factorial import factors, looks
from study.design.plan import Plan
from study.errors import StudyError
from study.monitor import heartbeat
from study.store.record import Store

DONE, RUNNING, FAILED, MISSING = STATES = ("done", "running", "failed", "missing")
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


@dataclass(frozen=True)
class Status:
    """How far a study is.

    Attributes:
        factors: their names.
        rows: one a cell, in the order of the design.
        trainings_at_once: how many trainings are under way.
        core_seconds_left: how long what is left would take one core.
        failure: the last one.
    """

    name: str
    factors: tuple[str, ...]
    rows: tuple[Row, ...]
    trainings_at_once: int
    core_seconds_left: float
    failure: Failure | None

    def count(self, state: str) -> int:
        return sum(row.count(state) for row in self.rows)

    @property
    def runs(self) -> int:
        return sum(len(row.states) for row in self.rows)

    @property
    def seconds_left(self) -> float | None:
        """With as many trainings at once as there are now; None with none."""
        return self.core_seconds_left / self.trainings_at_once if self.trainings_at_once else None


class Survey:
    """Looks at a study as often as it is asked to; what the design says is worked out once."""

    def __init__(self, plan: Plan, folder: Path, store: Store) -> None:
        self._plan = plan
        self._folder = folder
        self._store = store
        self._runs = plan.runs(adaptive.asked_for(plan.config, folder))
        self._seconds: dict[str, list[float]] = {}

    def look(self) -> Status:
        """The state of every run now; of a sequential study, of every run that it has asked for so far."""
        if looks(self._plan.config):
            self._runs = self._plan.runs(adaptive.asked_for(self._plan.config, self._folder))
        recorded = self._store.recorded()
        states = {run_id: DONE if run_id in recorded else MISSING for run_id, _, _ in self._runs}
        lacking: dict[tuple[str, int], list[str]] = {}
        for run_id, cell, seed in self._runs:
            if run_id not in recorded:
                lacking.setdefault((cell.trajectory, seed), []).append(run_id)
        under_way = 0
        failures = []
        for path in sorted((self._folder / "train").glob(f"*/*{heartbeat.SUFFIX}")):
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
                failures.append(self._failure(path, trajectory, seeds[0], beat))
            elif seeds:
                under_way += len(seeds)
        return Status(
            name=self._plan.name,
            factors=tuple(factors(self._plan.config)),
            rows=self._rows(states),
            trainings_at_once=under_way,
            core_seconds_left=self._core_seconds_left(lacking, recorded),
            failure=max(failures, key=lambda failure: failure.when, default=None),
        )

    def _rows(self, states: dict[str, str]) -> tuple[Row, ...]:
        by_cell: dict[int, tuple[dict[str, Any], list[str]]] = {}
        for run_id, cell, _ in self._runs:
            by_cell.setdefault(id(cell), (cell.levels, []))[1].append(states[run_id])
        return tuple(Row(levels, tuple(found)) for levels, found in by_cell.values())

    def _failure(self, path: Path, trajectory: str, seed: int, beat: heartbeat.Heartbeat) -> Failure:
        log = self._folder / "logs/train" / path.parent.name / f"{path.stem}.log"
        return Failure(f"{trajectory}, seed {seed}", str(beat.error), beat.when, log)

    def _core_seconds_left(self, lacking: dict[tuple[str, int], list[str]], recorded: set[str]) -> float:
        if not lacking:
            return 0.0
        for run_id, cell, _ in self._runs:
            known = self._seconds.setdefault(cell.trajectory, [])
            if len(known) < SAMPLE and run_id in recorded:
                with suppress(StudyError):
                    cost = self._store.load(run_id).cost
                    known.append(cost["training_seconds"] + cost["evaluation_seconds"])
        medians = {name: statistics.median(known) for name, known in self._seconds.items() if known}
        if not medians:
            return len(lacking) * float(self._plan.config["execution"]["seconds_per_run"])
        other = statistics.mean(medians.values())
        left = Counter(trajectory for trajectory, _ in lacking)
        return sum(count * medians.get(trajectory, other) for trajectory, count in left.items())
