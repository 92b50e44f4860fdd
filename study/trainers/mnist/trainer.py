"""The built-in trainer: TensorFlow networks on MNIST."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.design.response import Response
from study.trainers.mnist.version import ENGINE_VERSION

if TYPE_CHECKING:
    from study.design.factorial import Cell, Job
    from study.design.plan import Plan
    from study.store.record import Store
    from study.trainers.base import OnRecord


class Builtin:
    """Trains with `study.training`; see `study.trainers.Trainer`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._source = config["data"]["source"]

    def files(self) -> list[Path]:
        from study.trainers.mnist.data import source_files

        return source_files(self._source)

    def fingerprint(self) -> str:
        from study.trainers.mnist.data import fingerprint

        return f"{fingerprint(self._source)} {ENGINE_VERSION}"

    def origin(self) -> dict[str, Any]:
        from study.trainers.mnist import data

        return origin(data.load(self._source).digest)

    def response(self) -> Response:
        return Response(
            kind="proportion",
            name="test accuracy",
            unit="",
            better="higher",
            columns={"successes": "test_correct", "trials": "test_trials"},
            validation={"successes": "validation_correct", "trials": "validation_trials"},
        )

    def check(self, cells: Sequence["Cell"]) -> None:
        from study.trainers.mnist import data
        from study.trainers.mnist.job import check_fit

        images = data.load(self._source)
        for cell in cells:
            check_fit(cell.settings, images)

    def train(self, job: "Job", plan: "Plan", store: "Store", on_record: "OnRecord") -> None:
        from study.trainers.mnist import job as jobs

        jobs.run(job, plan, store, on_record)


def origin(data_digest: str) -> dict[str, Any]:
    """What decides a run beside its settings and seed: the images, and the engine's version."""
    return {"data": data_digest, "engine": ENGINE_VERSION}
