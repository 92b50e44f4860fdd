"""Sign-flip tests against the enumeration of all patterns."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from study.stats.effects.sign_flip import block_differences, critical_value, sign_flip, sign_flip_interval
from study.stats.table import build_table
from tests.oracle import load

RNG = np.random.default_rng


def t(d: np.ndarray) -> np.ndarray:
    return d.mean(axis=0) / (d.std(axis=0, ddof=1) / np.sqrt(len(d)))


@pytest.mark.parametrize("blocks", [2, 3, 7, 8])
def test_p_values_are_those_of_all_patterns(blocks: int) -> None:
    d = RNG(blocks).normal(size=(blocks, 3)) + 0.5
    statistics = np.abs([t(d * np.array(signs)[:, None]) for signs in product([1, -1], repeat=blocks)])
    observed = np.abs(t(d)) * (1 - 1e-9)
    found = sign_flip(d, RNG(0))
    assert found.p == pytest.approx((statistics >= observed).mean(axis=0))
    assert found.statistic == pytest.approx(t(d))


def test_up_to_twenty_blocks_no_draw_decides_and_above_p_is_sampled() -> None:
    d = RNG(1).normal(size=(20, 2)) + np.array([0.3, 0.5])
    exact = sign_flip(d, RNG(0)).p
    assert (sign_flip(d, RNG(1)).p == exact).all()
    padded = np.concatenate([d, np.full((4, 2), 1e-12)])  # too small to matter, but 24 blocks
    sampled = sign_flip(padded, RNG(3)).p
    assert 0 < np.abs(sampled - exact).max() < 0.02
    assert (sampled == sign_flip(padded, RNG(3)).p).all()


def test_an_effect_in_every_block_has_the_smallest_p_value() -> None:
    d = np.abs(RNG(4).normal(size=(10, 2))) + 0.1
    assert sign_flip(d, RNG(0)).p == pytest.approx([2 / 2**10] * 2)


def test_no_difference_anywhere_has_p_one() -> None:
    assert sign_flip(np.zeros((6, 2)), RNG(0)).p == pytest.approx([1.0, 1.0])


def test_a_missing_difference_leaves_its_contrast_with_fewer_blocks() -> None:
    d = RNG(5).normal(size=(9, 2)) + 0.4
    d[3, 1] = np.nan
    alone = sign_flip(d[[0, 1, 2, 4, 5, 6, 7, 8]][:, 1:], RNG(0))
    assert sign_flip(d, RNG(0)).p[1] == pytest.approx(alone.p[0])


def test_the_interval_holds_the_values_that_the_test_does_not_reject() -> None:
    d = RNG(6).normal(size=9) + 0.2
    low, high = sign_flip_interval(d, 0.05, RNG(0))
    for value, inside in ((low - 1e-6, False), (low + 1e-6, True), (high - 1e-6, True), (high + 1e-6, False)):
        assert (sign_flip((d - value)[:, None], RNG(0)).p[0] > 0.05) == inside


def test_the_interval_of_many_blocks_is_near_the_t_interval() -> None:
    d = RNG(8).normal(0.3, 1, size=60)
    low, high = sign_flip_interval(d, 0.05, RNG(0))
    half = 2.001 * d.std(ddof=1) / np.sqrt(60)
    assert [low, high] == pytest.approx([d.mean() - half, d.mean() + half], abs=0.03)


def test_too_few_blocks_have_no_interval() -> None:
    assert sign_flip_interval(np.array([1.0, 2.0, 3.0]), 0.05, RNG(0)) == (None, None)


def test_bands_hold_over_all_columns_at_once() -> None:
    rng = RNG(7)
    inside = 0
    for _ in range(400):
        d = rng.normal(size=(12, 5)) + rng.normal(size=(12, 1))
        c = critical_value(d, 0.05, rng)
        inside += bool((np.abs(t(d)) <= c).all())
    assert inside / 400 == pytest.approx(0.95, abs=0.035)


def test_bands_are_as_wide_with_an_effect_as_without() -> None:
    d = RNG(9).normal(size=(10, 3))
    assert critical_value(d + 5, 0.05, RNG(0)) == pytest.approx(critical_value(d, 0.05, RNG(0)))


def test_block_differences_are_paired_differences_of_means() -> None:
    frame, _ = load("seedslope")
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", response="y")
    means = frame.groupby(["seed", "bn"])["y"].mean().unstack("bn")
    expected = np.column_stack([means[arm] - means["none"] for arm in table.arms])
    assert block_differences(table, table.values("response")) == pytest.approx(expected)


def test_a_block_without_the_control_has_no_difference() -> None:
    frame = pd.DataFrame({"a": ["x", "y", "x", "y", "y"], "s": [0, 0, 1, 1, 2], "v": [1.0, 2.0, 3.0, 5.0, 9.0]})
    table = build_table(frame, ["a"], "x", "s", response="v")
    assert block_differences(table, table.values("response"))[:, 0] == pytest.approx([1, 2, np.nan], nan_ok=True)
