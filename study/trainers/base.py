"""What a trainer is. The Snakefile makes one in every job, so nothing heavy is imported until a run is trained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from study.design.factorial import Cell, Job, SharedLevels
from study.design.job_size import Work
from study.design.plan import Plan
from study.design.response import Response
from study.store.record import Record, Store

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel

OnRecord = Callable[[Job, int, Record], None]


@dataclass(frozen=True)
class Assumptions:
    """What planning assumes before there are runs.

    Attributes:
        error_rate: the control's share of failures.
        run_sd: standard deviation between runs, on log odds of error, without binomial noise.
        trials: the trials of a run.
    """

    error_rate: float
    run_sd: float
    trials: int


class Trainer(Protocol):
    """How the runs of a configuration come about, and what is special to them.

    Attributes:
        version: the version of the code that trains, as `engine` in `origin`; None for code that is known by its files.
        result_files: what `explain` writes, by name.
    """

    version: int | None = None
    result_files: tuple[str, ...] = ()

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

    def words(self) -> dict[str, Any]:
        """What is trained, as `design.json` holds it for the report."""

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

    def result_model(self) -> "type[BaseModel]":
        """What `Record.extra` must look like."""

    def columns(self, record: Record) -> dict[str, Any]:
        """What came out of a run, by column of the runs table."""

    def curve(self, record: Record) -> dict[str, list[Any]]:
        """A run by epoch, by column of the curves table; {} without a curve."""
        return record.curve

    def shared_levels(self) -> SharedLevels:
        """By factor, the levels that one training serves together."""
        return {}

    def work(self, settings: dict[str, Any]) -> Work:
        """What a run has to do; `settings` may be those of another trainer's record."""
        return Work(settings)

    def assumptions(self) -> Assumptions | None:
        """What planning assumes before there are runs; None if nothing is known."""
        return None

    def explain(self, plan: Plan, runs: "pd.DataFrame", store: Store, folder: Path) -> None:
        """Write `result_files`, results of this trainer alone, from the runs of the table and their records."""
        return

    def advice(self, folder: Path) -> dict[str, str]:
        """By level of the factor in question: in a sentence or two, what to do about an arm whose runs fail.

        Made from the `result_files` in a study's folder; levels about which nothing is known are left out.

        Raises:
            StudyError: one of the files is damaged.
        """
        return {}


def measured(record: Record, trainer: Trainer) -> float | None:
    """What a run measured: the share of its trials that succeeded, or its number; None if it diverged without one."""
    names, row = trainer.response().columns, trainer.columns(record)
    if "successes" in names:
        return row[names["successes"]] / row[names["trials"]]
    return row[names["response"]]


def in_words(record: Record, trainer: Trainer) -> str:
    """How a run came out, in a few words for a terminal."""
    value = measured(record, trainer)
    if record.status == "diverged" or value is None:
        return record.status
    return f"{100 * value:.1f} %" if "successes" in trainer.response().columns else f"{value:.6g}"
