"""The engine's version is kept honest: a change of any bit of a small run must come with a new version.

The digests in engine_bits.json are by engine version and type of processor, since others choose other kernels.
On a type that is not there the test says so and skips; to add it, run `python -m tests.unit.test_engine_bits`.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from study.store.provenance import processor
from study.trainers.mnist import data
from study.trainers.mnist.engine import Engine
from study.trainers.mnist.implementations import IMPLEMENTATIONS
from study.trainers.mnist.job import prepare_tensorflow
from study.trainers.mnist.version import ENGINE_VERSION

KEPT = Path(__file__).with_name("engine_bits.json")
SETTINGS = {
    "network": "asker",
    "bn": "none",
    "dropout": 0.3,
    "lr": 1e-3,
    "epochs": 2,
    "batch_size": 50,
    "train_images": 500,
    "precision": "float32",
    "loss": "softmax_cross_entropy",
}


def digests() -> dict[str, str]:
    """Digests of the final weights with and without BN, and of the predictions, one run each."""
    prepare_tensorflow()
    images = data.load("mnist")
    found = {}
    for name, implementations in (("none", ()), ("bn", tuple(IMPLEMENTATIONS))):
        result = Engine(SETTINGS, implementations, images).run(seed=0)
        found[f"{name} weights"] = result.weights_digest[:16]
        for implementation, outcome in result.outcomes.items():
            right = int(np.sum(outcome.predictions["test", "moving"] == images.test.labels))
            found[f"{implementation} correct"] = str(right)
    return found


def test_a_change_of_any_bit_comes_with_a_new_engine_version() -> None:
    kept = json.loads(KEPT.read_text())
    here = kept.get(str(ENGINE_VERSION), {}).get(processor())
    if here is None:
        pytest.skip(f"no digests of engine version {ENGINE_VERSION} are kept for this processor: {processor()}")
    assert digests() == here, "results changed: bump ENGINE_VERSION, then `python -m tests.unit.test_engine_bits`"


if __name__ == "__main__":
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept.setdefault(str(ENGINE_VERSION), {})[processor()] = digests()
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
