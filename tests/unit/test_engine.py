"""The engine: reproducible to the bit, and its numbers against independent ones."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from study.trainers.mnist import data
from study.trainers.mnist.engine import Engine, Result
from study.trainers.mnist.implementations import EPSILON, IMPLEMENTATIONS

SETTINGS = {
    "network": "asker",
    "bn": "none",
    "dropout": 0.3,
    "lr": 1e-3,
    "epochs": 2,
    "batch_size": 50,
    "train_images": 520,
    "precision": "float32",
    "loss": "softmax_cross_entropy",
}


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    """The first images of MNIST: 520 for training, 300 for validation, 410 for the test."""
    mnist = data.load("mnist")

    def first(split: data.Split, count: int) -> data.Split:
        return data.Split(split.images[:count], split.labels[:count])

    return dataclasses.replace(
        mnist, train=first(mnist.train, 520), validation=first(mnist.validation, 300), test=first(mnist.test, 410)
    )


@pytest.fixture(scope="module")
def shared(images) -> Engine:
    return Engine(SETTINGS, tuple(IMPLEMENTATIONS), images)


@pytest.fixture(scope="module")
def shared_result(shared) -> Result:
    return shared.run(seed=3)


def same_outcome(found: Result, expected: Result, name: str) -> bool:
    own, other = found.outcomes[name], expected.outcomes[name]
    return (
        found.weights_digest == expected.weights_digest
        and own.curve == other.curve
        and own.gap == other.gap
        and own.losses == other.losses
        and all((own.predictions[way] == other.predictions[way]).all() for way in own.predictions)
    )


@pytest.mark.parametrize("name", list(IMPLEMENTATIONS))
def test_an_implementation_trained_alone_has_the_bits_of_the_shared_training(images, shared_result, name: str) -> None:
    alone = Engine(SETTINGS, (name,), images).run(seed=3)
    assert same_outcome(alone, shared_result, name)


def test_seeds_give_the_same_bits_in_any_order_in_one_process(shared, shared_result) -> None:
    other = shared.run(seed=11)
    again = shared.run(seed=3)
    assert other.weights_digest != again.weights_digest
    assert all(same_outcome(again, shared_result, name) for name in IMPLEMENTATIONS)


def test_cells_of_a_seed_share_initial_weights_and_order(images, shared) -> None:
    other = Engine(SETTINGS | {"dropout": 0.0, "lr": 5e-3, "epochs": 1}, (), images)
    shared._reset(5)
    other._reset(5)
    for name, variable in other._parameters.variables.items():
        assert variable.numpy().tobytes() == shared._parameters.variables[name].numpy().tobytes()
    assert (other._order(5, 2).numpy() == shared._order(5, 2).numpy()).all()
    assert (other._order(5, 2).numpy() != shared._order(6, 2).numpy()).any()


def test_initial_weights_have_the_stated_distributions(shared) -> None:
    shared._reset(0)
    variables = {name: variable.numpy() for name, variable in shared._parameters.variables.items()}
    assert {name: values.shape for name, values in variables.items() if "kernel" in name} == {
        "conv1/kernel": (5, 5, 1, 32),
        "conv2/kernel": (5, 5, 32, 64),
        "dense1/kernel": (3136, 500),
        "dense2/kernel": (500, 10),
    }
    # A normal cut at two standard deviations keeps 0.8796 of its standard deviation.
    assert variables["conv2/kernel"].std() == pytest.approx(0.02 * 0.8796, rel=0.01)
    assert np.abs(variables["conv2/kernel"]).max() <= 0.04
    assert variables["dense1/kernel"].std() == pytest.approx(0.02, rel=0.005)
    assert np.abs(variables["dense1/kernel"]).max() > 0.08
    assert (variables["conv1/gamma"] == 1).all()
    assert (variables["conv1/beta"] == 0).all()


def test_an_epoch_shows_every_image_at_most_once(shared) -> None:
    order = shared._order(0, 1).numpy()
    assert order.shape == (10, 50)
    assert len(set(order.ravel())) == 500


def test_dropout_drops_its_share_and_keeps_the_mean(images) -> None:
    trainer = Engine(SETTINGS | {"dropout": 0.3}, (), images)
    seen = {}

    def network(net, x):
        seen["x"] = net.dropout(tf.ones((2000, 500)))
        return seen["x"]

    trainer._network = network
    trainer._training_pass(tf.zeros((1, 28, 28, 1)), [], tf.constant([1, 2]))
    values = seen["x"].numpy()
    assert (values == 0).mean() == pytest.approx(0.3, abs=0.002)
    assert np.unique(values[values > 0]) == pytest.approx([1 / 0.7])


def test_naive_log_loss_that_underflows_diverges_and_is_scored_as_class_zero(images) -> None:
    trainer = Engine(SETTINGS | {"loss": "naive_log", "lr": 5.0, "epochs": 4}, (), images)
    result = trainer.run(seed=0)
    assert result.diverged
    outcome = result.outcomes["none"]
    assert len(outcome.curve["epoch"]) < 4
    assert (outcome.predictions["test", "moving"] == 0).all()
    assert (outcome.predictions["test", "moving"] == images.test.labels).sum() == (images.test.labels == 0).sum()


def test_both_losses_train_the_same_way_while_nothing_underflows(images) -> None:
    safe = Engine(SETTINGS, (), images).run(seed=0).outcomes["none"].curve["train_loss"]
    naive = Engine(SETTINGS | {"loss": "naive_log"}, (), images).run(seed=0).outcomes["none"].curve["train_loss"]
    assert naive == pytest.approx(safe, rel=1e-3)


def float64_population(trainer: Engine, images: np.ndarray, batch: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Algorithm 2 of Ioffe and Szegedy (2015) in float64 NumPy, for the network `asker`."""
    weights = {name: variable.numpy().astype(np.float64) for name, variable in trainer._parameters.variables.items()}

    def convolve(x: np.ndarray, name: str) -> np.ndarray:
        size = -(-x.shape[1] // 2)
        total = max((size - 1) * 2 + 5 - x.shape[1], 0)
        x = np.pad(x, ((0, 0), (total // 2, total - total // 2), (total // 2, total - total // 2), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))[:, ::2, ::2]
        return np.einsum("bhwcij,ijcf->bhwf", windows, weights[f"{name}/kernel"]) + weights[f"{name}/bias"]

    means: list[list[np.ndarray]] = [[], []]
    variances: list[list[np.ndarray]] = [[], []]
    for start in range(0, len(images) - batch + 1, batch):
        x = images[start : start + batch, ..., None] / 255
        for layer, name in enumerate(("conv1", "conv2")):
            x = convolve(x, name)
            mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
            n = x.size // x.shape[-1]
            means[layer].append(mean)
            variances[layer].append(variance * n / (n - 1))
            x = weights[f"{name}/gamma"] * (x - mean) / np.sqrt(variance + EPSILON) + weights[f"{name}/beta"]
            x = np.where(x > 0, x, 0.2 * x)
    return [(np.mean(mean, axis=0), np.mean(variance, axis=0)) for mean, variance in zip(means, variances, strict=True)]


def test_population_statistics_are_algorithm_2_in_float64(images, shared) -> None:
    shared.run(seed=3)
    found = shared._population(tf.constant(shared.steps))
    expected = float64_population(shared, images.train.images[:500], 50)
    for (mean, variance), (exact_mean, exact_variance) in zip(found, expected, strict=True):
        scale = np.sqrt(exact_variance)
        np.testing.assert_allclose(mean / scale, exact_mean / scale, atol=1e-4)
        np.testing.assert_allclose(variance, exact_variance, rtol=1e-4)


def test_gap_is_the_log_ratio_of_moving_to_population_variance(images, shared) -> None:
    result = shared.run(seed=3)
    truth = float64_population(shared, images.train.images[:500], 50)
    for name, outcome in result.outcomes.items():
        for layer, (moving, (mean, variance)) in enumerate(zip(shared._moving(name), truth, strict=True), start=1):
            row = next(
                i
                for i in range(len(outcome.gap["epoch"]))
                if (outcome.gap["epoch"][i], outcome.gap["layer"][i]) == (2, layer)
            )
            expected = np.log(moving[1].numpy() / variance).mean()
            assert outcome.gap["log_variance_ratio"][row] == pytest.approx(expected, abs=3e-4)
            shift = (np.abs(moving[0].numpy() - mean) / np.sqrt(variance)).mean()
            assert outcome.gap["mean_shift"][row] == pytest.approx(shift, abs=3e-4)


def test_gap_before_the_first_step_is_that_of_the_initial_values(shared_result) -> None:
    stale = shared_result.outcomes["contrib_stale"].gap
    assert stale["epoch"][:2] == [0, 0]
    assert stale["log_variance_ratio"][0] > 5
    # The tutorial's averages start at 0, which has no logarithm.
    assert shared_result.outcomes["libs"].gap["log_variance_ratio"][:2] == [None, None]


def test_curve_ends_with_the_final_validation_score(images, shared_result) -> None:
    for outcome in shared_result.outcomes.values():
        right = int((outcome.predictions["validation", "moving"] == images.validation.labels).sum())
        assert outcome.curve["validation_correct"][-1] == right
        assert outcome.curve["epoch"] == [1, 2]


def test_without_batch_norm_all_ways_of_scoring_agree(images) -> None:
    outcome = Engine(SETTINGS, (), images).run(seed=1).outcomes["none"]
    for name in ("test", "validation"):
        for way in ("population", "batch"):
            assert (outcome.predictions[name, way] == outcome.predictions[name, "moving"]).all()


def test_batch_scoring_normalises_each_batch_with_its_own_statistics(images, shared) -> None:
    """Batches in the set's order, the last one shorter: scored alone, each gives the same predictions."""
    shared.run(seed=3)
    predictions, _ = shared._infer("test", None)
    pixels = tf.constant(images.test.images[..., None], tf.float32) / 255
    alone = [shared._training_pass(pixels[start : start + 50], [], None) for start in range(0, 410, 50)]
    expected = np.concatenate([logits.numpy().argmax(axis=1) for logits in alone])
    assert (predictions.numpy() == expected).mean() > 0.997
