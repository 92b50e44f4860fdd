"""The mixed model against lme4, lmerTest, pbkrtest and emmeans, on all tables that R was run on.

R stops its search a little short of the maximum (its criterion is a change of about 1e-8 in the deviance), so at our
own estimates numbers that depend on the variances agree only as far as R's estimates do. The same numbers are therefore
compared a second time at R's variance ratios, where nothing is left of that.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest

from study.stats.effects.factorial_terms import factorial_terms, term_name
from study.stats.mixed.emmeans import compare, estimated_means
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import fit_mixed, model_at
from study.stats.mixed.random_effects import variance_shares
from study.stats.mixed.variance_profile import VarianceProfile
from study.stats.table import build_table
from tests.oracle import TABLES, load

ALL_STRATA = "seed:bn:lr + seed:bn:dropout + seed:dropout:lr + seed:bn + seed:lr + seed:dropout + seed"
MODELS = {
    "lmer": ("seed", "REML"),
    "lmer_ml": ("seed", "ML"),
    "lmer_seed_bn": ("seed:bn + seed", "REML"),
    "lmer_strata": (ALL_STRATA, "REML"),
}
DDF = {"kr": "kenward-roger", "satterthwaite": "satterthwaite", "asymptotic": "asymptotic"}
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
    random, method = MODELS[key]
    model = fit_mixed(table, "response", random, method)
    theta = np.atleast_1d(results[key]["theta"])
    ratios = np.where(theta < R_ZERO, 0.0, theta) ** 2
    return model, model_at(table, "response", model.patterns, model.random, ratios, method)


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


both = pytest.mark.parametrize(("name", "key"), list(product(TABLES, MODELS)))


@both
def test_log_likelihood_is_r_s_or_higher(name, key):
    model, _ = fitted(name, key)
    expected = oracle(name)[1][key]["loglik"]
    assert model.loglik >= expected - 1e-10 * abs(expected)
    assert model.loglik == pytest.approx(expected, rel=1e-9)
    assert model.converged


@both
def test_log_likelihood_at_r_s_variances_is_r_s(name, key):
    table, results = oracle(name)
    ratios = np.atleast_1d(results[key]["theta"]) ** 2
    patterns, random = fitted(name, key)[0].patterns, fitted(name, key)[0].random
    at_r = model_at(table, "response", patterns, random, ratios, MODELS[key][1])
    assert at_r.loglik == pytest.approx(results[key]["loglik"], rel=1e-12)
    assert at_r.residual_variance == pytest.approx(results[key]["varcomp"][-1]["vcov"], rel=1e-10)


@both
def test_variance_components(name, key):
    model, _ = fitted(name, key)
    results = oracle(name)[1][key]
    expected = [component["vcov"] for component in results["varcomp"]]
    assert [component["grp"] for component in results["varcomp"][:-1]] == list(model.random)
    close = {"rel": tolerance(name, key), "abs": R_ZERO**2 * model.residual_variance}
    assert [*model.variances, model.residual_variance] == [pytest.approx(value, **close) for value in expected]
    assert model.singular == results["singular"]


@both
def test_fixed_effects_and_their_standard_errors(name, key):
    table, results = oracle(name)
    rows = treatment_rows(table)
    matrix = np.array([rows[coefficient] for coefficient in results[key]["fixef"]])
    fixef, se = (np.array(list(results[key][what].values())) for what in ("fixef", "se"))
    for model, relative in zip(fitted(name, key), (tolerance(name, key), 1e-6), strict=True):
        found = MixedInference(model).estimates(matrix, "asymptotic")
        np.testing.assert_allclose(found.se, se, rtol=relative)
        np.testing.assert_allclose(found.estimate, fixef, rtol=1e-8, atol=relative * se.max())


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("ddf", ["satterthwaite", "kr"])
def test_coefficient_tables(name, ddf):
    table, results = oracle(name)
    expected = results["lmer"][f"coef_{ddf}"]
    rows = treatment_rows(table)
    found = MixedInference(fitted(name, "lmer")[0]).estimates(np.array([rows[r["term"]] for r in expected]), DDF[ddf])
    np.testing.assert_allclose(found.se, [row["Std. Error"] for row in expected], rtol=1e-6)
    np.testing.assert_allclose(found.df, [row["df"] for row in expected], rtol=1e-6)
    np.testing.assert_allclose(found.estimate / found.se, [row["t value"] for row in expected], rtol=1e-6, atol=1e-8)


def anova_tables():
    for name in TABLES:
        for ddf, kind in product(("satterthwaite", "kr"), ("I", "II", "III")):
            yield name, "lmer", ddf, kind
        yield name, "lmer_seed_bn", "satterthwaite", "III"
        yield name, "lmer_seed_bn", "kr", "III"
        yield name, "lmer_strata", "satterthwaite", "III"


@pytest.mark.parametrize(("name", "key", "ddf", "kind"), list(anova_tables()))
def test_anova_tables(name, key, ddf, kind):
    table, results = oracle(name)
    place = results if key == "lmer" else results[key]
    expected = place[f"anova_{ddf}_{kind}"]
    terms = factorial_terms(table.factors)
    assert [row["term"] for row in expected] == [term_name(term) for term in terms]
    # Satterthwaite's df are ratios of second derivatives, in which R's early stop weighs more than in F.
    at_optimum = max(tolerance(name, key), 1e-6)
    f_at_r = 1e-7 if key == "lmer_strata" else 1e-9
    df_at_r = 1e-10 if ddf == "kr" else at_optimum
    for model, f_close, df_close in zip(fitted(name, key), (at_optimum, f_at_r), (at_optimum, df_at_r), strict=True):
        if kind == "II" and name == "missing":
            f_close = max(f_close, 1e-6)  # lmerTest rounds type II hypotheses to about seven digits
        inference = MixedInference(model)
        found = [inference.term_test(term, DDF[ddf], kind) for term in terms]
        assert [test.df1 for test in found] == [row["NumDF"] for row in expected]
        np.testing.assert_allclose([test.F for test in found], [row["F value"] for row in expected], rtol=f_close)
        np.testing.assert_allclose([test.df2 for test in found], [row["DenDF"] for row in expected], rtol=df_close)
        p, r_p = (np.array(values) for values in ([t.p for t in found], [row["Pr(>F)"] for row in expected]))
        # A small p magnifies what F is off: d log p is about -d log F times the size of log p.
        magnified = 2.0 * (1.0 - np.log(r_p)) * max(f_close, df_close) + 1e-9
        assert (np.abs(p / r_p - 1.0) <= magnified * (1.0 + 10.0 * (r_p < 1e-10))).all()


EMMEANS = [(name, "lmer", ddf) for name, ddf in product(TABLES, DDF)] + [
    (name, "lmer_seed_bn", ddf)
    for name, ddf in product(("null", "interaction", "missing", "seedslope", "boundary"), DDF)
    if ddf != "asymptotic"
]
COMPARISONS = [
    "pairs_none",
    "pairs_holm",
    "pairs_tukey",
    "vs_none_none",
    "vs_none_holm",
    "vs_none_dunnettx",
    "vs_none_mvt",
]


@cache
def emmeans(name, key, ddf):
    results = oracle(name)[1]
    table = (results if key == "lmer" else results[key])[f"emmeans_{ddf}"]
    return MixedInference(fitted(name, key)[0]), table


def columns(rows, ddf):
    low, high, t = ("asymp.LCL", "asymp.UCL", "z.ratio") if ddf == "asymptotic" else ("lower.CL", "upper.CL", "t.ratio")
    return {
        "estimate": np.array([row.get("estimate", row.get("emmean")) for row in rows]),
        "se": np.array([row["SE"] for row in rows]),
        "df": np.array([np.inf if row["df"] is None else row["df"] for row in rows]),
        "ci_low": np.array([row.get(low, np.nan) for row in rows]),
        "ci_high": np.array([row.get(high, np.nan) for row in rows]),
        "statistic": np.array([row.get(t, np.nan) for row in rows]),
        "p": np.array([row["p.value"] for row in rows]) if "p.value" in rows[0] else None,
    }


@pytest.mark.parametrize(("name", "key", "ddf"), EMMEANS)
def test_marginal_means(name, key, ddf):
    inference, expected = emmeans(name, key, ddf)
    found = estimated_means(inference, ["bn"], ddf=DDF[ddf])
    wanted = columns(expected["emm"], ddf)
    assert [mean.levels["bn"] for mean in found] == [row["bn"] for row in expected["emm"]]
    for field in ("estimate", "se", "df", "ci_low", "ci_high"):
        np.testing.assert_allclose([getattr(mean, field) for mean in found], wanted[field], rtol=tolerance(name, key))


@pytest.mark.parametrize(("name", "key", "ddf"), EMMEANS)
@pytest.mark.parametrize("family", COMPARISONS)
def test_comparisons_of_marginal_means(name, key, ddf, family):
    inference, expected = emmeans(name, key, ddf)
    kind, adjust = family.rsplit("_", 1)
    control = None if kind == "pairs" else "none"
    found = compare(inference, "bn", control=control, ddf=DDF[ddf], adjust=adjust)
    wanted = columns(expected[family], ddf)
    assert [f"{one.level} - {one.reference}" for one in found] == [row["contrast"] for row in expected[family]]
    # At R's own variances se, and so t, are off by `close`; estimates near zero by as much in standard errors.
    close = tolerance(name, key)
    apart = close * wanted["se"]
    got = {field: np.array([getattr(one, field) for one in found]) for field in wanted if field != "p"}
    assert (np.abs(got["estimate"] - wanted["estimate"]) <= apart + 1e-8 * np.abs(wanted["estimate"])).all()
    np.testing.assert_allclose(got["se"], wanted["se"], rtol=close)
    np.testing.assert_allclose(got["df"], wanted["df"], rtol=close)
    np.testing.assert_allclose(got["statistic"], wanted["statistic"], rtol=close, atol=close)
    # emmeans searches for these quantiles to 5e-4 only, mvt by a randomised integral (ours are tested by quadrature).
    quantile = {"dunnettx": 5e-4, "mvt": 1e-3}.get(adjust, 0.0)
    for end in ("ci_low", "ci_high"):
        assert (np.abs(got[end] - wanted[end]) <= (10.0 * close + quantile) * wanted["se"]).all()
    p = np.array([one.p_adjusted for one in found])
    # R's ptukey is accurate to about 1e-9 absolutely, its mvt to 1e-4.
    absolute = {"tukey": 1e-8, "dunnettx": 1e-8, "mvt": 1e-4}.get(adjust, 0.0)
    magnified = close * (2.0 + got["statistic"] ** 2)
    assert (np.abs(p - wanted["p"]) <= absolute + magnified * wanted["p"]).all()


@pytest.mark.parametrize(("name", "key", "ddf"), EMMEANS)
def test_equivalence(name, key, ddf):
    inference, expected = emmeans(name, key, ddf)
    found = compare(inference, "bn", control="none", ddf=DDF[ddf], margin=0.05)
    wanted = [row["p.value"] for row in expected["TOST"]]
    np.testing.assert_allclose([one.p_equivalence for one in found], wanted, rtol=10.0 * tolerance(name, key))


@pytest.mark.parametrize("name", TABLES)
def test_cell_means_and_simple_effects(name):
    inference, _ = emmeans(name, "lmer", "satterthwaite")
    results = oracle(name)[1]
    by_cell = {
        tuple(map(str, mean.levels.values())): mean
        for mean in estimated_means(inference, ["bn", "dropout", "lr"], ddf="satterthwaite")
    }
    for row in results["emm_cells"]:
        mean = by_cell[row["bn"], str(float(row["dropout"])), str(float(row["lr"]))]
        expected = (row["emmean"], row["SE"], row["df"], row["lower.CL"], row["upper.CL"])
        assert (mean.estimate, mean.se, mean.df, mean.ci_low, mean.ci_high) == pytest.approx(expected, rel=1e-6)
    effects = compare(inference, "bn", control="none", by=["dropout"], ddf="satterthwaite")
    simple = {(f"{one.level} - {one.reference}", one.cell["dropout"]): one for one in effects}
    assert len(simple) == len(results["simple_by_dropout"])
    for row in results["simple_by_dropout"]:
        one = simple[row["contrast"], str(float(row["dropout"]))]
        expected = (
            row["estimate"],
            row["SE"],
            row["df"],
            row["t.ratio"],
            row["lower.CL"],
            row["upper.CL"],
            row["p.value"],
        )
        found = (one.estimate, one.se, one.df, one.statistic, one.ci_low, one.ci_high, one.p)
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", TABLES)
def test_intraclass_correlation_and_r_squared(name):
    results = oracle(name)[1]
    shares = variance_shares(fitted(name, "lmer")[0])
    assert shares.r2_marginal == pytest.approx(results["r2"]["R2_marginal"], rel=1e-6)
    if results["icc"] is None:  # R gives none for a singular fit; ours are its limits
        assert (shares.icc, shares.r2_conditional) == (0.0, shares.r2_marginal)
    else:
        assert shares.icc == pytest.approx(results["icc"]["ICC_adjusted"], rel=1e-6)
        assert shares.icc_unadjusted == pytest.approx(results["icc"]["ICC_unadjusted"], rel=1e-6)
        assert shares.r2_conditional == pytest.approx(results["r2"]["R2_conditional"], rel=1e-6)


@pytest.mark.parametrize("name", TABLES)
def test_likelihood_ratio_test_of_the_random_term(name):
    expected = oracle(name)[1]["ranova"][1]
    found = VarianceProfile(fitted(name, "lmer")[0]).ratio_test(0)
    assert found.statistic == pytest.approx(expected["LRT"], rel=1e-9)
    assert found.p == pytest.approx(expected["Pr(>Chisq)"], rel=1e-8)
