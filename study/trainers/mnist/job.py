"""One job: the seeds of one trajectory, one after another, a record the moment a run ends."""

import base64
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.design.factorial import Job
from study.design.plan import Plan
from study.errors import StudyError
from study.store.provenance import processor_flags, provenance
from study.store.record import Record, Store
from study.trainers.base import OnRecord
from study.trainers.mnist import data as images
from study.trainers.mnist.version import ENGINE_VERSION

if TYPE_CHECKING:
    from study.trainers.mnist.engine import Outcome

# With the moving statistics (what a user gets), with the population statistics computed after training (Ioffe and
# Szegedy 2015, Algorithm 2), and with those of the test batch itself. Without batch normalisation all three are one.
SCORINGS = ("moving", "population", "batch")


def run(job: Job, plan: Plan, store: Store, on_record: OnRecord) -> None:
    """See `study.trainers.base.Trainer.train`. TensorFlow is imported only if something is missing."""
    missing = {seed: [cell for cell in job.cells if store.missing([plan.run_id(cell, seed)])] for seed in job.seeds}
    cells = [cell for cell in job.cells if any(cell in lacking for lacking in missing.values())]
    if not cells:
        return
    data = images.load(plan.config["data"]["source"])
    if data.digest != plan.origin["data"]:
        raise StudyError(
            f"data.source {plan.config['data']['source']!r}: its images changed since the design was written; "
            "run your `snakemake` command again with `--forcerun design` to plan with the new ones"
        )
    settings = cells[0].settings
    check_precision(settings["precision"], processor_flags())
    check_tensorflow()
    prepare_tensorflow()
    import tensorflow as tf

    from study.trainers.mnist.engine import Engine

    device = "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
    versions = {"tensorflow": tf.__version__, "numpy": np.__version__}
    implementations = tuple(cell.settings["bn"] for cell in cells if cell.settings["bn"] != "none")
    engine = Engine(settings, implementations, data, plan.config["training"]["checkpoint_every"])
    for seed, lacking in missing.items():
        if not lacking:
            continue
        checkpoint = store.checkpoint(plan.run_id(cells[0], seed))
        result = engine.run(seed + cells[0].seed_offset, checkpoint)
        for cell in lacking:
            outcome = result.outcomes[cell.settings["bn"]]
            record = Record(
                id=plan.run_id(cell, seed),
                settings=cell.settings,
                seed=seed + cell.seed_offset,
                status="diverged" if result.diverged else "ok",
                curve={name: [_finite(value) for value in values] for name, values in outcome.curve.items()},
                provenance=provenance(plan, Path(__file__).parent, versions, device),
                cost={
                    "training_seconds": result.training_seconds,
                    "evaluation_seconds": result.seconds - result.training_seconds,
                    "images_per_second": result.epoch * engine.images_per_epoch / result.training_seconds,
                    "shared_by": len(lacking),
                },
                extra=_extra(outcome, result.weights_digest, data),
            )
            store.write(record)
        checkpoint.unlink(missing_ok=True)
        on_record(job, seed, record)


def check_fit(settings: dict[str, Any], data: images.Dataset) -> None:
    """Refuse settings that the images cannot serve.

    Raises:
        StudyError: more training images than there are, or a batch larger than the training set.
    """
    if settings["train_images"] > len(data.train):
        raise StudyError(
            f"configuration: train_images is {settings['train_images']}; allowed: {len(data.train)} or less, "
            f"the {len(data.train) + len(data.validation)} images without the validation set"
        )
    if settings["batch_size"] > settings["train_images"]:
        raise StudyError(
            f"configuration: batch_size is {settings['batch_size']}; allowed: "
            f"{settings['train_images']} or less, the number of training images"
        )


def check_precision(precision: str, flags: set[str]) -> None:
    """Refuse half precision where it does not pay.

    Raises:
        StudyError: bfloat16 on a processor that would only emulate it. Flags that are not known refuse nothing.
    """
    if precision == "bfloat16" and flags and not flags & {"avx512_bf16", "amx_bf16"}:
        raise StudyError(
            "configuration: precision is 'bfloat16', but this processor has neither AVX512-BF16 nor AMX and would be "
            "slower with it; allowed here: float32"
        )


def check_tensorflow() -> None:
    """Refuse to go on without TensorFlow; does not import it.

    Raises:
        StudyError: it is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise StudyError(
            "configuration: without a `trainer` section a study trains the built-in networks, which needs TensorFlow: "
            "pip install 'bn-study[mnist]'"
        )


def prepare_tensorflow() -> None:
    """One thread a run: with more, sums are split otherwise and the bits change; and two runs at once are faster."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow imports Keras, which nothing here uses, and Keras scikit-learn: a third of a job's start. Asked for the
    # legacy Keras, it imports that if it is installed, and else none.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    graphics = tf.config.list_physical_devices("GPU")
    for device in graphics:
        tf.config.experimental.set_memory_growth(device, True)
    if graphics:
        tf.config.experimental.enable_op_determinism()


def _extra(outcome: "Outcome", weights_digest: str, data: images.Dataset) -> dict[str, Any]:
    predictions = outcome.predictions["test", "moving"]
    return {
        "data": data.digest,
        "engine": ENGINE_VERSION,
        "test": _score(outcome, "test", data.test),
        "validation": _score(outcome, "validation", data.validation),
        "gap": outcome.gap if any(outcome.gap.values()) else None,
        "correct_bits": base64.b64encode(np.packbits(predictions == data.test.labels).tobytes()).decode(),
        "digests": {"weights": weights_digest, "predictions": hashlib.sha256(predictions.tobytes()).hexdigest()},
    }


def _score(outcome: "Outcome", set_name: str, split: images.Split) -> dict[str, Any]:
    return {
        "trials": len(split),
        "correct": {way: int((outcome.predictions[set_name, way] == split.labels).sum()) for way in SCORINGS},
        "loss": {way: _finite(outcome.losses[set_name, way]) for way in SCORINGS},
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
