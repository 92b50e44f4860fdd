"""The largest of correlated t statistics, each with a standard error of its own."""

import numpy as np
import pytest
from scipy import stats

from study.stats.effects.simultaneous import Simultaneous


def correlation(arms: int, rho: float = 0.5) -> np.ndarray:
    return np.full((arms, arms), rho) + (1 - rho) * np.eye(arms)


def family(arms: int, df: float, rho: float = 0.5) -> Simultaneous:
    return Simultaneous([(correlation(arms, rho), np.full(arms, df))])


@pytest.mark.parametrize("blocks", [4, 5, 8, 20])
def test_the_error_over_four_arms_is_that_which_was_asked_for(blocks: int) -> None:
    """Simulated studies without effects; one standard error for all would give 6.2 % at 5 blocks."""
    rng = np.random.default_rng(blocks)
    root = np.linalg.cholesky(correlation(4))
    critical = stats.t.isf(family(4, blocks - 1).level(0.05) / 2, blocks - 1)
    draws = rng.normal(size=(100_000, blocks, 4)) @ root.T
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(blocks))
    assert (np.abs(t).max(axis=1) > critical).mean() == pytest.approx(0.05, abs=0.003)


def test_with_many_blocks_it_is_the_multivariate_normal() -> None:
    level = family(4, 1e6).level(0.05)
    reach = np.full(4, stats.norm.isf(level / 2))
    inside = stats.multivariate_normal(cov=correlation(4)).cdf(reach, lower_limit=-reach, rng=1)
    assert 1 - inside == pytest.approx(0.05, abs=5e-4)


def test_one_contrast_is_not_adjusted_and_equal_ones_count_once() -> None:
    assert family(1, 7).level(0.05) == 0.05
    same = Simultaneous([(np.ones((3, 3)), np.full(3, 7.0))])
    assert same.size == 1
    assert same.adjusted(0.03) == pytest.approx(0.03)


def test_independent_contrasts_are_sidaks() -> None:
    parts = Simultaneous([(np.eye(1), np.full(1, 9.0))] * 5)
    assert parts.level(0.05) == pytest.approx(1 - 0.95 ** (1 / 5), rel=1e-9)


def test_p_and_level_agree_and_tiny_p_are_not_zero() -> None:
    both = family(4, 12)
    assert both.adjusted(both.level(0.05)) == pytest.approx(0.05, rel=1e-6)
    for p in (1e-4, 1e-9, 1e-30):
        assert p < both.adjusted(p) <= 4 * p
    grid = np.logspace(-12, 0, 60)
    adjusted = [both.adjusted(p) for p in grid]
    assert adjusted == sorted(adjusted)


def test_the_same_input_gives_the_same_bits() -> None:
    assert family(3, 9).level(0.05) == family(3, 9).level(0.05)


def test_more_contrasts_than_blocks_are_no_trouble() -> None:
    assert 0.05 / 8 <= family(8, 3).level(0.05) <= 0.05
