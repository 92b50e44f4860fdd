"""One job: the seeds of one trajectory, one after another, a record the moment a run ends."""

import base64
import datetime
import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.design.factorial import Cell, Job
from study.design.plan import Plan
from study.errors import StudyError
from study.monitor import progress
from study.store.provenance import commit, processor, processor_flags
from study.store.record import SCORINGS, NetworkRecord, Record, Score, Store
from study.trainers.mnist import data as images
from study.trainers.mnist.version import ENGINE_VERSION

if TYPE_CHECKING:
    from study.trainers.mnist.engine import Outcome, Result

PROJECT = Path(__file__).resolve().parents[3]


def run(job: Job, plan: Plan, store: Store, on_record: Callable[[Job, int, Record], None]) -> None:
    """Train whatever the job's runs lack in the store.

    TensorFlow is imported only if something is missing.

    Args:
        on_record: called after a seed's records are safe, with one of them.

    Raises:
        StudyError: the images are damaged, or are not those of the design; or a setting does not fit them.
    """
    missing = {seed: [cell for cell in job.cells if store.missing([plan.run_id(cell, seed)])] for seed in job.seeds}
    cells = [cell for cell in job.cells if any(cell in lacking for lacking in missing.values())]
    if cells:
        data = images.load(plan.config["data"]["source"])
        if data.digest != plan.origin["data"]:
            raise StudyError(
                f"data.source {plan.config['data']['source']!r}: its images changed since the design was written; "
                "run your `snakemake` command again with `--forcerun design` to plan with the new ones"
            )
        settings = cells[0].settings
        check_fit(settings, data)
        check_precision(settings["precision"], processor_flags())
        prepare_tensorflow()
        from study.trainers.mnist.engine import Trainer

        implementations = tuple(cell.settings["bn"] for cell in cells if cell.settings["bn"] != "none")
        trainer = Trainer(settings, implementations, data, plan.config["training"]["checkpoint_every"])
        circumstances = _circumstances(plan)
        for seed, lacking in missing.items():
            if lacking:
                checkpoint = store.checkpoint(plan.run_id(cells[0], seed))
                result = trainer.run(seed + cells[0].seed_offset, checkpoint)
                for cell in lacking:
                    record = _record(plan, cell, seed, data, result, len(lacking), circumstances)
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


def _record(
    plan: Plan,
    cell: Cell,
    seed: int,
    data: images.Dataset,
    result: "Result",
    shared_by: int,
    circumstances: dict[str, Any],
) -> NetworkRecord:
    outcome = result.outcomes[cell.settings["bn"]]
    predictions = outcome.predictions["test", "moving"]
    return NetworkRecord(
        id=plan.run_id(cell, seed),
        settings=cell.settings,
        seed=seed + cell.seed_offset,
        data=data.digest,
        engine=ENGINE_VERSION,
        status="diverged" if result.diverged else "ok",
        test=_score(outcome, "test", data.test),
        validation=_score(outcome, "validation", data.validation),
        curve={name: [_finite(value) for value in values] for name, values in outcome.curve.items()},
        gap=outcome.gap if cell.settings["bn"] != "none" else None,
        correct_bits=base64.b64encode(np.packbits(predictions == data.test.labels).tobytes()).decode(),
        digests={
            "weights": result.weights_digest,
            "predictions": hashlib.sha256(predictions.tobytes()).hexdigest(),
        },
        provenance=circumstances | {"finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
        cost={
            "training_seconds": result.training_seconds,
            "evaluation_seconds": result.evaluation_seconds,
            "images_per_second": result.images / result.training_seconds,
            "shared_by": shared_by,
        },
    )


def _score(outcome: "Outcome", set_name: str, split: images.Split) -> Score:
    return Score(
        trials=len(split),
        correct={way: int((outcome.predictions[set_name, way] == split.labels).sum()) for way in SCORINGS},
        loss={way: _finite(outcome.losses[set_name, way]) for way in SCORINGS},
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _circumstances(plan: Plan) -> dict[str, Any]:
    import tensorflow as tf

    return {
        "study": plan.name,
        "plan_digest": plan.digest,
        "commit": commit(PROJECT),
        "call": progress.call(),
        "host": platform.node(),
        "processor": processor(),
        "device": "gpu" if tf.config.list_physical_devices("GPU") else "cpu",
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__},
    }
