"""How long a moving variance is wrong: the formula against the update rule itself, and against real trainings."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study.errors import StudyError
from study.trainers.mnist import data
from study.trainers.mnist.implementations import IMPLEMENTATIONS, MovingStatistics
from study.trainers.mnist.mechanism import mechanism
from study.trainers.mnist.recovery import advice, decay_that_fits, observed_steps, predicted_steps, steps_needed
from study.trainers.mnist.trainer import MnistTrainer
from tests import examples

STEPS_AN_EPOCH, EPOCHS = 5, 100
SETTINGS = {
    "network": "asker",
    "dropout": 0.3,
    "epochs": EPOCHS,
    "batch_size": 50,
    "train_images": 50 * STEPS_AN_EPOCH,
    "precision": "float32",
    "loss": "softmax_cross_entropy",
}


def followed(start: float, decay: float, variance: Any, steps: int) -> list[float]:
    """Moving over true variance before every step and after the last, by the update rule; `variance` by step."""
    moving, ratios = start, [start / variance(0)]
    for step in range(1, steps + 1):
        moving -= (1.0 - decay) * (moving - variance(step))
        ratios.append(moving / variance(step))
    return ratios


def first_right(ratios: list[float]) -> int:
    return next(step for step, ratio in enumerate(ratios) if 2 / 3 <= ratio <= 3 / 2)


@pytest.mark.parametrize("decay", [0.9, 0.99, 0.999])
@pytest.mark.parametrize(("start", "variance"), [(1.0, 0.0006), (1.0, 0.05), (1.0, 12.0), (0.0, 3.0), (1.0, 1.2)])
def test_the_formula_counts_the_steps_of_the_update_rule(decay: float, start: float, variance: float) -> None:
    ratios = followed(start, decay, lambda step: variance, 9000)
    assert steps_needed(MovingStatistics(decay, 0.0, start), variance) == first_right(ratios)


def test_a_start_at_zero_needs_no_variance_and_one_that_is_right_no_steps() -> None:
    assert steps_needed(MovingStatistics(0.9, 0.0, 0.0), None) == math.ceil(math.log(1 / 3) / math.log(0.9)) == 11
    assert steps_needed(MovingStatistics(0.9, 0.0, 1.0), 1.0) == 0


def test_statistics_that_are_never_updated_never_recover() -> None:
    stale = IMPLEMENTATIONS["contrib_stale"]
    assert steps_needed(stale, 0.001) is None
    assert predicted_steps(stale, {0: 0.001, 1: 1.0}, 10) == (None, 1.0)


@pytest.mark.parametrize("growth", [0.0, 0.0005, 0.001, 0.0015])
@pytest.mark.parametrize("decay", [0.9, 0.99, 0.999])
def test_a_variance_that_grows_is_met_where_the_update_rule_meets_it(decay: float, growth: float) -> None:
    def variance(step: int) -> float:
        return 0.001 * math.exp(growth * step)

    an_epoch = 250
    observed = first_right(followed(1.0, decay, variance, 9000))
    measured = {epoch: variance(epoch * an_epoch) for epoch in range(9000 // an_epoch + 1)}
    predicted, met = predicted_steps(MovingStatistics(decay, 0.0, 1.0), measured, an_epoch)
    assert predicted == pytest.approx(observed, rel=0.25)
    # The variance as it was when it was met, and not as it was before the training.
    assert met == measured[predicted // an_epoch + 1]


def test_a_run_that_is_too_short_is_extrapolated_by_its_last_variance() -> None:
    rule = MovingStatistics(0.999, 0.0, 1.0)
    assert predicted_steps(rule, {0: 0.0006, 1: 0.001}, 275) == (steps_needed(rule, 0.001), 0.001)


def test_observed_is_the_epoch_from_which_on_it_stays_right() -> None:
    right, wrong, none = math.log(1.49), math.log(1.51), math.nan
    assert observed_steps({0: none, 1: wrong, 2: right, 3: -right}, 10) == 20
    assert observed_steps({0: wrong, 1: right, 2: -wrong, 3: 0.0}, 10) == 30
    assert observed_steps({3: wrong, 0: right}, 10) is None
    assert observed_steps({0: right, 1: 0.0}, 10) == 0


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    """The first 250 images for training, and one batch each to score."""
    mnist = data.load("mnist")

    def first(split: data.Split, count: int) -> data.Split:
        return data.Split(split.images[:count], split.labels[:count])

    return dataclasses.replace(
        mnist, train=first(mnist.train, 250), validation=first(mnist.validation, 50), test=first(mnist.test, 50)
    )


def trained(
    monkeypatch: pytest.MonkeyPatch, images: data.Dataset, lr: float, rules: dict[str, MovingStatistics]
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """`recovery` of `mechanism.json`, and the gap, of one training of 500 steps that carries all `rules`."""
    from study.trainers.mnist.engine import Engine

    for name, rule in rules.items():
        monkeypatch.setitem(IMPLEMENTATIONS, name, rule)
    outcomes = Engine(SETTINGS | {"lr": lr}, tuple(rules), images).run(seed=0).outcomes
    gap = pd.concat([pd.DataFrame(outcome.gap).assign(bn=name) for name, outcome in outcomes.items()])
    scores = {"test_trials": 1, "test_correct": 1, "test_correct_population": 1, "test_correct_batch": 1}
    runs = pd.DataFrame({"bn": list(rules)}).assign(**scores)
    return mechanism(runs, gap, ["bn"], 0.9, SETTINGS)["recovery"], gap


def recorded(gap: pd.DataFrame, row: dict[str, Any]) -> int:
    """The step of the first record of `row` within a factor of 1.5."""
    course = gap[(gap["bn"] == row["level"]) & (gap["layer"] == row["layer"])]
    return int(course.loc[course["log_variance_ratio"].abs() <= math.log(1.5), "epoch"].min()) * STEPS_AN_EPOCH


def test_predicted_and_observed_agree_in_a_real_training(monkeypatch: pytest.MonkeyPatch, images: data.Dataset) -> None:
    rules = {f"{start} {d}": MovingStatistics(d, 0.0, start) for start in (0.0, 1.0) for d in (0.9, 0.95, 0.98)}
    found, gap = trained(monkeypatch, images, 0.0002, rules)
    assert len(found) == 2 * len(rules)
    for row in found:
        assert row["steps"] == 500
        assert row["observed_steps"] == recorded(gap, row)
        # The statistics are recorded every five steps.
        assert row["predicted_steps"] == pytest.approx(row["observed_steps"], rel=0.25, abs=STEPS_AN_EPOCH)


def test_predicted_and_observed_agree_while_the_true_variance_changes(
    monkeypatch: pytest.MonkeyPatch, images: data.Dataset
) -> None:
    rules = {str(d): MovingStatistics(d, 0.0, 1.0) for d in (0.95, 0.98, 0.985)}
    stale = IMPLEMENTATIONS["contrib_stale"]
    found, gap = trained(monkeypatch, images, 0.01, rules | {"contrib_stale": stale})
    first = [row for row in found if row["layer"] == 1]
    assert [row["level"] for row in first] == [*rules, "contrib_stale"]
    for row in first[:-1]:
        assert row["observed_steps"] == recorded(gap, row)
        assert row["predicted_steps"] == pytest.approx(row["observed_steps"], rel=0.25)
    assert (first[3]["predicted_steps"], first[3]["observed_steps"]) == (None, None)
    # The variance before training, a fiftieth of the later one, would have asked for twice the steps.
    before = math.exp(-gap.loc[(gap["bn"] == "contrib_stale") & (gap["epoch"] == 0), "log_variance_ratio"].iloc[0])
    assert steps_needed(rules["0.985"], before) > 1.8 * first[2]["observed_steps"]


RECOVERY = {
    "levels": {"lr": 0.001},
    "layer": 1,
    "decay": 0.999,
    "start": 1.0,
    "variance": 1 / 3000,
    "predicted_steps": 8695,
    "observed_steps": None,
    "steps": 2750,
    "steps_an_epoch": 275,
}


def arm(level: str, collapsed: int, recovered: int, **recovery: Any) -> dict[str, Any]:
    entry = RECOVERY | {"level": level} | recovery
    return {"level": level, "collapsed": collapsed, "recovered_by_population": recovered, "recovery": entry}


def test_a_decay_that_is_too_slow_is_advised_against_in_numbers() -> None:
    # log(0.5 / 2999) / log(0.999) = 8694.8
    assert steps_needed(MovingStatistics(0.999, 0.0, 1.0), 1 / 3000) == RECOVERY["predicted_steps"]
    assert advice(arm("contrib", 9, 9)) == (
        "A decay of 0.999 needs some 8,700 steps, 32 epochs of these; the run had 2,750: lower the decay to 0.996 or "
        "less, train longer, or recompute the statistics after the training."
    )


@pytest.mark.parametrize(("start", "variance"), [(1.0, 0.0005), (1.0, 0.2), (0.0, None), (1.0, 40.0)])
@pytest.mark.parametrize("steps", [4, 60, 2750, 100_000])
def test_the_decay_that_fits_is_enough_and_a_slower_one_is_not(
    start: float, variance: float | None, steps: int
) -> None:
    text = decay_that_fits(start, variance, steps)
    if not text:
        # Not even a decay of 0.1 would do.
        assert first_right(followed(start, 0.1, lambda step: variance or 1.0, 50)) > steps
        return
    assert first_right(followed(start, float(text), lambda step: variance or 1.0, steps)) <= steps
    digit = 10.0 ** -len(text.partition(".")[2])
    with pytest.raises(StopIteration):
        first_right(followed(start, float(text) + digit, lambda step: variance or 1.0, steps))


def test_updates_that_are_forgotten_are_to_be_run() -> None:
    found = advice(arm("contrib_stale", 9, 9, decay=1.0, predicted_steps=None))
    assert found == "Its moving statistics are never updated: run the update operations with the training step."


def test_a_cause_that_the_formula_does_not_see_leaves_the_statistics_to_be_recomputed() -> None:
    words = (
        "Recompute the statistics after the training: with those of the training set, 8 of 9 collapsed runs recover."
    )
    assert advice(arm("contrib", 9, 8, predicted_steps=1018)) == words
    assert advice(arm("contrib", 9, 8) | {"recovery": None}) == words


def test_where_the_statistics_are_not_the_cause_there_is_no_advice() -> None:
    assert advice(arm("contrib", 0, 0)) == ""
    assert advice(arm("contrib", 9, 4)) == ""


def test_the_trainer_advises_on_the_levels_that_fail(tmp_path: Path) -> None:
    trainer = MnistTrainer(examples.resolved())
    assert trainer.advice(tmp_path) == {}
    arms = [arm("keras", 0, 0), arm("contrib_stale", 9, 9, predicted_steps=None)]
    (tmp_path / "mechanism.json").write_text(json.dumps({"arms": arms}))
    assert list(trainer.advice(tmp_path)) == ["contrib_stale"]
    (tmp_path / "mechanism.json").write_text("{")
    with pytest.raises(StudyError, match=r"mechanism\.json: damaged"):
        trainer.advice(tmp_path)
