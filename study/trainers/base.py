"""What a trainer is, and how planning and the table of runs come to know it.

The Snakefile makes a trainer in every job, so nothing heavy is imported until a run is trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from study.design.factorial import Cell, Job, SharedLevels
from study.design.job_size import Work
from study.design.plan import Plan
from study.design.response import Response
from study.store.record import Record, RecordReader, Store

if TYPE_CHECKING:
    import pandas as pd


OnRecord = Callable[[Job, int, Record], None]


@dataclass(frozen=True)
class Assumptions:
    """What planning assumes of runs before there are any.

    Attributes:
        error_rate: the control's share of failures.
        run_sd: standard deviation between runs, on log odds of error, without binomial noise.
        trials: the trials of a run.
    """

    error_rate: float
    run_sd: float
    trials: int


class Trainer(RecordReader, Protocol):
    """How the runs of a configuration come about, and what is special to them."""

    @property
    def version(self) -> int | None:
        """The version of the code that trains, as `engine` in `origin`; None for code that is known by its files."""

    @property
    def result_files(self) -> tuple[str, ...]:
        """The files that `explain` writes, by name; none for a trainer without any."""

    def files(self) -> list[Path]:
        """The files besides the configuration that decide results.

        Raises:
            StudyError: one of them is missing.
        """

    def fingerprint(self) -> str:
        """A text that changes whenever `origin` does, found without unpacking or importing anything."""

    def origin(self) -> dict[str, Any]:
        """What decides a run's result besides its settings and seed: a part of its identity (`factorial.run_id`).

        Raises:
            StudyError: a file is missing or damaged.
        """

    def response(self) -> Response:
        """What each run measures, and the columns of the runs table that hold it."""

    def shared_levels(self) -> SharedLevels:
        """By factor, the levels that one training serves together; {} if every cell is trained on its own."""

    def work(self, settings: dict[str, Any]) -> Work:
        """What a run with these settings has to do, from which the size of the jobs follows.

        Args:
            settings: those of a planned run, or of a recorded one that may be another trainer's.
        """

    def words(self) -> dict[str, Any]:
        """What is trained, as `design.json` holds it for the report."""

    def assumptions(self) -> Assumptions | None:
        """What planning assumes before there are runs; None if nothing is known."""

    def check(self, cells: Sequence[Cell]) -> None:
        """Refuse a design whose runs cannot be trained.

        Raises:
            StudyError: the first reason.
        """

    def train(self, job: Job, plan: Plan, store: Store, on_record: OnRecord) -> None:
        """Train whatever the job's runs lack in the store.

        Args:
            on_record: called after a seed's records are safe, with one of them.

        Raises:
            StudyError: a run failed and has no record; or what decides results is not what the design was planned on.
        """

    def explain(self, plan: Plan, runs: "pd.DataFrame", store: Store, folder: Path) -> None:
        """Write `result_files`, results of this trainer alone, from the runs of the table and their records."""


def in_words(record: Record, trainer: Trainer) -> str:
    """How a run came out, in a few words for a terminal."""
    if record.status == "diverged":
        return record.status
    names, row = trainer.response().columns, trainer.columns(record)
    if "successes" in names:
        return f"{100 * row[names['successes']] / row[names['trials']]:.1f} %"
    return f"{row[names['response']]:.6g}"
