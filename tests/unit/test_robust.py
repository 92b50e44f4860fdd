"""Rank tests and trimmed means against R and scipy."""

import numpy as np
import pytest
from scipy import stats

from study.stats.effects.probability_of_improvement import probability_better
from study.stats.robustness.nonparametric import friedman, t_interval, trimmed_t, wilcoxon
from tests.oracle import TABLES, load


def means(name: str):  # type: ignore[no-untyped-def]
    frame, r = load(name)
    return frame.groupby(["seed", "bn"])["y"].mean().unstack("bn"), r


@pytest.mark.parametrize("name", TABLES)
def test_wilcoxon_agrees_with_r(name: str) -> None:
    wide, r = means(name)
    for row in r["wilcoxon"]:
        found = wilcoxon((wide[row["bn"]] - wide["none"]).to_numpy())
        assert found.statistic == row["V"]
        assert found.p == pytest.approx(row["p"], rel=1e-9)
        assert found.estimate == pytest.approx(row["hl"], rel=1e-9)
        assert [found.ci_low, found.ci_high] == pytest.approx(row["ci"], rel=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_friedman_agrees_with_r(name: str) -> None:
    wide, r = means(name)
    found = friedman(wide.to_numpy())
    assert found.chi2 == pytest.approx(r["friedman"]["statistic"], rel=1e-9)
    assert found.df == r["friedman"]["parameter"]
    assert found.p == pytest.approx(r["friedman"]["p.value"], rel=1e-9)


def test_friedman_corrects_for_ties_as_scipy_does() -> None:
    values = np.random.default_rng(0).integers(0, 4, size=(12, 4)).astype(float)
    expected = stats.friedmanchisquare(*values.T)
    assert friedman(values).chi2 == pytest.approx(expected.statistic, rel=1e-12)


SLEEP = np.array(
    [
        [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
        [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
    ]
)


def test_the_rounding_of_means_breaks_no_ties() -> None:
    """R's `sleep` (friedman.test: 9, wilcox.test: V = 45), from means of three cells that leave noise of their own."""
    weights = ((0.7, 1.1, 1.2), (0.9, 0.9, 1.2))
    noisy = np.array([np.mean([arm * w for w in each], axis=0) for arm, each in zip(SLEEP, weights, strict=True)])
    assert (noisy != SLEEP).any()
    assert friedman(noisy.T).chi2 == pytest.approx(9.0, rel=1e-12)
    assert wilcoxon(noisy[1] - noisy[0]).statistic == 45.0
    better = probability_better(noisy[1:], noisy[:1], np.random.default_rng(0), paired=True, replicates=2)
    assert better.paired == pytest.approx(0.95)


def test_nemenyis_difference_is_that_of_demsars_table() -> None:
    # Demsar (2006), table 5: q = 2.569 for four classifiers at 0.05; his example has 14 data sets: 1.25
    assert friedman(np.random.default_rng(0).normal(size=(14, 4))).critical_difference == pytest.approx(
        1.2536, abs=2e-3
    )


def test_ties_and_zeros_take_the_normal_approximation() -> None:
    d = np.array([0.0, 1.0, 1.0, 2.0, -1.0, 3.0, 4.0, 2.0])
    assert wilcoxon(d).p == pytest.approx(stats.wilcoxon(d, correction=True, method="approx").pvalue)
    assert wilcoxon(np.zeros(5)).p == 1.0


def test_many_differences_have_an_interval_of_about_the_right_width() -> None:
    d = np.random.default_rng(0).normal(0.2, 1, size=80)
    found = wilcoxon(d)
    assert found.ci_high - found.ci_low == pytest.approx(2 * 1.99 * d.std() / np.sqrt(80), rel=0.15)


def test_the_trimmed_t_test_agrees_with_scipys_trimmed_mean_and_winsorised_variance() -> None:
    d = np.random.default_rng(1).standard_t(3, size=23) + 0.5
    found = trimmed_t(d)
    assert found.estimate == pytest.approx(stats.trim_mean(d, 0.2))
    winsorised = np.asarray(stats.mstats.winsorize(d, (4.5 / 23, 4.5 / 23)))
    assert found.se == pytest.approx(winsorised.std(ddof=1) / (0.6 * np.sqrt(23)))
    assert found.df == 14


def test_without_variation_p_is_the_limit() -> None:
    assert t_interval(0.0, 0.0, 5, 0.05).p == 1.0
    assert t_interval(0.1, 0.0, 5, 0.05).p == 0.0
    assert trimmed_t(np.ones(2)).p == 0.0
