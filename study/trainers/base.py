"""What trains the runs of a study: the built-in engine, a command, or a function. All three are a `Trainer`.

The Snakefile makes one in every job, so nothing heavy is imported until a run is trained.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from study.design.factorial import Cell, Job
    from study.design.plan import Plan
    from study.design.response import Response
    from study.store.record import Record, Store

OnRecord = Callable[["Job", int, "Record"], None]


class Trainer(Protocol):
    """How the runs of a configuration come about."""

    def files(self) -> list[Path]:
        """The files that decide results beside the configuration.

        Raises:
            StudyError: one of them is missing.
        """

    def fingerprint(self) -> str:
        """A text that changes whenever `origin` does, found without unpacking or importing anything."""

    def origin(self) -> dict[str, Any]:
        """What decides a run's result beside its settings and seed: a part of its identity (`design.run_id`).

        Raises:
            StudyError: a file is missing or damaged.
        """

    def response(self) -> "Response":
        """What each run measures, and the columns of the runs table that hold it."""

    def check(self, cells: Sequence["Cell"]) -> None:
        """Refuse a design whose runs cannot be trained.

        Raises:
            StudyError: the first reason.
        """

    def train(self, job: "Job", plan: "Plan", store: "Store", on_record: OnRecord) -> None:
        """Train whatever the job's runs lack in the store.

        Args:
            on_record: called after a seed's records are safe, with one of them.

        Raises:
            StudyError: a run failed and has no record; or what decides results is not what the design was planned on.
        """
