"""How fast the engine is, against Keras and against the machine: `make bench`.

Everything is measured in one call on one machine. What is compared is measured in turn, round by round, and told as the
median of the rounds' ratios, so that a machine whose speed drifts does not decide the outcome. Times of one thread are
CPU seconds of the process; only what is about wall time is measured in wall seconds.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS = 9
STEPS = 30
BATCH = 200
MATRIX = 2048
# Multiplications and additions of a training step of `asker`, per image: forward, and backward to weights and inputs.
FLOP_PER_IMAGE = 25.1e6
EPOCHS, EPOCH_STEPS = 10, 275
SETTINGS = {
    "network": "asker",
    "bn": "keras",
    "dropout": 0.3,
    "lr": 2e-4,
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "train_images": STEPS * BATCH,
    "loss": "softmax_cross_entropy",
    "precision": "float32",
}
RESULTS = Path(__file__).resolve().parents[1] / "results" / "bench.json"


def main() -> None:
    """Print the table and write results/bench.json; with the argument `worker`, be one of several trainings."""
    if sys.argv[1:] == ["worker"]:
        _worker()
        return
    rows = [*_start_up(), *_scaling(), *_single_thread()]
    width = max(len(row["what"]) for row in rows)
    print(f"{'':{width}}  {'measured':>10}  {'target':>8}")
    for row in rows:
        print(f"{row['what']:{width}}  {row['value']:>10.3g}  {row.get('target', ''):>8}  {row['unit']}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"processor": _processor(), "rows": rows}, indent=1) + "\n")
    print(f"written to {RESULTS}")


def _row(what: str, value: float, unit: str, target: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "target": target}


def _cpu_seconds(work: Callable[[], Any]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def _trainer(implementations: tuple[str, ...], **changes: Any) -> Any:
    from study.trainers.mnist.data import load
    from study.trainers.mnist.engine import Engine

    return Engine(SETTINGS | changes, implementations, load("mnist"))


def _one_thread() -> None:
    from study.trainers.mnist.job import prepare_tensorflow

    prepare_tensorflow()


def _single_thread() -> list[dict[str, Any]]:
    """Engine, Keras, matrix product, scoring and precision, in turn, in this process."""
    _one_thread()
    import numpy as np
    import tensorflow as tf

    from study.trainers.mnist.implementations import IMPLEMENTATIONS
    from study.trainers.mnist.keys import key

    everything = tuple(IMPLEMENTATIONS)
    trainers = {
        "bn": _trainer(everything),
        "none": _trainer(()),
        "bfloat16": _trainer(everything, precision="bfloat16"),
    }
    matrix = tf.random.stateless_normal((MATRIX, MATRIX), (1, 2))
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    model = _keras_model()
    data = trainers["bn"].data.train
    images = data.images[: STEPS * BATCH, ..., None].astype(np.float32) / 255
    labels = data.labels[: STEPS * BATCH].astype(np.int32)

    def epoch(name: str) -> Callable[[], Any]:
        return lambda: trainers[name]._epoch(trainers[name]._order(0, 1), key(0, "dropout", 1)).numpy()

    bn, none = trainers["bn"], trainers["none"]
    first = everything[0]
    work: dict[str, Callable[[], Any]] = {
        "product": lambda: [product() for _ in range(5)],
        "bn": epoch("bn"),
        "none": epoch("none"),
        "bfloat16": epoch("bfloat16"),
        "keras": lambda: model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0),
        "validation": lambda: bn._infer("validation", bn._moving(first)),
        "validation of none": lambda: none._infer("validation", []),
        "test": lambda: bn._infer("test", bn._moving(first)),
        "batch statistics": lambda: bn._infer_with_batch_statistics("test"),
        "population": lambda: bn._population(tf.constant(STEPS)),
        "gap": lambda: bn._population(tf.constant(10)),
    }
    for name, trainer in trainers.items():
        trainer._reset(0)
        work[name]()
    for run in work.values():
        run()
    seconds = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, run in work.items():
            seconds[name].append(_cpu_seconds(run))

    def ratio(over: Callable[[dict[str, float]], float]) -> float:
        rounds = ({name: values[i] for name, values in seconds.items()} for i in range(ROUNDS))
        return statistics.median(over(one) for one in rounds)

    scale = EPOCH_STEPS / STEPS
    levels = len(everything)

    def trajectory(one: dict[str, float], carried: int) -> tuple[float, float]:
        """Seconds of a full run with BN: (training, scoring), carrying so many implementations."""
        curve = EPOCHS * (carried * one["validation"] + one["gap"])
        final = (carried + 1) * one["test"] + one["validation"] + 1.5 * one["batch statistics"]
        return EPOCHS * scale * one["bn"], curve + final + scale * one["population"]

    def without(one: dict[str, float]) -> tuple[float, float]:
        return EPOCHS * scale * one["none"], (EPOCHS + 2) * one["validation of none"]

    def share(parts: tuple[float, float]) -> float:
        return parts[1] / sum(parts)

    gflop = FLOP_PER_IMAGE * STEPS * BATCH
    product_gflop = 5 * 2.0 * MATRIX**3
    return [
        _row("engine, BN, float32", STEPS * BATCH / statistics.median(seconds["bn"]), "images/s"),
        _row("engine, no BN, float32", STEPS * BATCH / statistics.median(seconds["none"]), "images/s"),
        _row("Keras fit, BN, float32", STEPS * BATCH / statistics.median(seconds["keras"]), "images/s"),
        _row("matrix product", product_gflop / statistics.median(seconds["product"]) / 1e9, "GFLOP/s"),
        _row("engine / Keras fit", ratio(lambda one: one["keras"] / one["bn"]), "x", ">= 1.30"),
        _row(
            "engine / matrix product, at 25.1 MFLOP an image",
            ratio(lambda one: (gflop / one["bn"]) / (product_gflop / one["product"])),
            "x",
            ">= 0.80",
        ),
        _row("bfloat16 / float32", ratio(lambda one: one["bn"] / one["bfloat16"]), "x", ">= 1.5"),
        _row(
            "five BN levels, in trainings of one",
            ratio(lambda one: (sum(trajectory(one, levels)) + sum(without(one))) / sum(trajectory(one, 1))),
            "x",
            "<= 2.25",
        ),
        _row(
            "scoring, share of a 10-epoch run with four BN levels",
            100 * ratio(lambda one: share(trajectory(one, levels))),
            "%",
            "<= 15",
        ),
        _row("scoring, share of a 10-epoch run without BN", 100 * ratio(lambda one: share(without(one))), "%", "<= 15"),
        _row(
            "statistics gap, share of an epoch",
            100 * ratio(lambda one: one["gap"] / (scale * one["bn"])),
            "%",
            "<= 2",
        ),
    ]


def _keras_model() -> Any:
    """The same network as a Keras user writes it."""
    import keras

    layers = [keras.layers.Input((28, 28, 1))]
    for filters in (32, 64):
        layers += [
            keras.layers.Conv2D(filters, 5, strides=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.LeakyReLU(0.2),
        ]
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dense(500, use_bias=False, activation="tanh"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(10, use_bias=False),
    ]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # XLA's convolution gradients are many times slower on CPUs; the comparison is with the faster way.
    model.compile(keras.optimizers.Adam(2e-4, epsilon=1e-8), loss, jit_compile=False)
    return model


def _spawn() -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "worker"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def _worker() -> None:
    """Get ready, say after how many seconds, then train on demand and say how long it took (wall) and the memory."""
    _one_thread()
    from study.trainers.mnist.implementations import IMPLEMENTATIONS
    from study.trainers.mnist.keys import key

    trainer = _trainer(tuple(IMPLEMENTATIONS), train_images=55_000)
    trainer.steps = 1
    trainer._reset(0)
    trainer._epoch(trainer._order(0, 1), key(0, "dropout", 1)).numpy()
    print(time.time(), flush=True)
    trainer.steps = STEPS
    order = trainer._order(0, 1)
    trainer._epoch(order, key(0, "dropout", 1)).numpy()
    for _ in sys.stdin:
        before = time.perf_counter()
        trainer._epoch(order, key(0, "dropout", 1)).numpy()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(time.perf_counter() - before, peak, flush=True)


def _ready(worker: subprocess.Popen[str]) -> float:
    return float(worker.stdout.readline())


def _ask(workers: list[subprocess.Popen[str]]) -> list[tuple[float, float]]:
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [worker.stdout.readline().split() for worker in workers]
    return [(float(seconds), float(peak)) for seconds, peak in answers]


def _start_up() -> list[dict[str, Any]]:
    """From starting a process to the end of its first step."""
    seconds = []
    for _ in range(3):
        before = time.time()
        worker = _spawn()
        seconds.append(_ready(worker) - before)
        worker.communicate()
    return [_row("start of a job to its first step", statistics.median(seconds), "s", "<= 6")]


def _scaling() -> list[dict[str, Any]]:
    """Two one-thread processes against one, in turn."""
    workers = [_spawn(), _spawn()]
    for worker in workers:
        _ready(worker)
    rounds, peak = [], 0.0
    for _ in range(ROUNDS):
        ((alone, peak),) = _ask(workers[:1])
        together = max(seconds for seconds, _ in _ask(workers))
        rounds.append(2 * alone / together)
    for worker in workers:
        worker.communicate()
    return [
        _row("two one-thread processes / one", statistics.median(rounds), "x", ">= 1.9"),
        _row("memory of a job with all of MNIST", peak, "GiB", "<= 1.5"),
    ]


def _processor() -> str:
    from study.store.provenance import processor

    return f"{processor()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
