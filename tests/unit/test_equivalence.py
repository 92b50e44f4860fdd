"""TOST against emmeans, and the verdict rule, exhaustively."""

from itertools import product
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from study.stats.effects.equivalence import Verdict, log_odds_margin, tost, verdict
from tests.oracle import TABLES, load


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("method", ["emmeans_kr", "emmeans_asymptotic"])
def test_tost_agrees_with_emmeans(name: str, method: str) -> None:
    _, r = load(name)
    for row in r[method]["TOST"]:
        df = row["df"] if isinstance(row["df"], (int, float)) else np.inf
        assert tost(row["estimate"], row["SE"], df, 0.05) == pytest.approx(row["p.value"], rel=1e-9)


def test_tost_is_the_90_percent_interval_inside_the_margin() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        estimate, se, df = rng.normal(scale=0.1), rng.uniform(0.01, 0.1), rng.uniform(2, 40)
        half = stats.t.isf(0.05, df) * se
        inside = abs(estimate) + half < 0.1
        assert (tost(estimate, se, df, 0.1) < 0.05) == inside


def test_without_variation_the_estimate_decides() -> None:
    assert tost(0.05, 0.0, 5, 0.1) == 0.0
    assert tost(0.1, 0.0, 5, 0.1) == 1.0


def test_the_margin_on_log_odds_is_the_slope_times_the_margin() -> None:
    step = 1e-7
    slope = (np.log((0.016 + step) / (0.984 - step)) - np.log(0.016 / 0.984)) / step
    assert log_odds_margin(0.1, 0.016) == pytest.approx(0.001 * slope, rel=1e-4)


def expected_verdict(position: str, matters: bool, equivalent: bool) -> str:
    """The rule as a table."""
    return {
        ("above", True, False): "better and matters",
        ("above", True, True): "better and matters",
        ("above", False, True): "better but negligible",
        ("above", False, False): "inconclusive",
        ("across", True, True): "equivalent",
        ("across", False, True): "equivalent",
        ("across", True, False): "inconclusive",
        ("across", False, False): "inconclusive",
        ("below", False, True): "equivalent",
        ("below", False, False): "worse",
    }[position, matters, equivalent]


@pytest.mark.parametrize(
    ("position", "matters", "equivalent", "higher"),
    [
        case
        for case in product(("above", "across", "below"), (True, False), (True, False), (True, False))
        if not (case[0] == "below" and case[1])  # an interval below 0 has no estimate above the margin
    ],
)
def test_the_verdict_follows_the_table(position: str, matters: bool, equivalent: bool, higher: bool) -> None:
    margin = 0.1
    estimate = {"above": 0.15 if matters else 0.05, "across": 0.15 if matters else 0.05, "below": -0.3}[position]
    half = {"above": abs(estimate) / 2, "across": abs(estimate) * 2, "below": 0.1}[position]
    low, high = estimate - half, estimate + half
    if not higher:
        estimate, low, high = -estimate, -high, -low
    p = 0.01 if equivalent else 0.4
    assert verdict(estimate, low, high, p, margin, 0.05, higher) == expected_verdict(position, matters, equivalent)


def test_without_a_margin_a_surely_better_arm_matters_and_none_is_equivalent() -> None:
    assert verdict(0.2, 0.1, 0.3, None, 0.0, 0.05, True) == "better and matters"
    assert verdict(-0.2, -0.3, -0.1, None, 0.0, 0.05, True) == "worse"
    assert verdict(0.01, -0.3, 0.32, None, 0.0, 0.05, True) == "inconclusive"


def test_the_estimate_at_the_margin_matters() -> None:
    assert verdict(0.1, 0.05, 0.15, 0.5, 0.1, 0.05, True) == "better and matters"


def test_an_interval_that_touches_zero_is_not_better() -> None:
    assert verdict(0.2, 0.0, 0.4, 0.5, 0.1, 0.05, True) == "inconclusive"
    assert verdict(-0.2, -0.4, 0.0, 0.5, 0.1, 0.05, True) == "inconclusive"


def test_numbers_that_do_not_exist_are_inconclusive() -> None:
    assert verdict(np.nan, np.nan, np.nan, None, 0.1, 0.05, True) == "inconclusive"


def test_every_verdict_is_reached() -> None:
    reached = {
        expected_verdict(*case)
        for case in product(("above", "across", "below"), (True, False), (True, False))
        if not (case[0] == "below" and case[1])
    }
    assert reached == set(get_args(Verdict))
