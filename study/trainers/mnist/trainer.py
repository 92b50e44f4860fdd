"""The built-in trainer: TensorFlow networks on MNIST, with and without batch normalisation."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.design.factorial import Cell, Job, SharedLevels
from study.design.job_size import Work
from study.design.plan import Plan
from study.design.response import Response
from study.errors import MALFORMED
from study.store.record import Record, Store
from study.trainers.base import Assumptions, OnRecord, Trainer
from study.trainers.mnist.version import ENGINE_VERSION

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel

    from study.trainers.mnist.data import Dataset

# What a training step of one image takes, forward and backward, in millions of floating point operations.
MEGAFLOP = {"asker": 25, "tutorial": 26, "deep_mnist": 82, "conv1d": 11}
# Scoring comes on top of training.
SCORING = 1.2
# The error rate that such networks usually reach on MNIST, and how far runs differ, on log odds of error.
ASSUMED_ERROR_RATE, ASSUMED_RUN_SD = 0.016, 0.10


class MnistTrainer(Trainer):
    """Trains with `study.trainers.mnist.engine`.

    `Record.extra` holds:

    - `data`, `engine`: what the identity is made of besides settings and seed;
    - `test`, `validation`: after the last epoch, `trials` (the number of images), and by way of scoring `correct` (how
      many were classified correctly) and `loss` (mean cross entropy per image in nats; None where it is not finite);
    - `gap`: by epoch from 0 (before the first step) and layer of batch normalisation, mean over the channels:
      `log_variance_ratio`, ln(moving variance / true variance), and `mean_shift`, |moving mean - true mean| in true
      standard deviations; None without batch normalisation;
    - `correct_bits`: one bit an image of the test set, scored with the moving statistics, packed, base64;
    - `digests`: SHA-256 of the final `weights` and of the test `predictions`.

    The curve has `epoch`, `train_loss` (mean per image, nats), `validation_correct` and `validation_loss`, both with
    the moving statistics; it ends with the epoch in which the run diverged.
    """

    version = ENGINE_VERSION
    result_files = ("statistics_gap.parquet", "mechanism.json")

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._source = config["data"]["source"]

    def files(self) -> list[Path]:
        from study.trainers.mnist.data import source_files

        return source_files(self._source)

    def fingerprint(self) -> str:
        # Of the files as they lie there; Keras has its own.
        content = b"".join(path.read_bytes() for path in self.files()) or self._source.encode()
        return f"{hashlib.sha256(content).hexdigest()} {self.version}"

    @functools.cached_property
    def _images(self) -> "Dataset":
        from study.trainers.mnist.data import load

        return load(self._source)

    def origin(self) -> dict[str, Any]:
        return {"data": self._images.digest, "engine": self.version}

    def response(self) -> Response:
        return Response(
            kind="proportion",
            name="test accuracy",
            unit="",
            better="higher",
            columns={"successes": "test_correct", "trials": "test_trials"},
            validation={"successes": "validation_correct", "trials": "validation_trials"},
        )

    def result_model(self) -> "type[BaseModel]":
        from study.trainers.mnist.result_model import ResultModel

        return ResultModel

    def shared_levels(self) -> SharedLevels:
        # BN implementations differ in their inference statistics alone, so one training carries all of them.
        levels = [level for level in self._config["design"]["factors"].get("bn", ()) if level != "none"]
        return {"bn": levels} if levels and self._config["execution"]["share_trajectories"] else {}

    def work(self, settings: dict[str, Any]) -> Work:
        try:
            images = settings["epochs"] * settings["train_images"]
            pace = [*(settings[name] for name in ("network", "batch_size", "precision")), settings["bn"] != "none"]
            megaflops = SCORING * images * MEGAFLOP[settings["network"]]
        except MALFORMED:
            return Work(settings)
        return Work(pace, images, megaflops) if images > 0 else Work(settings)

    def words(self) -> dict[str, Any]:
        settings = self._config["training"]
        return {name: settings[name] for name in ("network", "epochs", "batch_size", "train_images")} | {
            "data": {"name": self._source, "digest": self._images.digest}
        }

    def assumptions(self) -> Assumptions:
        return Assumptions(ASSUMED_ERROR_RATE, ASSUMED_RUN_SD, len(self._images.test))

    def check(self, cells: Sequence[Cell]) -> None:
        from study.trainers.mnist.job import check_fit, check_tensorflow

        check_tensorflow()
        for cell in cells:
            check_fit(cell.settings, self._images)

    def train(self, job: Job, plan: Plan, store: Store, on_record: OnRecord) -> None:
        from study.trainers.mnist.job import run

        run(job, plan, store, on_record)

    def columns(self, record: Record) -> dict[str, Any]:
        test, validation = record.extra["test"], record.extra["validation"]
        return {
            "test_correct": test["correct"]["moving"],
            "test_trials": test["trials"],
            "test_correct_population": test["correct"]["population"],
            "test_correct_batch": test["correct"]["batch"],
            "validation_correct": validation["correct"]["moving"],
            "validation_trials": validation["trials"],
            "validation_correct_population": validation["correct"]["population"],
            "validation_correct_batch": validation["correct"]["batch"],
            "test_loss": test["loss"]["moving"],
            "images_per_second": record.cost["images_per_second"],
            "weights_digest": record.extra["digests"]["weights"],
            "predictions_digest": record.extra["digests"]["predictions"],
            "correct_bits": base64.b64decode(record.extra["correct_bits"]),
        }

    def curve(self, record: Record) -> dict[str, list[Any]]:
        trials = record.extra["validation"]["trials"]
        return record.curve | {"validation_trials": [trials] * len(record.curve["epoch"])}

    def explain(self, plan: Plan, runs: "pd.DataFrame", store: Store, folder: Path) -> None:
        from study.trainers.mnist.mechanism import explain

        explain(self, plan.config, runs, store, folder)

    def advice(self, folder: Path) -> dict[str, str]:
        from study.files import read_json
        from study.trainers.mnist.recovery import advice

        found = read_json(folder / "mechanism.json", dict) or {"arms": []}
        texts = {arm["level"]: advice(arm) for arm in found["arms"]}
        return {level: text for level, text in texts.items() if text}
