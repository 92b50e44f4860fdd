"""The mixed model against lme4, pbkrtest and emmeans, on all tables that R was run on.

R stops its search a little short of the maximum (its criterion is a change of about 1e-8 in the deviance), so at our
own estimates numbers that depend on the variances agree only as far as R's estimates do. The same numbers are therefore
compared a second time at R's variance ratios, where nothing is left of that.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest

from study.stats.effects.factorial_terms import factorial_terms, term_name
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import fit_mixed, model_at
from study.stats.mixed.summary import mixed_json
from study.stats.table import build_table
from tests.oracle import TABLES, load

ALL_STRATA = "seed:bn:lr + seed:bn:dropout + seed:dropout:lr + seed:bn + seed:lr + seed:dropout + seed"
MODELS = {"lmer": "seed", "lmer_seed_bn": "seed:bn + seed", "lmer_strata": ALL_STRATA}
# Relative error of R's own estimates where its search stopped early (see above); 1e-6 elsewhere.
R_STOPPED_EARLY = {
    ("missing", "lmer_seed_bn"): 6e-5,
    ("seedslope", "lmer_seed_bn"): 1e-5,
    ("null", "lmer_strata"): 6e-5,
    ("interaction", "lmer_strata"): 2e-3,
    ("missing", "lmer_strata"): 2e-4,
    ("seedslope", "lmer_strata"): 6e-5,
}
# R leaves a variance that should be 0 at a ratio of up to this.
R_ZERO = 2e-4


@cache
def oracle(name):
    frame, results = load(name)
    return build_table(frame, ["bn", "dropout", "lr"], "none", "seed", response="y"), results


@cache
def fitted(name, key):
    """Our fit, and the model at R's variance ratios with those that R left just above zero set to zero."""
    table, results = oracle(name)
    model = fit_mixed(table, "response", MODELS[key])
    theta = np.atleast_1d(results[key]["theta"])
    ratios = np.where(theta < R_ZERO, 0.0, theta) ** 2
    return model, model_at(table, model.patterns, model.random, ratios)


def tolerance(name, key):
    return R_STOPPED_EARLY.get((name, key), 1e-6)


def treatment_rows(table):
    """R's coefficients as rows over the cell means, by R's names."""
    rows = {}
    for term in [(), *factorial_terms(table.factors)]:
        for levels in product(*[table.levels(factor)[1:] for factor in term]):
            chosen = dict(zip(term, levels, strict=True))
            row = np.ones(1)
            for factor in table.factors:
                part = np.zeros(len(table.levels(factor)))
                part[0] = -1.0 if factor in chosen else 1.0
                if factor in chosen:
                    part[table.levels(factor).index(chosen[factor])] = 1.0
                row = np.kron(row, part)
            rows[":".join(f"{f}{v}" for f, v in chosen.items()) or "(Intercept)"] = row
    return rows


every_fit = pytest.mark.parametrize(("name", "key"), list(product(TABLES, MODELS)))


@every_fit
def test_log_likelihood_is_r_s_or_higher(name, key):
    model, _ = fitted(name, key)
    expected = oracle(name)[1][key]["loglik"]
    assert model.loglik >= expected - 1e-10 * abs(expected)
    assert model.loglik == pytest.approx(expected, rel=1e-9)
    assert model.converged


@every_fit
def test_log_likelihood_at_r_s_variances_is_r_s(name, key):
    table, results = oracle(name)
    model, _ = fitted(name, key)
    at_r = model_at(table, model.patterns, model.random, np.atleast_1d(results[key]["theta"]) ** 2)
    assert at_r.loglik == pytest.approx(results[key]["loglik"], rel=1e-12)
    assert at_r.residual_variance == pytest.approx(results[key]["varcomp"][-1]["vcov"], rel=1e-10)


@every_fit
def test_variance_components(name, key):
    model, _ = fitted(name, key)
    results = oracle(name)[1][key]
    expected = [component["vcov"] for component in results["varcomp"]]
    assert [component["grp"] for component in results["varcomp"][:-1]] == list(model.random)
    close = {"rel": tolerance(name, key), "abs": R_ZERO**2 * model.residual_variance}
    assert [*model.variances, model.residual_variance] == [pytest.approx(value, **close) for value in expected]
    assert model.singular == results["singular"]


