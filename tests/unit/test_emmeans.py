"""Estimated marginal means and comparisons: properties that hold on any table. R's numbers: test_mixed_oracle."""

import numpy as np
import pytest
from scipy import stats

from study.stats.mixed.emmeans import compare, estimated_means
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import fit_mixed
from tests.dense_mixed_model import factorial_table


@pytest.fixture(scope="module")
def balanced():
    return MixedInference(fit_mixed(factorial_table((3, 2), 9, 5), "response"))


@pytest.fixture(scope="module")
def holes():
    return MixedInference(fit_mixed(factorial_table((4, 2, 2), 9, 3, keep=0.8), "response"))


def test_marginal_means_weigh_every_cell_alike(holes):
    cells = holes.model.cell_means.reshape(4, 2, 2)
    means = estimated_means(holes, ["alpha"])
    np.testing.assert_allclose([mean.estimate for mean in means], cells.mean(axis=(1, 2)))
    assert [mean.levels for mean in means] == [{"alpha": level} for level in ("a0", "a1", "a2", "a3")]


def test_marginal_means_of_two_factors_keep_the_table_s_order_of_factors(holes):
    means = estimated_means(holes, ["gamma", "beta"])
    assert [tuple(mean.levels.items()) for mean in means][1] == (("beta", "b0"), ("gamma", "g1"))
    np.testing.assert_allclose([m.estimate for m in means], holes.model.cell_means.reshape(4, 4).mean(axis=0))


def test_a_contrast_of_a_balanced_table_is_the_paired_t_test_over_blocks():
    table = factorial_table((2, 3), 9, 5)
    inference = MixedInference(fit_mixed(table, "response"))
    means = table.frame.groupby(["rat", "alpha"], observed=True)["score"].mean().unstack()
    paired = stats.ttest_rel(means["a1"], means["a0"])
    (found,) = compare(inference, "alpha", control="a0")
    assert (found.statistic, found.p, found.df) == pytest.approx((paired.statistic, paired.pvalue, 8), rel=1e-7)
    interval = paired.confidence_interval()
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-7)


@pytest.mark.parametrize(
    ("adjust", "control"), [("none", "a0"), ("holm", None), ("tukey", None), ("mvt", "a0"), ("dunnettx", "a0")]
)
def test_p_and_interval_come_from_one_adjustment(holes, adjust, control):
    alpha = 0.05
    for one in compare(holes, "alpha", control=control, adjust=adjust, alpha=alpha):
        outside = one.ci_low > 0.0 or one.ci_high < 0.0
        if adjust == "holm":  # its intervals are Bonferroni's, wider than Holm's own verdict
            assert one.p_adjusted <= alpha or not outside
        else:
            assert outside == (one.p_adjusted < alpha)
        assert one.p <= one.p_adjusted <= 1.0


def test_the_multivariate_t_lies_between_one_test_and_bonferroni(balanced):
    comparisons = compare(balanced, "alpha", control="a0", adjust="mvt")
    for one in comparisons:
        assert one.p < one.p_adjusted < 2.0 * one.p or one.p_adjusted == pytest.approx(min(2.0 * one.p, 1.0), abs=0.1)


def test_mvt_of_two_balanced_contrasts_is_dunnett_s_test():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(9, 3))
    expected = stats.dunnett(values[:, 1], values[:, 2], control=values[:, 0], rng=rng)
    # Runs of different blocks: nothing is shared, so the mixed model is the one-way layout of Dunnett's test.
    from study.stats.mixed.lmm import model_at

    table = factorial_table((3,), 9, 1)
    frame = table.frame.sort_values(["alpha", "rat"])
    frame["score"] = values.T.ravel()
    from study.stats.table import RunTable

    one_way = RunTable(frame, table.factors, "rat", "a0", response="score")
    fitted = fit_mixed(one_way, "response", "rat")
    inference = MixedInference(model_at(one_way, "response", fitted.patterns, fitted.random, np.zeros(1), "REML"))
    found = compare(inference, "alpha", control="a0", ddf="satterthwaite", adjust="mvt")
    assert [one.statistic for one in found] == pytest.approx(list(expected.statistic), rel=1e-9)
    assert [one.p_adjusted for one in found] == pytest.approx(list(expected.pvalue), abs=2e-4)


def test_pairs_are_antisymmetric_differences_of_the_means(balanced):
    means = {mean.levels["alpha"]: mean.estimate for mean in estimated_means(balanced, ["alpha"])}
    pairs = compare(balanced, "alpha")
    assert [(one.level, one.reference) for one in pairs] == [("a0", "a1"), ("a0", "a2"), ("a1", "a2")]
    for one in pairs:
        assert one.estimate == pytest.approx(means[one.level] - means[one.reference])


def test_simple_effects_are_told_with_their_cell(holes):
    simple = compare(holes, "alpha", control="a0", by=["gamma", "beta"])
    assert len(simple) == 3 * 4
    cells = holes.model.cell_means.reshape(4, 2, 2)
    for one in simple:
        place = int(one.cell["beta"][1]), int(one.cell["gamma"][1])
        assert one.estimate == pytest.approx(cells[(int(one.level[1]), *place)] - cells[(0, *place)])


def test_asymptotic_degrees_of_freedom_are_infinite_and_the_test_normal(balanced):
    (one, _) = compare(balanced, "alpha", control="a0", ddf="asymptotic")
    assert np.isinf(one.df)
    assert one.p == pytest.approx(2.0 * stats.norm.sf(abs(one.statistic)))


def test_an_adjustment_that_does_not_fit_is_refused(balanced):
    for adjust, control in [("tukey", "a0"), ("dunnettx", None), ("sidak", None)]:
        with pytest.raises(ValueError, match="adjustment"):
            compare(balanced, "alpha", control=control, adjust=adjust)
    with pytest.raises(ValueError, match="degrees of freedom"):
        compare(balanced, "alpha", ddf="residual")
