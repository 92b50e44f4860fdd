"""Every registered network trains under every BN level, and has the shapes that its source has."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from study.trainers.mnist import data
from study.trainers.mnist.engine import Engine
from study.trainers.mnist.implementations import IMPLEMENTATIONS
from study.trainers.mnist.networks import NETWORKS

SETTINGS = {
    "bn": "none",
    "dropout": 0.5,
    "lr": 1e-3,
    "epochs": 1,
    "batch_size": 25,
    "train_images": 100,
    "precision": "float32",
    "loss": "softmax_cross_entropy",
}
# Weights and biases without gamma and beta, counted by hand from the descriptions.
PARAMETERS = {
    "asker": (25 * 32 + 32) + (25 * 32 * 64 + 64) + 3136 * 500 + 500 * 10,
    "tutorial": (25 * 32 + 32) + (25 * 32 * 64 + 64) + (25 * 64 * 64 + 64) + 1024 * 10,
    "deep_mnist": (25 * 32 + 32) + (25 * 32 * 64 + 64) + (3136 * 1024 + 1024) + (1024 * 10 + 10),
    "conv1d": (5 * 28 * 32 + 32) + (5 * 32 * 64 + 64) + (5 * 64 * 64 + 64) + 28 * 64 * 500 + 500 * 10,
}


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    mnist = data.load("mnist")
    few = [data.Split(split.images[:50], split.labels[:50]) for split in (mnist.validation, mnist.test)]
    return dataclasses.replace(mnist, validation=few[0], test=few[1])


@pytest.mark.parametrize("implementations", [(), tuple(IMPLEMENTATIONS)], ids=["none", "all implementations"])
@pytest.mark.parametrize("network", list(NETWORKS))
def test_every_network_trains_under_every_bn_level(images, network: str, implementations: tuple[str, ...]) -> None:
    trainer = Engine(SETTINGS | {"network": network}, implementations, images)
    trainer._reset(0)
    before = {name: variable.numpy() for name, variable in trainer._parameters.variables.items()}
    result = trainer.run(seed=0)
    assert set(result.outcomes) == set(implementations or ("none",))
    assert not result.diverged
    for name, variable in trainer._parameters.variables.items():
        assert (variable.numpy() != before[name]).any(), f"{name} was not trained"


@pytest.mark.parametrize("network", list(NETWORKS))
def test_network_has_the_parameters_of_its_description(images, network: str) -> None:
    trainer = Engine(SETTINGS | {"network": network}, (), images)
    count = sum(int(tf.size(variable)) for variable in trainer._parameters.variables.values())
    assert count == PARAMETERS[network]


@pytest.mark.parametrize("network", list(NETWORKS))
def test_folded_inference_equals_normalising_after_the_convolution(images, network: str) -> None:
    """With the batch's own moments as the given statistics, inference is the training pass without dropout."""
    trainer = Engine(SETTINGS | {"network": network}, ("keras",), images)
    trainer.run(seed=0)
    moments: list = []
    pixels = tf.constant(images.test.images[:50, ..., None], tf.float32) / 255
    logits = trainer._training_pass(pixels, moments, None)
    trainer.batch = 50
    predictions, loss = trainer._infer("test", moments)
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(images.test.labels.astype(np.int32), logits)
    assert float(loss) == pytest.approx(float(tf.reduce_mean(expected)), rel=1e-4)
    assert (predictions.numpy() == logits.numpy().argmax(axis=1)).all()
