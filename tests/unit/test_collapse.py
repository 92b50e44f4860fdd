"""Collapse: rates with exact intervals, exact tests against the control."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.stats.collapse.rates import collapse
from study.stats.table import RunTable, build_table
from tests.oracle import TABLES, load


def counts_table(failures: dict[str, int], runs: int) -> RunTable:
    """One factor, no block: `failures` of `runs` runs of each arm are far below the threshold."""
    rows = [
        {"arm": arm, "right": 300 if run < failed else 985, "n": 1000}
        for arm, failed in failures.items()
        for run in range(runs)
    ]
    return build_table(pd.DataFrame(rows), ["arm"], next(iter(failures)), None, "right", "n")


def blocked_table(rng: np.random.Generator, missing: float = 0.0) -> RunTable:
    """Two arms and a control, a second factor of three levels, nine blocks; the arm "x" collapses often."""
    rows = []
    for arm, cell, block in itertools.product("cxy", ("p", "q", "r"), range(9)):
        risk = {"c": 0.1, "x": 0.5, "y": 0.15}[arm]
        right = 40 if rng.random() < risk else 95
        if rng.random() >= missing:
            rows.append({"method": arm, "size": cell, "rep": block, "right": right, "n": 100})
    return build_table(pd.DataFrame(rows), ["method", "size"], "c", "rep", "right", "n")


@pytest.mark.parametrize("names", [("arm", "failed"), ("failed", "arm"), ("level", "block"), ("T", "index")])
def test_what_a_factor_is_called_changes_nothing(names: tuple[str, str]) -> None:
    plain = blocked_table(np.random.default_rng(3), missing=0.1)
    focus, other = names
    frame = plain.frame.rename(columns={"method": focus, "size": other})
    expected, found = collapse(plain, 0.9), collapse(build_table(frame, [focus, other], "c", "rep", "right", "n"), 0.9)
    assert expected is not None
    assert found is not None
    assert found["comparisons"] == expected["comparisons"]
    assert found["arms"] == expected["arms"]


def test_without_a_block_arms_are_compared_by_fishers_test_with_holms_adjustment() -> None:
    result = collapse(counts_table({"none": 0, "other": 29, "third": 1}, 120), 0.9)
    assert result is not None
    p = [row["p"] for row in result["comparisons"]]
    assert p[0] == pytest.approx(5.4e-10, rel=0.01)  # R's fisher.test
    assert [row["p_adjusted"] for row in result["comparisons"]] == pytest.approx([2 * p[0], p[1]], rel=1e-12)
    assert result["comparisons"][0]["rate_difference"] == pytest.approx(29 / 120)


@pytest.mark.parametrize("name", TABLES)
def test_counts_of_the_reference_tables(name: str) -> None:
    frame, reference = load(name)
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")
    result = collapse(table, 0.9)
    assert result is not None
    assert {arm["level"]: arm["collapsed"] for arm in result["arms"]} == reference["collapse"]["counts"]
    assert {arm["level"]: arm["runs"] for arm in result["arms"]} == reference["collapse"]["n"]


@pytest.mark.parametrize(("events", "runs"), [(0, 120), (1, 20), (29, 120), (20, 20)])
def test_the_interval_of_a_rate_inverts_the_binomial_test(events: int, runs: int) -> None:
    result = collapse(counts_table({"a": 0, "b": events}, runs), 0.9)
    assert result is not None
    interval = stats.binomtest(events, runs).proportion_ci(method="exact")
    arm = result["arms"][1]
    assert (arm["ci_low"], arm["ci_high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_within_blocks_the_test_flips_each_block_as_a_whole() -> None:
    table = blocked_table(np.random.default_rng(1), missing=0.15)
    result = collapse(table, 0.9)
    json.dumps(result, allow_nan=False)
    assert result is not None
    frame = table.frame.assign(bad=table.frame["right"] < 90)
    wide = frame.pivot(index=["rep", "size"], columns="method", values="bad")[["c", "x"]].dropna().astype(int)
    by_block = (wide["x"] - wide["c"]).groupby("rep").sum().to_numpy()
    flips = np.array(list(itertools.product((-1, 1), repeat=len(by_block)))) @ by_block
    p = (np.abs(flips) >= abs(by_block.sum())).mean()
    assert result["comparisons"][0]["p"] == pytest.approx(p, rel=1e-12)


def test_with_one_pair_a_block_it_is_mcnemars_test() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {"arm": arm, "block": b, "k": 10 if rng.random() < risk else 99, "n": 100}
        for arm, risk in (("c", 0.2), ("x", 0.7))
        for b in range(15)
    )
    result = collapse(build_table(frame, ["arm"], "c", "block", "k", "n"), 0.9)
    assert result is not None
    wide = frame.pivot(index="block", columns="arm", values="k") < 90
    arm_only, control_only = int((wide["x"] & ~wide["c"]).sum()), int((wide["c"] & ~wide["x"]).sum())
    mcnemar = stats.binomtest(arm_only, arm_only + control_only).pvalue
    assert result["comparisons"][0]["p"] == pytest.approx(mcnemar, rel=1e-12)


def test_diverged_runs_fail_whatever_their_score_and_are_not_collapsed() -> None:
    frame = pd.DataFrame(
        {
            "arm": list("ccxx"),
            "seed": [0, 1, 0, 1],
            "k": [99, 98, 97, 96],
            "n": 100,
            "status": ["ok"] * 3 + ["diverged"],
        }
    )
    table = build_table(frame, ["arm"], "c", "seed", "k", "n")
    assert table.failed(0.9).tolist() == [False, False, False, True]
    result = collapse(table, 0.9)
    assert result is not None
    assert [result["arms"][1][name] for name in ("failed", "collapsed", "diverged")] == [1, 0, 1]


def test_a_response_collapses_beyond_its_own_threshold_and_not_without_one() -> None:
    frame = pd.DataFrame({"arm": list("ccxx"), "seed": [0, 1, 0, 1], "y": [5.0, 6.0, -1.0, 7.0]})
    table = build_table(frame, ["arm"], "c", "seed", response="y")
    assert collapse(table, None) is None
    assert table.failed(0.0).tolist() == [False, False, True, False]
    lower = build_table(frame, ["arm"], "c", "seed", response="y", higher_is_better=False)
    assert lower.failed(5.5).tolist() == [False, True, False, True]


def test_where_runs_of_a_block_agree_blocks_are_counted_and_the_smallest_p_is_told() -> None:
    """Two runs a block that fail together are one event: 3 of 4 blocks, with the exact interval of 3 of 4."""
    rows = [(arm, cell, s, 50 if arm == "x" and s < 3 else 99) for arm in "cx" for cell in "uv" for s in range(4)]
    frame = pd.DataFrame(rows, columns=["arm", "cell", "seed", "k"]).assign(n=100)
    result = collapse(build_table(frame, ["arm", "cell"], "c", "seed", "k", "n"), 0.9)
    assert result is not None
    arm = result["arms"][1]
    assert (arm["failed"], arm["runs"], arm["failed_blocks"], arm["blocks"]) == (6, 8, 3, 4)
    exact = stats.binomtest(3, 4).proportion_ci(0.95, "exact")
    assert (arm["ci_low"], arm["ci_high"]) == pytest.approx((exact.low, exact.high))
    (row,) = result["comparisons"]
    assert row["p"] == pytest.approx(0.25)
    assert row["p_smallest"] == pytest.approx(2 / 2**4)