@every_fit
def test_fixed_effects_and_their_standard_errors(name, key):
    table, results = oracle(name)
    rows = treatment_rows(table)
    matrix = np.array([rows[coefficient] for coefficient in results[key]["fixef"]])
    fixef, se = (np.array(list(results[key][what].values())) for what in ("fixef", "se"))
    for model, relative in zip(fitted(name, key), (tolerance(name, key), 1e-6), strict=True):
        variances = np.einsum("kc,cd,kd->k", matrix, model.at_optimum.phi, matrix) * model.residual_variance
        np.testing.assert_allclose(np.sqrt(variances), se, rtol=relative)
        np.testing.assert_allclose(matrix @ model.cell_means, fixef, rtol=1e-8, atol=relative * se.max())


@pytest.mark.parametrize("name", TABLES)
def test_coefficients_have_the_errors_and_degrees_of_freedom_of_kenward_and_roger(name):
    table, results = oracle(name)
    expected = results["lmer"]["coef_kr"]
    rows = treatment_rows(table)
    found = MixedInference(fitted(name, "lmer")[0]).estimates(np.array([rows[row["term"]] for row in expected]))
    np.testing.assert_allclose(found.se, [row["Std. Error"] for row in expected], rtol=1e-6)
    np.testing.assert_allclose(found.df, [row["df"] for row in expected], rtol=1e-6)
    np.testing.assert_allclose(found.estimate / found.se, [row["t value"] for row in expected], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "key"), list(product(TABLES, ("lmer", "lmer_seed_bn"))))
def test_tests_of_the_terms_are_those_of_pbkrtest(name, key):
    table, results = oracle(name)
    expected = (results if key == "lmer" else results[key])["anova_kr_III"]
    terms = factorial_terms(table.factors)
    assert [row["term"] for row in expected] == [term_name(term) for term in terms]
    tolerances = (tolerance(name, key), tolerance(name, key)), (1e-9, 1e-10)
    for model, (f_close, df_close) in zip(fitted(name, key), tolerances, strict=True):
        found = [MixedInference(model).term_test(term) for term in terms]
        assert [test.df1 for test in found] == [row["NumDF"] for row in expected]
        np.testing.assert_allclose([test.F for test in found], [row["F value"] for row in expected], rtol=f_close)
        np.testing.assert_allclose([test.df2 for test in found], [row["DenDF"] for row in expected], rtol=df_close)
        p, r_p = (np.array(values) for values in ([t.p for t in found], [row["Pr(>F)"] for row in expected]))
        # A small p magnifies what F is off: d log p is about -d log F times the size of log p.
        magnified = 2.0 * (1.0 - np.log(r_p)) * max(f_close, df_close) + 1e-9
        assert (np.abs(p / r_p - 1.0) <= magnified * (1.0 + 10.0 * (r_p < 1e-10))).all()


@pytest.mark.parametrize(("name", "key"), list(product(TABLES, ("lmer", "lmer_seed_bn"))))
def test_contrasts_with_the_control_are_those_of_emmeans(name, key):
    table, results = oracle(name)
    emmeans = (results if key == "lmer" else results[key])["emmeans_kr"]
    found = mixed_json(table, MODELS[key])["contrasts"]
    close = tolerance(name, key)
    for one, plain, adjusted in zip(found, emmeans["vs_none_none"], emmeans["vs_none_mvt"], strict=True):
        assert f"{one['level']} - {one['control']}" == plain["contrast"]
        # At R's own variances se, and so t, are off by `close`; estimates near zero by as much in standard errors.
        assert one["estimate"] == pytest.approx(plain["estimate"], rel=1e-8, abs=close * plain["SE"])
        assert one["se"] == pytest.approx(plain["SE"], rel=close)
        assert one["df"] == pytest.approx(plain["df"], rel=close)
        assert one["statistic"] == pytest.approx(plain["t.ratio"], rel=close, abs=close)
        assert one["p"] == pytest.approx(plain["p.value"], rel=close * (2.0 + one["statistic"] ** 2))
        # mvt is a randomised integral in R.
        assert one["p_adjusted"] == pytest.approx(adjusted["p.value"], abs=1e-4)
        for end, r_end in (("ci_low", "lower.CL"), ("ci_high", "upper.CL")):
            assert one[end] == pytest.approx(adjusted[r_end], abs=1.1e-3 * plain["SE"])
