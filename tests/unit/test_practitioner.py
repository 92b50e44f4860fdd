"""The practitioner's program, rebuilt in TensorFlow 1 graph mode from its description, against the engine.

Both get the same initial weights, batches and dropout masks over 100 steps. How close is close? Rounding errors grow
along a trajectory, so the program also runs in float64: the engine must be as near to that as the program is
in float32.
"""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from study.trainers.mnist import data
from study.trainers.mnist.engine import Engine
from study.trainers.mnist.keys import key

v1 = tf.compat.v1

STEPS = 100
BATCH = 50
KEEP = 0.7
SETTINGS = {
    "network": "asker",
    "bn": "none",
    "dropout": 1.0 - KEEP,
    "lr": 2e-4,
    "epochs": 1,
    "batch_size": BATCH,
    "train_images": STEPS * BATCH,
    "precision": "float32",
    "loss": "naive_log",
}
SEED = 7


def contrib_batch_norm(x: Any, training: Any, name: str) -> tuple[Any, list[Any]]:
    """tf.contrib.layers.batch_norm(center=True, scale=True): returns the output and its UPDATE_OPS."""
    channels = x.shape[-1]
    with v1.variable_scope(name):
        beta = v1.get_variable("beta", channels, x.dtype, initializer=tf.zeros_initializer())
        gamma = v1.get_variable("gamma", channels, x.dtype, initializer=tf.ones_initializer())
        moving_mean = v1.get_variable(
            "moving_mean", channels, x.dtype, initializer=tf.zeros_initializer(), trainable=False
        )
        moving_variance = v1.get_variable(
            "moving_var", channels, x.dtype, initializer=tf.ones_initializer(), trainable=False
        )
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    updates = [
        v1.assign_sub(moving, (moving - batch) * (1.0 - 0.999))
        for moving, batch in ((moving_mean, mean), (moving_variance, variance))
    ]
    used = tf.cond(training, lambda: (mean, variance), lambda: (moving_mean, moving_variance))
    return tf.nn.batch_normalization(x, *used, beta, gamma, 1e-3), updates


def libs_batch_norm(x: Any, training: Any, name: str) -> tuple[Any, list[Any]]:
    """The tutorial's libs.batch_norm: an exponential moving average of the batch's moments, applied while training."""
    channels = x.shape[-1]
    with v1.variable_scope(name):
        beta = v1.get_variable("beta", channels, x.dtype, initializer=tf.zeros_initializer())
        gamma = v1.get_variable("gamma", channels, x.dtype, initializer=tf.ones_initializer())
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        average = v1.train.ExponentialMovingAverage(decay=0.9)
        apply = average.apply([mean, variance])

    def update() -> tuple[Any, Any]:
        with tf.control_dependencies([apply]):
            return tf.identity(mean), tf.identity(variance)

    used = tf.cond(training, update, lambda: (average.average(mean), average.average(variance)))
    return tf.nn.batch_normalization(x, *used, beta, gamma, 1e-3), [apply]


