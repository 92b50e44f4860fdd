"""The mixed model against the dense textbook formulas, on designs with other names, shapes, holes and repeats."""

import numpy as np
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from study.stats.effects.factorial_terms import factorial_terms, hypothesis, term_name
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import fit_mixed, model_at
from study.stats.mixed.random_effects import random_effects
from tests.dense_mixed_model import DenseMixedModel, factorial_table

DESIGNS = {
    "two factors, nine blocks": (factorial_table((3, 2), 9, 1), "rat + rat:alpha"),
    "two factors, nine blocks, holes": (factorial_table((3, 2), 9, 2, keep=0.75), "rat + rat:alpha"),
    "three factors, holes": (factorial_table((3, 2, 2), 8, 3, keep=0.8), "rat + rat:alpha + rat:gamma"),
    "random terms in another order": (factorial_table((2, 3), 7, 4, keep=0.9), "beta:rat + alpha:rat + rat"),
    "a variance at zero, holes": (factorial_table((4, 2), 9, 4, sds=(1.0, 0.0, 1.0), keep=0.8), "rat + rat:alpha"),
    "both variances at zero": (factorial_table((3, 2), 9, 6, sds=(0.0, 0.0, 1.0), keep=0.9), "rat + rat:alpha"),
    "repeated runs": (factorial_table((3, 2), 6, 7, repeats=2, keep=0.7), "rat + rat:alpha + rat:alpha:beta"),
    "a random term that is no factor": (factorial_table((3, 2), 6, 8, repeats=3, keep=0.8), "rat + rat:host"),
    "many more cells than effects": (factorial_table((2, 4, 4), 4, 9), "rat"),
    "one factor": (factorial_table((5,), 9, 10, keep=0.85), "rat"),
}


@pytest.fixture(scope="module", params=list(DESIGNS))
def case(request):
    table, random = DESIGNS[request.param]
    model = fit_mixed(table, "response", random)
    dense = DenseMixedModel(table, [term.split(":") for term in model.random])
    return table, model, dense, np.append(model.variances, model.residual_variance)


def hypothesis_in_coefficients(table, model, term, kind="III"):
    """The term's hypothesis on the dense model's coefficients, through the cell means that these stand for."""
    return hypothesis(table.factors, model.shape, term, kind, model.patterns.cell_counts) @ cell_rows(table)


def cell_rows(table):
    """Each cell's mean in treatment-coded coefficients, (cells, coefficients)."""
    first = table.frame.groupby(list(table.factors), observed=True).head(1).index
    dense = DenseMixedModel(table, [])
    rows = dense.X[table.frame.index.get_indexer(first)]
    return rows[np.argsort(table.cell_index()[table.frame.index.get_indexer(first)])]


def test_the_likelihood_is_that_of_the_dense_covariance(case):
    _, model, dense, phi = case
    assert -2.0 * model.loglik == pytest.approx(dense.deviance(phi), rel=1e-11)


def test_no_search_without_derivatives_finds_a_higher_likelihood(case):
    _, model, dense, phi = case
    assert -2.0 * model.loglik <= dense.optimum(np.maximum(phi, 0.05)) + 1e-9


def test_no_step_away_from_the_estimates_lowers_the_deviance(case):
    _, model, dense, phi = case
    for k in range(len(phi)):
        for sign in (-1.0, 1.0):
            moved = phi.copy()
            moved[k] = max(moved[k] + sign * 1e-3 * phi[-1], 0.0)
            assert dense.deviance(moved) >= -2.0 * model.loglik - 1e-10


def test_maximum_likelihood_agrees_with_the_dense_covariance(case):
    table, model, dense, _ = case
    ml = fit_mixed(table, "response", " + ".join(model.random), "ML")
    phi = np.append(ml.variances, ml.residual_variance)
    assert -2.0 * ml.loglik == pytest.approx(dense.deviance(phi, reml=False), rel=1e-11)
    assert -2.0 * ml.loglik <= dense.optimum(np.maximum(phi, 0.05), reml=False) + 1e-9


