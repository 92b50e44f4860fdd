"""Checks of assumptions and of the seeding."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from study.stats.checks.diagnostics import diagnostics
from study.stats.checks.duplicate_runs import seeding
from study.stats.table import RunTable, build_table
from tests.oracle import TABLES, load


def reference_table(name: str) -> RunTable:
    return build_table(load(name)[0], ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")


def random_table(rng: np.random.Generator, block_sd: float = 1.0, missing: float = 0.0, **columns: object) -> RunTable:
    block = block_sd * rng.normal(size=9)
    rows = [
        {"m": m, "g": g, "b": b, "y": block[b] + rng.normal()}
        for m, g, b in itertools.product("cxy", "pq", range(9))
        if rng.random() >= missing
    ]
    return build_table(pd.DataFrame(rows).assign(**columns), ["m", "g"], "c", "b", response="y")


@pytest.mark.parametrize("name", TABLES)
def test_levene_and_shapiro_agree_with_the_reference(name: str) -> None:
    frame, reference = load(name)
    # The reference took log odds of error, the column y.
    found = diagnostics(build_table(frame, ["bn", "dropout", "lr"], "none", "seed", response="y"))
    json.dumps(found, allow_nan=False)
    expected = reference["levene"][0]
    assert found["levene"]["statistic"] == pytest.approx(expected["F value"], rel=1e-9)
    assert found["levene"]["p"] == pytest.approx(expected["Pr(>F)"], rel=1e-9)
    assert (found["levene"]["df1"], found["levene"]["df2"]) == (expected["Df"], reference["levene"][1]["Df"])
    assert found["shapiro"]["statistic"] == pytest.approx(reference["shapiro"]["statistic"], rel=1e-9)
    assert found["shapiro"]["p"] == pytest.approx(reference["shapiro"]["p.value"], rel=1e-6)


def test_residuals_agree_with_least_squares_on_cells_and_blocks() -> None:
    table = random_table(np.random.default_rng(0), missing=0.2)
    found = diagnostics(table)
    cell = pd.get_dummies(table.cell_index()).to_numpy(float)
    block = pd.get_dummies(table.block_index()).to_numpy(float)[:, 1:]
    y = table.values("response")
    both = sm.OLS(y, np.hstack([cell, block])).fit()
    assert found["residual_sd"] == pytest.approx(np.sqrt(both.mse_resid), rel=1e-9)
    level = next(qq for qq in found["qq"] if qq["level"] == "x")
    residuals = np.sort(both.resid[(table.frame["m"] == "x").to_numpy()])
    assert level["observed"] == pytest.approx(list(residuals / np.sqrt(both.mse_resid)), rel=1e-7, abs=1e-9)


def test_influence_is_the_paired_difference_without_the_block_or_cell() -> None:
    table = random_table(np.random.default_rng(3))
    wide = table.frame.pivot(index="b", columns=["m", "g"], values="y")
    found = diagnostics(table)["influence"][0]
    rest = wide.drop(index=4)
    row = next(row for row in found["blocks"] if row["block"] == "4")
    assert row["estimate"] == pytest.approx((rest["x"].mean(axis=1) - rest["c"].mean(axis=1)).mean(), rel=1e-9)
    for left_out, kept in (("p", "q"), ("q", "p")):
        alone = next(row for row in found["cells"] if row["levels"] == {"g": left_out})
        assert alone["estimate"] == pytest.approx((wide["x"][kept] - wide["c"][kept]).mean(), rel=1e-9)
    changes = [(row["estimate"] - found["estimate"]) / found["se"] for row in found["blocks"]]
    assert found["largest_change"] == pytest.approx(max(changes, key=abs), rel=1e-9)
    differences = wide["x"].mean(axis=1) - wide["c"].mean(axis=1)
    assert found["se"] == pytest.approx(stats.sem(differences), rel=1e-9)


def test_one_block_that_makes_the_effect_is_named() -> None:
    table = random_table(np.random.default_rng(4))
    hit = (table.frame["m"] == "x") & (table.frame["b"] == 7)
    frame = table.frame.assign(y=table.frame["y"] + 30.0 * hit)
    found = diagnostics(build_table(frame, ["m", "g"], "c", "b", response="y"))["influence"][0]
    assert found["largest_block"] == "7"


def test_pairing_that_helps_has_a_small_variance_ratio() -> None:
    rng = np.random.default_rng(5)
    helped = diagnostics(random_table(rng, block_sd=5.0))["pairing"][0]
    assert helped["variance_ratio"] < 0.3


def test_without_blocks_there_is_no_block_diagnostic() -> None:
    frame = random_table(np.random.default_rng(6)).frame
    found = diagnostics(build_table(frame, ["m", "g"], "c", None, response="y"))
    json.dumps(found, allow_nan=False)
    assert found["model"] == "cell"
    assert found["pairing"] is None
    assert found["influence"] is None


def test_equal_outcomes_everywhere_give_no_nan() -> None:
    frame = random_table(np.random.default_rng(7)).frame.assign(y=1.0)
    json.dumps(diagnostics(build_table(frame, ["m", "g"], "c", "b", response="y")), allow_nan=False)


def counted(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        {"m": m, "g": g, "b": b, "k": int(rng.binomial(10_000, 0.98)), "n": 10_000}
        for m, g, b in itertools.product("cxy", "pq", range(6))
    ]
    frame = pd.DataFrame(rows)
    frame["correct_bits"] = [rng.bytes(8) for _ in range(len(frame))]
    # Arms of one block and cell share weights by design.
    frame["weights_digest"] = [f"{g}{b}" for g, b in zip(frame["g"], frame["b"], strict=True)]
    frame["run_id"] = [f"run{i}" for i in range(len(frame))]
    return frame


def check(frame: pd.DataFrame, collapse_below: float | None = 0.9) -> dict:
    return seeding(build_table(frame, ["m", "g"], "c", "b", "k", "n"), collapse_below)


def test_sound_seeding_gives_no_alarm() -> None:
    found = check(counted(np.random.default_rng(8)))
    assert found == {
        "same_weights": [],
        "same_bits": [],
        "same_outcomes": [],
        "repeated_run_ids": [],
        "broken": False,
        "in_words": "no sign of repeated runs",
    }


def test_equal_weights_bits_and_outcomes_in_different_blocks_are_found() -> None:
    frame = counted(np.random.default_rng(9))
    copy, original = frame["b"] == 3, frame["b"] == 1
    for name in ("k", "correct_bits", "weights_digest"):
        frame.loc[copy, name] = frame.loc[original, name].to_numpy()
    found = check(frame)
    assert found["same_weights"] == [["1", "3"]]
    assert found["same_bits"] == [["1", "3"]]
    assert found["same_outcomes"] == [["1", "3"]]
    assert found["broken"]


def test_all_blocks_equal_is_found() -> None:
    frame = counted(np.random.default_rng(10))
    first = frame[frame["b"] == 0].set_index(["m", "g"])["k"]
    frame["k"] = [first[m, g] for m, g in zip(frame["m"], frame["g"], strict=True)]
    assert len(check(frame)["same_outcomes"]) == 15


def test_collapsed_runs_may_be_equal() -> None:
    frame = counted(np.random.default_rng(11))
    frame["k"], frame["correct_bits"] = 980, b"same"
    assert not check(frame)["broken"]
    assert check(frame.assign(k=9800))["same_bits"]


def test_ties_that_chance_explains_are_no_alarm() -> None:
    frame = counted(np.random.default_rng(12)).drop(columns=["correct_bits"])
    frame["k"], frame["n"] = 9, 10
    assert not check(frame)["broken"]


def test_a_run_counted_twice_is_found() -> None:
    frame = counted(np.random.default_rng(13))
    frame.loc[5, "run_id"] = "run1"
    assert check(frame)["repeated_run_ids"] == ["run1"]
