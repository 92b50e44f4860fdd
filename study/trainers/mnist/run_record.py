"""What a run of these networks leaves in its record beside what every record has, and the columns that are made of it.

`Record.extra` holds:

- `data`, `engine`: what the identity is made of besides settings and seed;
- `test`, `validation`: after the last epoch, `trials` (the number of images), and by way of scoring (`SCORINGS`)
  `correct` (how many were classified correctly) and `loss` (mean cross entropy per image in nats; None where it is not
  finite);
- `gap`: by epoch from 0 (before the first step) and layer of batch normalisation, mean over the channels:
  `log_variance_ratio`, ln(moving variance / true variance), and `mean_shift`, |moving mean - true mean| in true
  standard deviations; None without batch normalisation;
- `correct_bits`: one bit an image of the test set, scored with the moving statistics, packed, base64;
- `digests`: SHA-256 of the final `weights` and of the test `predictions`.

The curve has `epoch`, `train_loss` (mean per image, nats), `validation_correct` and `validation_loss`, both with the
moving statistics; it ends with the epoch in which the run diverged.
"""

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from study.store.record import Record
from study.trainers.mnist.data import Dataset, Split
from study.trainers.mnist.version import ENGINE_VERSION

if TYPE_CHECKING:
    from study.trainers.mnist.engine import Outcome

# With the moving statistics (what a user gets), with the population statistics computed after training (Ioffe and
# Szegedy 2015, Algorithm 2), and with those of the test batch itself. Without batch normalisation all three are one.
SCORINGS = ("moving", "population", "batch")


def extra(outcome: "Outcome", weights_digest: str, data: Dataset) -> dict[str, Any]:
    """What a finished run adds to its record."""
    predictions = outcome.predictions["test", "moving"]
    return {
        "data": data.digest,
        "engine": ENGINE_VERSION,
        "test": _score(outcome, "test", data.test),
        "validation": _score(outcome, "validation", data.validation),
        "gap": outcome.gap if outcome.gap["epoch"] else None,
        "correct_bits": base64.b64encode(np.packbits(predictions == data.test.labels).tobytes()).decode(),
        "digests": {"weights": weights_digest, "predictions": hashlib.sha256(predictions.tobytes()).hexdigest()},
    }


def finite(value: float) -> float | None:
    """A number; None for NaN and the infinities."""
    return value if np.isfinite(value) else None


def _score(outcome: "Outcome", set_name: str, split: Split) -> dict[str, Any]:
    return {
        "trials": len(split),
        "correct": {way: int((outcome.predictions[set_name, way] == split.labels).sum()) for way in SCORINGS},
        "loss": {way: finite(outcome.losses[set_name, way]) for way in SCORINGS},
    }


def columns(record: Record) -> dict[str, Any]:
    """See `study.store.tables.RecordReader`."""
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


def curve(record: Record) -> dict[str, list[Any]]:
    """See `study.store.tables.RecordReader`."""
    trials = record.extra["validation"]["trials"]
    return record.curve | {"validation_trials": [trials] * len(record.curve["epoch"])}