def test_cell_means_and_their_covariance_are_generalised_least_squares(case):
    table, model, dense, phi = case
    b, Phi = dense.solution(phi)
    rows = cell_rows(table)
    np.testing.assert_allclose(model.cell_means, rows @ b, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(MixedInference(model).covariance, rows @ Phi @ rows.T, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("kind", ["I", "II", "III"])
def test_kenward_roger_tests_follow_the_papers_formulas(case, kind):
    table, model, dense, phi = case
    inference = MixedInference(model)
    for term in factorial_terms(table.factors):
        F, df2, _ = dense.kenward_roger(phi, hypothesis_in_coefficients(table, model, term, kind))
        found = inference.term_test(term, "kenward-roger", kind)
        assert (found.F, found.df2) == pytest.approx((F, df2), rel=1e-7)


def test_kenward_roger_covariance_follows_the_papers_formula(case):
    table, model, dense, phi = case
    rows = cell_rows(table)
    *_, adjusted = dense.kenward_roger(phi, np.eye(1, dense.X.shape[1]))
    np.testing.assert_allclose(
        MixedInference(model).adjusted_covariance, rows @ adjusted @ rows.T, rtol=1e-7, atol=1e-10
    )


def test_degrees_of_freedom_of_single_contrasts(case):
    table, model, dense, phi = case
    rows = np.vstack([np.eye(model.patterns.cells)[:3], np.full(model.patterns.cells, 1.0 / model.patterns.cells)])
    through = rows @ cell_rows(table)
    inference = MixedInference(model)
    satterthwaite = [dense.satterthwaite(phi, row) for row in through]
    np.testing.assert_allclose(inference.estimates(rows, "satterthwaite").df, satterthwaite, rtol=1e-6)
    kenward_roger = [dense.kenward_roger(phi, row[None])[1] for row in through]
    np.testing.assert_allclose(inference.estimates(rows, "kenward-roger").df, kenward_roger, rtol=1e-7)


def test_predicted_random_effects_are_the_conditional_means_and_sds(case):
    table, model, dense, phi = case
    b, _ = dense.solution(phi)
    inverse = np.linalg.inv(dense.covariance(phi))
    found = random_effects(model)
    for k, term in enumerate(model.random):
        names = term.split(":")
        code = table.frame[names].astype(str).agg("/".join, axis=1).to_numpy()
        of_term = [effect for effect in found if effect.term == term]
        assert {"/".join(str(effect.levels[name]) for name in names) for effect in of_term} == set(code)
        for effect in of_term[:4]:
            z = (code == "/".join(str(effect.levels[name]) for name in names)).astype(float)
            mean = phi[k] * z @ inverse @ (dense.y - dense.X @ b)
            variance = phi[k] - phi[k] ** 2 * z @ inverse @ z
            assert effect.estimate == pytest.approx(mean, rel=1e-8, abs=1e-10)
            assert effect.sd == pytest.approx(np.sqrt(max(variance, 0.0)), rel=1e-7, abs=1e-8)


def test_the_designs_reach_the_boundary_where_they_say_so():
    zeros = {name: fit_mixed(table, "response", random).variances == 0.0 for name, (table, random) in DESIGNS.items()}
    assert list(zeros["a variance at zero, holes"]) == [False, True]
    assert list(zeros["both variances at zero"]) == [True, True]
    assert not zeros["two factors, nine blocks, holes"].any()


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_hypotheses_of_all_types_are_those_of_ordinary_analysis_of_variance(kind):
    # With all variance ratios at zero the model is ordinary least squares.
    table, random = DESIGNS["three factors, holes"]
    fitted = fit_mixed(table, "response", random)
    plain = model_at(table, "response", fitted.patterns, fitted.random, np.zeros(3), "REML")
    coding = "Sum" if kind == 3 else "Treatment"
    formula = "score ~ " + " * ".join(f"C({factor}, {coding})" for factor in table.factors)
    expected = anova_lm(ols(formula, table.frame).fit(), typ=kind)
    rows = expected.iloc[1:] if kind == 3 else expected
    found = [MixedInference(plain).term_test(t, "satterthwaite", "I" * kind) for t in factorial_terms(table.factors)]
    np.testing.assert_allclose([test.F for test in found], rows["F"].to_numpy()[:-1], rtol=1e-9)
    np.testing.assert_allclose([test.p for test in found], rows["PR(>F)"].to_numpy()[:-1], rtol=1e-8)


def test_terms_are_named_as_r_names_them():
    names = [term_name(term) for term in factorial_terms(("a", "b", "c"))]
    assert names == ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]
