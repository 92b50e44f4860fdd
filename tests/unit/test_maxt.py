"""The max-T distribution against one-dimensional quadrature, R's mvtnorm and simulation."""

import numpy as np
import pytest
from scipy import interpolate, optimize, special, stats

from study.stats.effects.max_t import MaxT
from tests.oracle import TABLES, load


def one_factor_tail(loadings: np.ndarray, height: float) -> float:
    """P(max |Z| > height) for Z_i = l_i W + sqrt(1 - l_i^2) E_i, by the trapezium rule over W (Dunnett 1955)."""
    w = np.linspace(-9, 9, 20_001)
    inside = np.ones_like(w)
    for loading in loadings:
        rest = np.sqrt(1 - loading**2)
        inside *= special.ndtr((height - loading * w) / rest) - special.ndtr((-height - loading * w) / rest)
    return 1 - float((stats.norm.pdf(w) * inside).sum() * (w[1] - w[0]))


def one_factor_critical(loadings: np.ndarray, df: float, alpha: float) -> float:
    heights = np.linspace(0, 9, 181)
    tail = interpolate.CubicSpline(heights, [one_factor_tail(loadings, h) for h in heights])
    x = np.linspace(-3, 1.5, 600)
    weight = stats.chi2.pdf(np.exp(2 * x) * df, df) * 2 * df * np.exp(2 * x) * (x[1] - x[0])

    def excess(c: float) -> float:
        h = c * np.exp(x)
        return float((weight * np.where(h < 9, tail(np.minimum(h, 9)), 0)).sum()) - alpha

    return float(optimize.brentq(excess, 1, 8))


def correlation(loadings: np.ndarray) -> np.ndarray:
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1.0)
    return matrix


@pytest.mark.parametrize(
    "loadings",
    [
        [0.7, 0.7],
        [0.5, 0.6, 0.9],
        [0.7071, 0.7071, 0.7071, 0.7071],
        [0.9999, 0.9999, 0.7, 0.6],
        [-0.9, 0.9, 0.99, -0.999],
        [0.99995, 0.9999, 0.9998, 0.9999],
        [0.3, 0.5, 0.7, 0.2, 0.8, 0.4],
    ],
)
def test_critical_values_agree_with_one_dimensional_quadrature(loadings: list[float]) -> None:
    values = np.array(loadings)
    expected = one_factor_critical(values, 19, 0.05)
    assert MaxT(correlation(values)).critical(0.05, 19) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in TABLES if name != "missing"])
def test_p_values_and_intervals_agree_with_emmeans_mvt(name: str) -> None:
    _, r = load(name)
    maxt = MaxT(np.full((4, 4), 0.5) + 0.5 * np.eye(4))  # balanced: every pair shares the control
    for row in r["lm_block_emmeans"]["vs_none_mvt"]:
        statistic = row["estimate"] / row["SE"]
        assert maxt.sf(statistic, row["df"]) == pytest.approx(row["p.value"], abs=1e-4)
        width = (row["upper.CL"] - row["estimate"]) / row["SE"]
        assert maxt.critical(0.05, row["df"]) == pytest.approx(width, rel=1e-4)


def test_in_a_one_way_layout_it_is_dunnetts_test() -> None:
    values = np.random.default_rng(4).normal(size=(9, 3))
    expected = stats.dunnett(values[:, 1], values[:, 2], control=values[:, 0], rng=np.random.default_rng(0))
    maxt = MaxT(np.array([[1.0, 0.5], [0.5, 1.0]]))
    assert [maxt.sf(t, 24) for t in expected.statistic] == pytest.approx(list(expected.pvalue), abs=2e-4)


def test_equal_and_opposite_statistics_count_once() -> None:
    sign = np.array([1.0, 1.0, -1.0, 1.0])
    assert MaxT(np.outer(sign, sign)).critical(0.05, 12) == pytest.approx(stats.t.isf(0.025, 12), rel=1e-12)


def test_a_correlation_of_lower_rank_agrees_with_simulation() -> None:
    rng = np.random.default_rng(5)
    loadings = rng.normal(size=(5, 2))
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    z = rng.normal(size=(1_000_000, 2)) @ loadings.T
    t = np.abs(z).max(axis=1) / np.sqrt(rng.chisquare(7, len(z)) / 7)
    assert (t > MaxT(loadings @ loadings.T).critical(0.05, 7)).mean() == pytest.approx(0.05, abs=8e-4)


def test_many_statistics_agree_with_simulation() -> None:
    rng = np.random.default_rng(6)
    factor = rng.normal(size=(12, 20))
    factor /= np.linalg.norm(factor, axis=1, keepdims=True)
    z = rng.normal(size=(400_000, 20)) @ factor.T
    t = np.abs(z).max(axis=1) / np.sqrt(rng.chisquare(9, len(z)) / 9)
    assert (t > MaxT(factor @ factor.T).critical(0.05, 9)).mean() == pytest.approx(0.05, abs=1.2e-3)


def test_independent_groups_multiply() -> None:
    one, two = MaxT(np.eye(1)), MaxT(np.eye(1), np.eye(1))
    assert two.sf(2.0, np.inf) == pytest.approx(1 - (1 - one.sf(2.0, np.inf)) ** 2, rel=1e-6)
    half = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    together = np.kron(np.eye(2), half)
    assert MaxT(half, half).critical(0.05, 19) == pytest.approx(MaxT(together).critical(0.05, 19), rel=1e-4)


def test_far_tails_keep_their_relative_accuracy() -> None:
    maxt = MaxT(np.full((4, 4), 0.5) + 0.5 * np.eye(4))
    single = 2 * stats.norm.sf(8.0)
    assert maxt.sf(8.0, np.inf) == pytest.approx(4 * single, rel=0.02)
    assert maxt.sf(0.0, 5) == pytest.approx(1.0)
    # With few df the tail is made by small s: P = E[U(c s)] ~ c^-df, so the ratio to one statistic's tail is constant.
    ratios = [maxt.sf(c, 4) / (2 * stats.t.sf(c, 4)) for c in (1e3, 1e6, 1e9)]
    assert ratios == pytest.approx([ratios[0]] * 3, rel=1e-3)
    assert 1.5 < ratios[0] < 3


def test_the_same_input_gives_the_same_bits() -> None:
    matrix = correlation(np.array([0.3, 0.5, 0.7, 0.2, 0.8]))
    assert MaxT(matrix).critical(0.05, 11.3) == MaxT(matrix).critical(0.05, 11.3)
