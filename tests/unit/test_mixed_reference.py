"""The mixed model against the dense textbook formulas, on designs with other names, shapes, holes and repeats."""

import numpy as np
import pytest

from study.stats.effects.factorial_terms import factorial_terms, hypothesis, term_name
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import fit_mixed
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


def test_cell_means_and_their_covariance_are_generalised_least_squares(case):
    table, model, dense, phi = case
    b, Phi = dense.solution(phi)
    rows = cell_rows(table)
    np.testing.assert_allclose(model.cell_means, rows @ b, rtol=1e-9, atol=1e-10)
    covariance = model.at_optimum.phi * model.residual_variance
    np.testing.assert_allclose(covariance, rows @ Phi @ rows.T, rtol=1e-8, atol=1e-11)


def test_kenward_roger_tests_follow_the_papers_formulas(case):
    table, model, dense, phi = case
    inference = MixedInference(model)
    for term in factorial_terms(table.factors):
        F, df2, _ = dense.kenward_roger(phi, hypothesis(table.factors, model.shape, term) @ cell_rows(table))
        found = inference.term_test(term)
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
    kenward_roger = [dense.kenward_roger(phi, row[None])[1] for row in through]
    np.testing.assert_allclose(MixedInference(model).estimates(rows).df, kenward_roger, rtol=1e-7)


def test_the_designs_reach_the_boundary_where_they_say_so():
    zeros = {name: fit_mixed(table, "response", random).variances == 0.0 for name, (table, random) in DESIGNS.items()}
    assert list(zeros["a variance at zero, holes"]) == [False, True]
    assert list(zeros["both variances at zero"]) == [True, True]
    assert not zeros["two factors, nine blocks, holes"].any()


def test_terms_are_named_as_r_names_them():
    names = [term_name(term) for term in factorial_terms(("a", "b", "c"))]
    assert names == ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]
