"""How many seeds a job trains: from what was measured, else from arithmetic; fixed once, and never moving a block."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study import trainers
from study.design import job_size, plan
from study.errors import StudyError
from study.store.record import Store
from study.trainers.mnist.networks import NETWORKS
from study.trainers.mnist.trainer import MEGAFLOP, MnistTrainer
from study.trainers.mnist.version import ENGINE_VERSION
from study.trainers.resume import with_seconds_per_run
from tests import examples
from tests.examples import jobs, planned, resolved

AUTO = {"seeds_per_job": "auto"}


def sizes(config: dict[str, Any]) -> set[int]:
    return {len(job.seeds) for job in jobs(config)}


def seconds(config: dict[str, Any], folder: Path, store: Path) -> float:
    """How long a run takes, by the configuration that `with_seconds_per_run` returns."""
    return fixed(config, folder, store)["execution"]["seconds_per_run"]


def fixed(config: dict[str, Any], folder: Path, store: Path) -> dict[str, Any]:
    return with_seconds_per_run(config, trainers.choose(config), folder, Store(store))


def test_a_job_trains_as_many_seeds_as_fit_into_its_minutes() -> None:
    def size(**execution: Any) -> set[int]:
        return sizes(resolved(design={"seeds": 100}, execution=AUTO | execution))

    # 600 s, 20 s of them to start: 58 runs of 10 s.
    assert size(seconds_per_run=10) == {58, 42}
    assert size(seconds_per_run=10, job_minutes=1) == {4}
    assert size(seconds_per_run=290) == {2}
    assert size(seconds_per_run=291) == {1}
    assert size(seconds_per_run=5000) == {1}
    assert size(seconds_per_run=5000, seeds_per_job=25) == {25}


def test_more_seeds_move_no_block_of_an_auto_study() -> None:
    def names(seeds: int) -> set[tuple[str, str]]:
        config = resolved(design={"seeds": seeds}, execution=AUTO | {"seconds_per_run": 100})
        return {(job.trajectory, job.block) for job in jobs(config)}

    assert names(20) < names(40)


def flop(network: str) -> float:
    """Operations of the products of a forward pass of one image, counted from the shapes of the weights.

    A dense weight is used once; a convolution's at every position of its output.
    """
    convolutions = {
        # (filters, width, channels in, positions), and the dense layers' shapes.
        "asker": ([(32, 25, 1, 14 * 14), (64, 25, 32, 7 * 7)], [(3136, 500), (500, 10)]),
        "tutorial": ([(32, 25, 1, 14 * 14), (64, 25, 32, 7 * 7), (64, 25, 64, 4 * 4)], [(1024, 10)]),
        "deep_mnist": ([(32, 25, 1, 28 * 28), (64, 25, 32, 14 * 14)], [(3136, 1024), (1024, 10)]),
        "conv1d": ([(32, 5, 28, 28), (64, 5, 32, 28), (64, 5, 64, 28)], [(1792, 500), (500, 10)]),
    }
    layers, dense = convolutions[network]
    first = 2 * np.prod(layers[0])
    # Backward there are two more products of the same size in each layer, but for the gradient of the images.
    forward = first + sum(2 * np.prod(layer) for layer in layers[1:]) + sum(2 * np.prod(shape) for shape in dense)
    return float(3 * forward - first)


def test_every_network_has_the_arithmetic_of_its_layers() -> None:
    assert {network: pytest.approx(flop(network) / 1e6, rel=0.05) for network in NETWORKS} == MEGAFLOP


def store_of(folder: Path, config: dict[str, Any], images_per_second: float) -> Store:
    """A store with the records of a study whose runs all had this pace, scoring included."""
    store, design = Store(folder), planned(config)
    for _, cell, seed in design.runs():
        record = examples.record(design, cell, seed)
        spent = cell.settings["epochs"] * cell.settings["train_images"] / images_per_second
        record.cost.update(training_seconds=0.75 * spent, evaluation_seconds=0.25 * spent)
        store.write(record)
    return store


def test_a_shorter_study_of_the_same_network_tells_how_long_runs_take(tmp_path: Path) -> None:
    store = store_of(tmp_path / "runs", resolved(training={"epochs": 2, "train_images": 400}), 1000)
    full = resolved(training={"epochs": 10, "train_images": 5000, "lr": 0.5}, execution=AUTO)
    assert seconds(full, tmp_path / "full", store.root) == 50
    measured = fixed(full, tmp_path / "full", store.root)
    assert sizes(measured | {"design": measured["design"] | {"seeds": 100}}) == {11, 1}
    # What was measured on other networks or batches says nothing.
    for other in ({"network": "conv1d"}, {"batch_size": 20}):
        config = resolved(training=full["training"] | other)
        unmeasured = seconds(config, tmp_path / "full", tmp_path / "empty")
        assert seconds(config, tmp_path / "full", store.root) == unmeasured != 50


def test_without_a_measured_run_the_arithmetic_decides(tmp_path: Path) -> None:
    config = resolved(training={"network": "deep_mnist", "epochs": 10, "train_images": 55000})
    # Scoring takes a fifth on top.
    assert seconds(config, tmp_path / "x", tmp_path / "runs") == pytest.approx(1.2 * 550_000 * 82 / 60_000, rel=0.01)


def test_the_longest_training_decides(tmp_path: Path) -> None:
    store = store_of(tmp_path / "runs", resolved(), 1000)
    both = resolved(design={"factors": {"epochs": [1, 20]}}, training={"train_images": 400})
    assert seconds(both, tmp_path / "both", store.root) == 8


def test_damaged_records_are_passed_over(tmp_path: Path) -> None:
    store = store_of(tmp_path / "runs", resolved(training={"train_images": 400}), 1000)
    for path in sorted(store.root.rglob("*.json"))[::2]:
        path.write_text(path.read_text()[:100])
    assert seconds(resolved(), tmp_path / "x", store.root) == 0.8


def test_what_is_fixed_stays_while_records_come_in(tmp_path: Path) -> None:
    folder, runs = tmp_path / "small", tmp_path / "runs"
    config = resolved(execution=AUTO)
    first = fixed(config, folder, runs)
    plan.write(planned(first), folder, {})
    store_of(runs, config, 0.1)
    assert fixed(config, folder, runs) == first
    # Words, seeds, levels and checkpoints are not the length of a run.
    for changes in (
        {"report": {"titles": {"bn": "BN"}}},
        {"design": {"seeds": 30}},
        {"design": {"factors": {"dropout": [0.5]}}},
        {"training": {"checkpoint_every": 1}},
    ):
        assert fixed(resolved(changes, execution=AUTO), folder, runs)["execution"] == first["execution"]
    # Other runs are measured, and a number that the user gives holds.
    longer = resolved(training={"epochs": 4}, execution=AUTO)
    assert seconds(longer, folder, runs) == 4 * 400 / 0.1
    assert seconds(resolved(execution=AUTO | {"seconds_per_run": 7}), folder, runs) == 7


def test_a_time_limit_has_room_and_grows_with_the_seeds() -> None:
    config = resolved(design={"seeds": 8}, execution={"seeds_per_job": 4, "seconds_per_run": 120})
    (limit,) = {job_size.minutes_allowed(config["execution"], job.seeds) for job in jobs(config)}
    # 500 s are expected.
    assert limit == 5 + 25


def test_finished_runs_are_not_repeated_by_another_engine_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = tmp_path / "small", Store(tmp_path / "runs")
    design = planned(fixed(resolved(), folder, store.root))
    plan.write(design, folder, {})
    # Nothing is finished, nothing is lost.
    monkeypatch.setattr(MnistTrainer, "version", ENGINE_VERSION + 1)
    fixed(resolved(), folder, store.root)
    monkeypatch.undo()
    for _, cell, seed in design.runs()[:5]:
        store.write(examples.record(design, cell, seed))
    fixed(resolved(), folder, store.root)
    monkeypatch.setattr(MnistTrainer, "version", ENGINE_VERSION + 1)
    with pytest.raises(StudyError) as caught:
        fixed(resolved(), folder, store.root)
    message = str(caught.value)
    assert "5 of its 12 runs are finished" in message
    assert f"`rm {folder}/design.json`" in message
    assert "\n" not in message
    (folder / "design.json").unlink()
    fixed(resolved(), folder, store.root)
