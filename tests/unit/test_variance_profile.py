"""Profile intervals against a grid of the dense likelihood and against closed forms of balanced tables."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from study.stats.mixed.lmm import fit_mixed
from study.stats.mixed.variance_profile import VarianceProfile
from tests.dense_mixed_model import DenseMixedModel, factorial_table

LIMIT = float(stats.chi2.isf(0.05, 1))


@pytest.fixture(scope="module")
def unbalanced():
    table = factorial_table((3, 2), 9, 2, keep=0.75)
    model = fit_mixed(table, "response")
    return model, DenseMixedModel(table, [term.split(":") for term in model.random])


def dense_profile(dense, held, sd, start):
    """The dense deviance with one standard deviation held, minimised without derivatives."""
    others = [k for k in range(len(start)) if k != held]

    def objective(roots):
        phi = np.empty(len(start))
        phi[held] = sd**2
        phi[others] = roots**2
        return dense.deviance(phi)

    options = {"xatol": 1e-7, "fatol": 1e-10, "maxiter": 2000}
    return minimize(objective, np.sqrt(np.maximum(start, 0.05))[others], method="Nelder-Mead", options=options).fun


@pytest.mark.parametrize("term", [0, 1, 2])
def test_the_ends_of_an_interval_lie_the_chi_squared_quantile_above_the_minimum(unbalanced, term):
    model, dense = unbalanced
    interval = VarianceProfile(model).interval(term)
    estimates = np.append(model.variances, model.residual_variance)
    minimum = -2.0 * model.loglik
    for end in (interval.sd_low, interval.sd_high):
        rise = dense_profile(dense, term, end, estimates) - minimum
        assert rise == pytest.approx(LIMIT, abs=1e-6) if end > 0.0 else rise <= LIMIT
    assert interval.sd_low < interval.sd < interval.sd_high


def test_the_profile_s_slope_is_its_derivative(unbalanced):
    model, _ = unbalanced
    profile = VarianceProfile(model)
    for term, sd in [(0, 0.5), (1, 1.3), (2, 1.2)]:
        step = 1e-5
        numeric = (profile.point(term, sd + step).deviance - profile.point(term, sd - step).deviance) / (2.0 * step)
        assert profile.point(term, sd).slope == pytest.approx(numeric, rel=1e-5)


def test_at_the_estimate_the_profile_is_at_its_minimum(unbalanced):
    model, _ = unbalanced
    profile = VarianceProfile(model)
    for term, variance in enumerate([*model.variances, model.residual_variance]):
        assert profile.point(term, float(np.sqrt(variance))).deviance == pytest.approx(-2.0 * model.loglik, abs=1e-9)


def test_the_residual_s_interval_in_a_balanced_table_is_that_of_its_mean_square():
    # With the other strata free the restricted likelihood of the residual variance is that of SS / s2 ~ chi-squared.
    table = factorial_table((4, 3), 9, 5)
    model = fit_mixed(table, "response")
    assert (model.variances > 0.0).all()
    df = (9 - 1) * 4 * 2
    ss = model.residual_variance * df

    def deviance(sd):
        return df * np.log(sd**2) + ss / sd**2

    interval = VarianceProfile(model).interval(2)
    for end in (interval.sd_low, interval.sd_high):
        assert deviance(end) - deviance(interval.sd) == pytest.approx(LIMIT, abs=1e-6)
    exact = np.sqrt(ss / stats.chi2.isf([0.025, 0.975], df))
    assert (interval.sd_low, interval.sd_high) == pytest.approx(tuple(exact), rel=0.02)


def test_a_variance_at_zero_has_an_interval_from_zero():
    table = factorial_table((3, 2), 9, 6, sds=(0.0, 0.0, 1.0), keep=0.9)
    model = fit_mixed(table, "response")
    profile = VarianceProfile(model)
    dense = DenseMixedModel(table, [["rat"], ["rat", "alpha"]])
    for term in (0, 1):
        interval = profile.interval(term)
        assert (interval.sd, interval.sd_low) == (0.0, 0.0)
        estimates = np.append(model.variances, model.residual_variance)
        assert dense_profile(dense, term, interval.sd_high, estimates) + 2.0 * model.loglik == pytest.approx(
            LIMIT, abs=1e-6
        )


def test_a_wider_confidence_gives_a_wider_interval(unbalanced):
    profile = VarianceProfile(unbalanced[0])
    narrow, wide = profile.interval(0, alpha=0.2), profile.interval(0, alpha=0.01)
    assert wide.sd_low <= narrow.sd_low < narrow.sd_high < wide.sd_high


def test_intervals_cover_the_truth_as_often_as_they_say():
    truth = (0.6, 0.5, 1.0)
    covered = np.zeros(3)
    for seed in range(30):
        profile = VarianceProfile(fit_mixed(factorial_table((3, 2), 12, 100 + seed, sds=truth), "response"))
        intervals = [profile.interval(term) for term in range(3)]
        covered += [one.sd_low <= sd <= one.sd_high for one, sd in zip(intervals, truth, strict=True)]
    # 95 % of 30 is 28.5; fewer than 24 has a probability below 0.1 %.
    assert (covered >= 24).all()
