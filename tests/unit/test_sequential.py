"""The sequential t test: closed forms against published ones and integration, and its guarantees by simulation."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from study.stats.sequential.e_process import PRECISION, critical_t, log_evidence, monitor, t_statistic


@pytest.mark.parametrize(("n", "t"), [(2, 0.7), (5, 3.1), (12, -1.4), (40, 2.5), (200, -0.3)])
def test_both_directions_together_are_the_published_bayes_factor(n: int, t: float) -> None:
    """Goenen et al. (2005): the ratio of Student densities, one of them with the prior's variance in its scale."""
    scale = np.sqrt(1 + n / PRECISION)
    published = stats.t.pdf(t, n - 1, scale=scale) / stats.t.pdf(t, n - 1)
    one_sided = np.exp(log_evidence(np.array([t, -t]), n))
    assert one_sided.mean() == pytest.approx(published, rel=1e-10)


@pytest.mark.parametrize(("n", "t"), [(2, 1.5), (5, 4.0), (5, -1.0), (12, 3.3), (30, 2.0)])
def test_the_evidence_is_the_likelihood_ratio_averaged_over_the_prior(n: int, t: float) -> None:
    """By numerical integration of the noncentral t density over the half-normal prior."""

    def integrand(d: float) -> float:
        return 2 * stats.norm.pdf(d, scale=np.sqrt(2)) * stats.nct.pdf(t, n - 1, d * np.sqrt(n))

    top = 12.0
    averaged = integrate.quad(integrand, 0, top, points=[max(t, 0.1) / np.sqrt(n)], limit=200)[0]
    assert np.exp(log_evidence(t, n)) == pytest.approx(averaged / stats.t.pdf(t, n - 1), rel=1e-6)


def test_the_evidence_is_the_ratio_of_marginal_densities_under_the_right_haar_prior() -> None:
    """From the values themselves: integrated over the standard deviation (density 1 / sd) and the difference."""
    x = np.array([0.8, 1.9, -0.2, 1.1])
    n = len(x)

    sd = np.exp(np.linspace(-4, 8, 2001))[:, None, None]

    def marginal(d: np.ndarray) -> np.ndarray:
        density = np.prod(stats.norm.pdf(x[:, None, None, None], d * sd, sd), axis=0)[..., 0]
        return integrate.simpson(density, x=np.log(sd[:, 0, 0]), axis=0)

    d = np.linspace(0, 12, 601)
    prior = 2 * stats.norm.pdf(d, scale=np.sqrt(2))
    over = integrate.simpson(prior * marginal(d[None, :, None]), x=d)
    t = x.mean() / (x.std(ddof=1) / np.sqrt(n))
    assert np.exp(log_evidence(t, n)) == pytest.approx(over / marginal(np.zeros((1, 1, 1)))[0], rel=1e-6)


def test_with_many_values_it_is_the_mixture_martingale_of_the_known_variance() -> None:
    """Robbins (1970): sqrt(c / (n + c)) exp(z^2 n / (2 (n + c))), restricted to one side by 2 Phi."""
    n, c, z = 10**7, 0.5, 3.0
    robbins = 0.5 * np.log(c / (n + c)) + 0.5 * z**2 * n / (n + c) + np.log(2 * special.ndtr(z))
    assert float(log_evidence(z, n)) == pytest.approx(robbins, abs=1e-5)


def test_evidence_rises_with_t_and_its_limits_exist() -> None:
    t = np.concatenate([[-np.inf], np.linspace(-40, 40, 401), [np.inf]])
    for n in (2, 5, 60):
        evidence = log_evidence(t, n)
        assert (np.diff(evidence) > 0).all()
        assert np.isfinite(evidence[1:]).all()
        # Equal values: F_n(n / sqrt(c)) * 2 * sqrt(c / (n + c)) * ((n + c) / c)^(n / 2).
        top = np.log(2 * stats.t.cdf(n / np.sqrt(0.5), n)) + (n - 1) / 2 * np.log((n + 0.5) / 0.5)
        assert evidence[-1] == pytest.approx(top, rel=1e-12)


def test_the_critical_value_is_where_the_evidence_reaches_the_level() -> None:
    for n in (3, 5, 20, 100):
        for level in (0.05, 0.025, 0.00625):
            t = critical_t(n, level)
            if np.isfinite(t):
                assert float(log_evidence(t, n)) == pytest.approx(-np.log(level), abs=1e-8)
            else:
                assert float(log_evidence(np.inf, n)) <= -np.log(level)
    assert critical_t(2, 0.00625) == np.inf
    assert critical_t(5, 0.00625) < np.inf
    assert critical_t(1, 0.05) == np.inf


def test_values_that_are_all_equal() -> None:
    assert t_statistic(np.array([0.0, 2.0, -2.0]), np.zeros(3)).tolist() == [0.0, np.inf, -np.inf]
    seen = monitor(np.array([2.0, 2.0]), np.zeros(2), np.array([2, 20]), level=0.0125)
    assert seen.low[0] == -np.inf
    assert (seen.low[1], seen.high[1]) == (2.0, 2.0)
    assert seen.p[1] < 1e-9


def test_p_values_and_intervals_agree_at_every_look() -> None:
    rng = np.random.default_rng(3)
    n = np.arange(2, 61)
    for effect in (0.0, 0.4, 1.0):
        x = rng.normal(effect, 1, (200, 60))
        mean, se = _moments(x, n)
        seen = monitor(mean, se, n, level=0.05)
        assert ((seen.p < 0.05) == ((seen.low > 0) | (seen.high < 0))).all()
        assert (seen.p[:, 1:] <= seen.p[:, :-1]).all()
        assert (seen.low[:, 1:] >= seen.low[:, :-1]).all()
        assert (seen.high[:, 1:] <= seen.high[:, :-1]).all()
        assert (seen.low <= seen.high).all()


def test_under_the_null_few_false_claims_in_200_looks_where_naive_peeking_makes_many() -> None:
    rng = np.random.default_rng(8)
    n = np.arange(2, 202)
    mean, se = _moments(rng.normal(0, 1, (2000, 201)), n)
    seen = monitor(mean, se, n, level=0.05)
    assert (seen.p[:, -1] < 0.05).mean() < 0.05
    naive = 2 * stats.t.sf(np.abs(mean / se), n - 1)
    assert (naive < 0.05).any(axis=1).mean() > 0.3


def test_coverage_holds_at_all_times_and_equivalence_is_not_claimed_at_the_margin() -> None:
    rng = np.random.default_rng(9)
    n = np.arange(2, 202)
    mean, se = _moments(rng.normal(1.0, 1, (2000, 201)), n)
    seen = monitor(mean, se, n, level=0.05)
    assert ((seen.low <= 1.0) & (seen.high >= 1.0)).all(axis=1).mean() > 0.95
    # Equivalence within a margin of 1, where the difference is 1: only by an interval that misses it.
    assert ((seen.low > -1.0) & (seen.high < 1.0)).any(axis=1).mean() < 0.025


def _moments(x: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors of the first n values of each row."""
    mean = np.cumsum(x, axis=1)[:, n - 1] / n
    square = np.cumsum(x**2, axis=1)[:, n - 1] / n
    return mean, np.sqrt(np.maximum(square - mean**2, 0) / (n - 1))
