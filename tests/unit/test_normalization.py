"""The BN implementations against the libraries that they stand for: training and inference, over 60 steps."""

import numpy as np
import pytest
import tensorflow as tf

from study.trainers.mnist.implementations import EPSILON, IMPLEMENTATIONS
from study.trainers.mnist.normalization import MovingStatisticsBank, fold, normalise_batch

STEPS = 60
CHANNELS = 8


@pytest.fixture(scope="module")
def batches() -> np.ndarray:
    """60 batches whose mean and variance drift, shape (steps, batch, height, width, channels)."""
    rng = np.random.default_rng(1)
    scale = rng.uniform(0.02, 3.0, CHANNELS) * np.linspace(1.0, 1.7, STEPS)[:, None]
    shift = rng.normal(0.0, 1.0, CHANNELS) + np.linspace(0.0, 0.8, STEPS)[:, None]
    noise = rng.standard_normal((STEPS, 20, 5, 5, CHANNELS))
    return (noise * scale[:, None, None, None] + shift[:, None, None, None]).astype(np.float32)


@pytest.fixture(scope="module")
def parameters() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.uniform(0.5, 1.5, CHANNELS).astype(np.float32), rng.normal(0, 1, CHANNELS).astype(np.float32)


def trained_bank(batches: np.ndarray, parameters: tuple[np.ndarray, np.ndarray]) -> MovingStatisticsBank:
    bank = MovingStatisticsBank(tuple(IMPLEMENTATIONS), [CHANNELS])
    bank.reset()
    for batch in batches:
        _, mean, variance = normalise_batch(tf.constant(batch), tf.zeros(CHANNELS), *map(tf.constant, parameters))
        bank.update([(mean, variance)])
    return bank


def inferred(
    x: np.ndarray, parameters: tuple[np.ndarray, np.ndarray], bank: MovingStatisticsBank, name: str
) -> np.ndarray:
    """Inference as the engine does it: folded into the convolution before, here a 1 x 1 one that changes nothing."""
    identity = np.eye(CHANNELS, dtype=np.float32)[None, None]
    ((mean, variance),) = bank.statistics(name)
    kernel, bias = fold(tf.constant(identity), tf.zeros(CHANNELS), *map(tf.constant, parameters), mean, variance)
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias).numpy()


def test_libs_is_exponential_moving_average_on_tensors_in_a_graph(batches, parameters) -> None:
    gamma, beta = parameters
    bank = trained_bank(batches, parameters)
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, batches.shape[1:])
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        average = tf.compat.v1.train.ExponentialMovingAverage(decay=0.9)
        apply = average.apply([mean, variance])
        with tf.control_dependencies([apply]):
            training = tf.nn.batch_normalization(x, tf.identity(mean), tf.identity(variance), beta, gamma, 1e-3)
        moving = (average.average(mean), average.average(variance))
        inference = tf.nn.batch_normalization(x, *moving, beta, gamma, 1e-3)
        with tf.compat.v1.Session(graph=graph) as session:
            session.run(tf.compat.v1.global_variables_initializer())
            for batch in batches:
                expected_training = session.run(training, {x: batch})
            expected_moving = session.run(moving)
            expected_inference = session.run(inference, {x: batches[0]})
    y, _, _ = normalise_batch(tf.constant(batches[-1]), tf.zeros(CHANNELS), tf.constant(gamma), tf.constant(beta))
    np.testing.assert_allclose(y, expected_training, rtol=1e-4, atol=1e-5)
    for found, expected in zip(bank.statistics("libs")[0], expected_moving, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5)
    np.testing.assert_allclose(inferred(batches[0], parameters, bank, "libs"), expected_inference, rtol=1e-4, atol=1e-4)


def test_keras_is_the_layer_of_keras_with_its_defaults(batches, parameters) -> None:
    import keras

    gamma, beta = parameters
    bank = trained_bank(batches, parameters)
    layer = keras.layers.BatchNormalization()
    layer.build(batches.shape[1:])
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    for batch in batches:
        expected_training = layer(batch, training=True)
    y, _, _ = normalise_batch(tf.constant(batches[-1]), tf.zeros(CHANNELS), tf.constant(gamma), tf.constant(beta))
    np.testing.assert_allclose(y, expected_training, rtol=1e-4, atol=1e-5)
    mean, variance = bank.statistics("keras")[0]
    np.testing.assert_allclose(mean, layer.moving_mean, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(variance, layer.moving_variance, rtol=2e-5)
    expected = layer(batches[0], training=False)
    np.testing.assert_allclose(inferred(batches[0], parameters, bank, "keras"), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "runs_update_operations"), [("contrib", True), ("contrib_stale", False)])
def test_contrib_follows_its_documented_update_rule(
    batches, parameters, name: str, runs_update_operations: bool
) -> None:
    gamma, beta = parameters
    bank = trained_bank(batches, parameters)
    moving_mean, moving_variance = np.zeros(CHANNELS), np.ones(CHANNELS)
    if runs_update_operations:
        for batch in batches.astype(np.float64):
            moving_mean = moving_mean * 0.999 + batch.mean(axis=(0, 1, 2)) * 0.001
            moving_variance = moving_variance * 0.999 + batch.var(axis=(0, 1, 2)) * 0.001
    mean, variance = bank.statistics(name)[0]
    np.testing.assert_allclose(mean, moving_mean, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(variance, moving_variance, rtol=2e-5)
    expected = gamma * (batches[0] - moving_mean) / np.sqrt(moving_variance + 1e-3) + beta
    np.testing.assert_allclose(inferred(batches[0], parameters, bank, name), expected, rtol=1e-4, atol=1e-4)


def test_training_normalises_with_the_biased_variance_of_the_batch(batches, parameters) -> None:
    gamma, beta = parameters
    bias = np.linspace(-1, 1, CHANNELS).astype(np.float32)
    y, mean, variance = normalise_batch(tf.constant(batches[3]), *map(tf.constant, (bias, gamma, beta)))
    x = batches[3].astype(np.float64) + bias
    np.testing.assert_allclose(mean, x.mean(axis=(0, 1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, x.var(axis=(0, 1, 2)), rtol=1e-5)
    expected = gamma * (x - x.mean(axis=(0, 1, 2))) / np.sqrt(x.var(axis=(0, 1, 2)) + EPSILON) + beta
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_one_bank_holds_the_bits_that_each_implementation_has_alone(batches, parameters) -> None:
    together = trained_bank(batches, parameters)
    for name in IMPLEMENTATIONS:
        alone = MovingStatisticsBank((name,), [CHANNELS])
        alone.reset()
        for batch in batches:
            _, mean, variance = normalise_batch(tf.constant(batch), tf.zeros(CHANNELS), *map(tf.constant, parameters))
            alone.update([(mean, variance)])
        for found, expected in zip(together.statistics(name)[0], alone.statistics(name)[0], strict=True):
            assert found.numpy().tobytes() == expected.numpy().tobytes()