class PractitionersProgram:
    """The graph of the practitioner's script: placeholders, a session, feed_dict."""

    def __init__(self, batch_norm: Any, run_update_operations: bool, precision: Any) -> None:
        self.graph = tf.Graph()
        self.precision = precision
        with self.graph.as_default():
            self.images = v1.placeholder(precision, (None, 28, 28, 1))
            self.labels = v1.placeholder(precision, (None, 10))
            self.mask = v1.placeholder(precision, (None, 500))
            self.training = v1.placeholder(tf.bool, ())
            updates: list[Any] = []
            x = self.images
            for number, (inputs, filters) in enumerate(((1, 32), (32, 64)), start=1):
                kernel = v1.get_variable(f"conv{number}/kernel", (5, 5, inputs, filters), x.dtype)
                bias = v1.get_variable(f"conv{number}/bias", (filters,), x.dtype)
                x = tf.nn.conv2d(x, kernel, [1, 2, 2, 1], "SAME") + bias
                if batch_norm is not None:
                    x, operations = batch_norm(x, self.training, f"conv{number}")
                    updates += operations
                x = tf.maximum(x, 0.2 * x)
            x = tf.reshape(x, (-1, 3136))
            x = tf.tanh(tf.matmul(x, v1.get_variable("dense1/kernel", (3136, 500), x.dtype)))
            x = x * self.mask
            self.logits = tf.matmul(x, v1.get_variable("dense2/kernel", (500, 10), x.dtype))
            self.loss = -tf.reduce_sum(self.labels * tf.math.log(tf.nn.softmax(self.logits)))
            with tf.control_dependencies(updates if run_update_operations else []):
                self.train = v1.train.AdamOptimizer(2e-4).minimize(self.loss)
            self.session = v1.Session(graph=self.graph)
            self.session.run(v1.global_variables_initializer())

    def start_from(self, weights: dict[str, np.ndarray]) -> None:
        with self.graph.as_default():
            for variable in v1.trainable_variables():
                variable.load(weights[variable.op.name], self.session)

    def step(self, images: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> float:
        feed = {self.images: images, self.labels: labels, self.mask: mask, self.training: True}
        loss, _ = self.session.run((self.loss, self.train), feed)
        return float(loss)

    def infer(self, images: np.ndarray) -> np.ndarray:
        mask = np.ones((len(images), 500), np.float32)
        feed = {self.images: images, self.mask: mask, self.training: False}
        return self.session.run(self.logits, feed)


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    mnist = data.load("mnist")
    return dataclasses.replace(mnist, test=data.Split(mnist.test.images[:2000], mnist.test.labels[:2000]))


def engine_run(images: data.Dataset, implementations: tuple[str, ...]) -> tuple[Engine, dict, list, list[float]]:
    """Train 100 steps one by one; returns the trainer, its initial weights, what each step was fed, and the losses."""
    trainer = Engine(SETTINGS, implementations, images)
    trainer._reset(SEED)
    weights = {name: variable.numpy() for name, variable in trainer._parameters.variables.items()}
    order = trainer._order(SEED, 1).numpy()
    step = tf.function(trainer._step)
    fed, losses = [], []
    for number, indices in enumerate(order):
        dropout_key = tf.random.fold_in(key(SEED, "dropout", 1), number)
        uniform = tf.random.stateless_uniform((BATCH, 500), tf.random.fold_in(dropout_key, 0))
        mask = np.where(uniform.numpy() >= 1.0 - KEEP, 1.0 / KEEP, 0.0).astype(np.float32)
        fed.append((indices, mask))
        losses.append(float(step(tf.constant(indices), dropout_key)))
    return trainer, weights, fed, losses


@pytest.fixture(scope="module")
def normalised_run(images: data.Dataset) -> tuple[Engine, dict, list, list[float]]:
    return engine_run(images, ("libs", "contrib", "contrib_stale"))


def compare(
    run: tuple[Engine, dict, list, list[float]],
    name: str,
    images: data.Dataset,
    batch_norm: Any,
    run_update_operations: bool,
) -> None:
    trainer, weights, fed, losses = run
    pixels = images.train.images[..., None] / 255
    targets = np.eye(10)[images.train.labels]
    programs = {}
    for precision in (np.float32, np.float64):
        program = PractitionersProgram(batch_norm, run_update_operations, tf.as_dtype(precision))
        program.start_from(weights)
        program_losses = [program.step(pixels[indices], targets[indices], mask) for indices, mask in fed]
        programs[precision] = (np.array(program_losses), program.infer(images.test.images[..., None] / 255))
    (own_losses, own_logits), (exact_losses, exact_logits) = programs[np.float32], programs[np.float64]

    assert losses[0] == pytest.approx(exact_losses[0], rel=1e-6)
    own_error = np.abs(own_losses / exact_losses - 1)
    engine_error = np.abs(losses / exact_losses - 1)
    assert engine_error.max() <= 3 * own_error.max() + 1e-6

    predictions, loss = trainer._infer("test", trainer._moving(name))
    exact_predictions = exact_logits.argmax(axis=1)
    own_disagreement = (own_logits.argmax(axis=1) != exact_predictions).mean()
    engine_disagreement = (predictions.numpy() != exact_predictions).mean()
    assert engine_disagreement <= 2 * own_disagreement + 0.001
    labels = images.test.labels.astype(np.int64)
    exact_loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, exact_logits).numpy().mean()
    assert float(loss) == pytest.approx(exact_loss, rel=5e-3)


@pytest.mark.parametrize(
    ("name", "batch_norm", "run_update_operations"),
    [
        ("libs", libs_batch_norm, True),
        ("contrib", contrib_batch_norm, True),
        ("contrib_stale", contrib_batch_norm, False),
    ],
)
def test_engine_does_what_the_practitioners_program_does(
    normalised_run, images, name: str, batch_norm: Any, run_update_operations: bool
) -> None:
    compare(normalised_run, name, images, batch_norm, run_update_operations)


def test_engine_does_what_the_practitioners_program_does_without_batch_norm(images) -> None:
    compare(engine_run(images, ()), "none", images, None, run_update_operations=False)
