"""How many seeds a job trains: from what was measured, else from arithmetic; settled once, and never moving a block."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.design import factorial, job_size
from study.design import plan as plan_module
from study.design.plan import Plan, settle, write
from study.errors import StudyError
from study.store.record import Store
from study.trainers.mnist.trainer import origin
from study.trainers.mnist.version import ENGINE_VERSION
from tests import examples
from tests.examples import resolved

AUTO = {"seeds_per_job": "auto"}


def sizes(config: dict[str, Any]) -> set[int]:
    return {len(job.seeds) for job in factorial.jobs(config)}


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
    def jobs(seeds: int) -> set[tuple[str, str]]:
        config = resolved(design={"seeds": seeds}, execution=AUTO | {"seconds_per_run": 100})
        return {(job.trajectory, job.block) for job in factorial.jobs(config)}

    assert jobs(20) < jobs(40)


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


@pytest.mark.parametrize("network", job_size.MEGAFLOP)
def test_the_arithmetic_is_that_of_the_networks(network: str) -> None:
    assert job_size.MEGAFLOP[network] == pytest.approx(flop(network) / 1e6, rel=0.05)


def test_every_network_has_its_arithmetic() -> None:
    schema = json.dumps(resolved())  # a study is of one network unless it says otherwise
    assert "asker" in schema
    from study.trainers.mnist.networks import NETWORKS

    assert set(job_size.MEGAFLOP) == set(NETWORKS)


def store_of(folder: Path, config: dict[str, Any], images_per_second: float) -> Store:
    """A store with the records of a study whose runs all had this pace, scoring included."""
    store, plan = Store(folder), Plan(config, origin("d" * 64))
    for _, cell, seed in plan.runs():
        record = examples.record(plan, cell, seed)
        seconds = cell.settings["epochs"] * cell.settings["train_images"] / images_per_second
        record.cost.update(training_seconds=0.75 * seconds, evaluation_seconds=0.25 * seconds)
        store.write(record)
    return store


def test_a_shorter_study_of_the_same_network_tells_how_long_runs_take(tmp_path: Path) -> None:
    store = store_of(tmp_path / "runs", resolved(training={"epochs": 2, "train_images": 400}), 1000)
    full = resolved(training={"epochs": 10, "train_images": 5000, "lr": 0.5}, execution=AUTO)
    settled = settle(full, tmp_path / "full", store.root)
    assert settled["execution"]["seconds_per_run"] == 50
    assert sizes(settled | {"design": settled["design"] | {"seeds": 100}}) == {11, 1}
    # What was measured on other networks or batches says nothing.
    for other in ({"network": "conv1d"}, {"batch_size": 20}):
        config = resolved(training=full["training"] | other)
        unmeasured = settle(config, tmp_path / "full", tmp_path / "empty")["execution"]["seconds_per_run"]
        assert settle(config, tmp_path / "full", store.root)["execution"]["seconds_per_run"] == unmeasured != 50


def test_the_longest_training_decides(tmp_path: Path) -> None:
    store = store_of(tmp_path / "runs", resolved(), 1000)
    both = resolved(design={"factors": {"epochs": [1, 20]}}, training={"train_images": 400})
    assert settle(both, tmp_path / "both", store.root)["execution"]["seconds_per_run"] == 8


def test_damaged_records_are_passed_over(tmp_path: Path) -> None:
    store = store_of(tmp_path / "runs", resolved(training={"train_images": 400}), 1000)
    for path in sorted(store.root.rglob("*.json"))[::2]:
        path.write_text(path.read_text()[:100])
    seconds = settle(resolved(), tmp_path / "x", store.root)["execution"]["seconds_per_run"]
    assert seconds == 0.8


def test_what_is_settled_stays_while_records_come_in(tmp_path: Path) -> None:
    folder, runs = tmp_path / "small", tmp_path / "runs"
    config = resolved(execution=AUTO)
    first = settle(config, folder, runs)
    write(Plan(first, origin("d" * 64)), folder)
    store_of(runs, config, 0.1)
    assert settle(config, folder, runs) == first
    # Words, seeds, levels and checkpoints are not the length of a run.
    for changes in (
        {"report": {"titles": {"bn": "BN"}}},
        {"design": {"seeds": 30}},
        {"design": {"factors": {"dropout": [0.5]}}},
        {"training": {"checkpoint_every": 1}},
    ):
        changed = settle(resolved(changes, execution=AUTO), folder, runs)
        assert changed["execution"] == first["execution"]
    # Other runs are measured anew, and a number that the user gives holds.
    longer = settle(resolved(training={"epochs": 4}, execution=AUTO), folder, runs)
    assert longer["execution"]["seconds_per_run"] == 4 * 400 / 0.1
    assert settle(resolved(execution=AUTO | {"seconds_per_run": 7}), folder, runs)["execution"]["seconds_per_run"] == 7


def test_a_time_limit_has_room_and_grows_with_the_seeds() -> None:
    config = resolved(design={"seeds": 8}, execution={"seeds_per_job": 4, "seconds_per_run": 120})
    (limit,) = {factorial.minutes_allowed(config, job) for job in factorial.jobs(config)}
    # 500 s are expected.
    assert limit == 5 + 25


def test_finished_runs_are_not_repeated_by_another_engine_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = tmp_path / "small", Store(tmp_path / "runs")
    config = settle(resolved(), folder, store.root)
    plan = Plan(config, origin("d" * 64))
    write(plan, folder)
    # Nothing is finished, nothing is lost.
    monkeypatch.setattr(plan_module, "ENGINE_VERSION", ENGINE_VERSION + 1)
    settle(resolved(), folder, store.root)
    monkeypatch.undo()
    for _, cell, seed in plan.runs()[:5]:
        store.write(examples.record(plan, cell, seed))
    settle(resolved(), folder, store.root)
    monkeypatch.setattr(plan_module, "ENGINE_VERSION", ENGINE_VERSION + 1)
    with pytest.raises(StudyError) as caught:
        settle(resolved(), folder, store.root)
    message = str(caught.value)
    assert "5 of its 12 runs are finished" in message
    assert f"`rm {folder}/design.json`" in message
    assert "\n" not in message
    (folder / "design.json").unlink()
    settle(resolved(), folder, store.root)
