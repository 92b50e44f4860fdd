"""A run that was killed goes on from its last checkpoint and ends with the bits of an uninterrupted one."""

import dataclasses
from pathlib import Path

import pytest

from study.trainers.mnist import data
from study.trainers.mnist.checkpoint import load
from study.trainers.mnist.engine import Engine, Result

SETTINGS = {
    "network": "asker",
    "bn": "none",
    "dropout": 0.3,
    "lr": 1e-3,
    "epochs": 5,
    "batch_size": 50,
    "train_images": 200,
    "precision": "float32",
    "loss": "softmax_cross_entropy",
}
IMPLEMENTATIONS = ("libs", "keras")


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    mnist = data.load("mnist")
    few = [data.Split(split.images[:100], split.labels[:100]) for split in (mnist.validation, mnist.test)]
    return dataclasses.replace(mnist, validation=few[0], test=few[1])


@pytest.fixture(scope="module")
def uninterrupted(images) -> Result:
    return Engine(SETTINGS, IMPLEMENTATIONS, images).run(seed=4)


class KilledError(Exception):
    pass


def killed_in_epoch(images: data.Dataset, epoch: int, checkpoint: Path) -> None:
    """Train with a checkpoint every two epochs and die at the end of `epoch`, before it is noted."""
    trainer = Engine(SETTINGS, IMPLEMENTATIONS, images, checkpoint_every=2)
    note = trainer._note_epoch

    def die(outcomes, number, loss):
        if number == epoch:
            raise KilledError
        note(outcomes, number, loss)

    trainer._note_epoch = die
    with pytest.raises(KilledError):
        trainer.run(seed=4, checkpoint=checkpoint)


@pytest.mark.parametrize("epoch", [3, 5])
def test_resumed_run_has_the_bits_of_an_uninterrupted_one(images, uninterrupted, tmp_path, epoch: int) -> None:
    checkpoint = tmp_path / "state.npz"
    killed_in_epoch(images, epoch, checkpoint)
    _, progress = load(checkpoint)
    assert progress["epoch"] == epoch - 1
    trainer = Engine(SETTINGS, IMPLEMENTATIONS, images, checkpoint_every=2)
    trained = []
    train = trainer._order
    trainer._order = lambda seed, number: trained.append(number) or train(seed, number)
    resumed = trainer.run(seed=4, checkpoint=checkpoint)
    assert trained == list(range(epoch, 6))
    assert resumed.weights_digest == uninterrupted.weights_digest
    for name in IMPLEMENTATIONS:
        found, expected = resumed.outcomes[name], uninterrupted.outcomes[name]
        assert found.curve == expected.curve
        assert found.gap == expected.gap
        assert found.losses == expected.losses


def test_damaged_checkpoint_means_a_new_start_to_the_same_bits(images, uninterrupted, tmp_path) -> None:
    checkpoint = tmp_path / "state.npz"
    killed_in_epoch(images, 3, checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    resumed = Engine(SETTINGS, IMPLEMENTATIONS, images, checkpoint_every=2).run(seed=4, checkpoint=checkpoint)
    assert resumed.weights_digest == uninterrupted.weights_digest


def test_checkpoint_of_other_implementations_is_not_used(images, tmp_path) -> None:
    checkpoint = tmp_path / "state.npz"
    killed_in_epoch(images, 3, checkpoint)
    alone = Engine(SETTINGS, ("contrib",), images, checkpoint_every=2).run(seed=4, checkpoint=checkpoint)
    assert list(alone.outcomes) == ["contrib"]
    assert alone.outcomes["contrib"].curve["epoch"] == [1, 2, 3, 4, 5]


def test_no_checkpoint_is_written_unless_asked_for(images, tmp_path) -> None:
    checkpoint = tmp_path / "state.npz"
    Engine(SETTINGS | {"epochs": 2}, (), images).run(seed=0, checkpoint=checkpoint)
    assert not checkpoint.exists()
