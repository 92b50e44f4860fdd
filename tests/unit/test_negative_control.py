"""The A/A comparison."""

import json

import numpy as np
import pytest

from study.errors import StudyError
from study.stats.effects.contrasts import compare_with_control
from study.stats.effects.negative_control import negative_control, without_negative_control
from study.stats.planning.simulate import Truth, simulate
from study.stats.table import RunTable, build_table

TRUTH = Truth(design={"m": ("c", "same", "x"), "g": ("p", "q")}, seeds=10, effects={"x": 0.4})


def table(rng: np.random.Generator, other_seeds: bool = False) -> RunTable:
    frame = simulate(TRUTH, rng)
    if other_seeds:
        frame.loc[frame["m"] == "same", "seed"] += 1000
    return build_table(frame, ["m", "g"], "c", "seed", "test_correct", "test_trials")


def test_the_arm_is_compared_like_the_others_but_alone() -> None:
    whole = table(np.random.default_rng(0))
    found = negative_control(whole, "same", margin=0.1)
    json.dumps(found, allow_nan=False)
    row = found["contrast"]
    among = next(e for e in compare_with_control(whole, margin=0.1) if e.level == "same")
    assert row["estimate"] == pytest.approx(among.estimate, rel=1e-9)
    assert row["p"] == pytest.approx(among.p, rel=1e-9)
    assert row["p_adjusted"] == pytest.approx(row["p"], rel=1e-9)
    assert row["scale"] == "pp"


def test_the_rest_of_the_analysis_does_not_see_the_arm() -> None:
    rest = without_negative_control(table(np.random.default_rng(1)), "same")
    assert rest.levels("m") == ("c", "x")
    assert rest.shape == (2, 2)
    assert [e.level for e in compare_with_control(rest, "pp")] == ["x"]


def test_the_direction_of_a_response_is_kept() -> None:
    frame = table(np.random.default_rng(1)).frame.assign(wrong=lambda f: f["test_trials"] - f["test_correct"])
    lower = build_table(frame, ["m", "g"], "c", "seed", response="wrong", higher_is_better=False)
    assert compare_with_control(without_negative_control(lower, "same"))[0].label == "better"


def test_other_seeds_make_it_an_unpaired_comparison() -> None:
    found = negative_control(table(np.random.default_rng(2), other_seeds=True), "same")
    assert found["contrast"]["df"] > 10


def test_a_difference_that_should_not_be_there_is_told() -> None:
    whole = table(np.random.default_rng(3))
    assert negative_control(whole, "same")["passed"]
    assert not negative_control(whole, "x")["passed"]


def test_an_unknown_level_is_refused() -> None:
    whole = table(np.random.default_rng(4))
    with pytest.raises(StudyError, match="no such level for the negative control"):
        negative_control(whole, "c")
    pair = without_negative_control(whole, "x")
    with pytest.raises(StudyError, match="no arm to compare"):
        without_negative_control(pair, "same")
