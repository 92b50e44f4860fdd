"""Models of counts: generalised linear, random intercepts by Laplace, beta-binomial."""

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import integrate, special, stats

from study.stats.robustness.count_families import BetaBinomial, Binomial
from study.stats.robustness.counts import counts
from study.stats.robustness.glmm import CountFit, fit_counts
from study.stats.table import RunTable, build_table
from tests.oracle import TABLES, load


def reference_table(name: str) -> RunTable:
    return build_table(load(name)[0], ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")


def treatment_contrasts(table: RunTable) -> dict[str, np.ndarray]:
    """R's coefficients of bn * dropout * lr as weights of the cell means."""
    levels = [table.levels(factor) for factor in table.factors]
    place = {tuple(cell.values()): i for i, cell in enumerate(table.cells())}
    rows = {}
    for chosen in itertools.product(*(range(len(names)) for names in levels)):
        moved = [axis for axis, level in enumerate(chosen) if level]
        weights = np.zeros(len(place))
        for subset in itertools.product((False, True), repeat=len(moved)):
            at = [names[0] for names in levels]
            for inside, axis in zip(subset, moved, strict=True):
                at[axis] = levels[axis][chosen[axis]] if inside else levels[axis][0]
            weights[place[tuple(at)]] += (-1) ** (len(moved) - sum(subset))
        name = ":".join(table.factors[axis] + levels[axis][chosen[axis]] for axis in moved)
        rows[name or "(Intercept)"] = weights
    return rows


def fit(table: RunTable, model: str) -> CountFit:
    k, n = (table.frame[name].to_numpy(dtype=float) for name in (table.successes, table.trials))
    family = BetaBinomial(k, n) if "betabin" in model else Binomial(k, n)
    groups = (np.arange(len(k)), table.block_index()) if "olre" in model else (table.block_index(),)
    return fit_counts(family, table.cell_index(), groups)


@pytest.mark.parametrize("name", TABLES)
def test_the_binomial_model_agrees_with_the_reference(name: str) -> None:
    table = reference_table(name)
    _, reference = load(name)
    rate = table.frame.groupby(list(table.factors), observed=False)[["test_correct", "test_n"]].sum()
    p = (rate["test_correct"] / rate["test_n"]).to_numpy()
    variance = 1 / (rate["test_n"].to_numpy() * p * (1 - p))
    for coefficient, weights in treatment_contrasts(table).items():
        assert weights @ special.logit(p) == pytest.approx(reference["glm"]["coef"][coefficient], rel=1e-6, abs=1e-9)
        assert np.sqrt(weights**2 @ variance) == pytest.approx(reference["glm"]["se"][coefficient], rel=1e-6)
    k, n = (table.frame[column].to_numpy(dtype=float) for column in ("test_correct", "test_n"))
    loglik = Binomial(k, n).derivatives(special.logit(p)[table.cell_index()]).loglik.sum()
    assert loglik == pytest.approx(reference["glm"]["loglik"], rel=1e-9)


@pytest.mark.parametrize("name", ["missing", "boundary"])
@pytest.mark.parametrize("model", ["glmer", "glmmTMB_olre", "glmmTMB_betabin"])
def test_mixed_models_of_counts_agree_with_the_reference(name: str, model: str) -> None:
    table = reference_table(name)
    reference = load(name)[1][model]
    found = fit(table, model)
    assert found.converged
    assert found.loglik == pytest.approx(reference["loglik"], rel=1e-9)
    # The reference's own search stops about here; its likelihood is a little below ours.
    assert found.loglik >= reference["loglik"] - 1e-6
    if model == "glmer":
        values, errors = reference["fixef"], reference["se"]
    else:
        values = {row["term"]: row["Estimate"] for row in reference["coef"]}
        errors = {row["term"]: row["Std. Error"] for row in reference["coef"]}
    for coefficient, weights in treatment_contrasts(table).items():
        assert weights @ found.cell_means == pytest.approx(values[coefficient], abs=2e-5)
        assert np.sqrt(weights @ found.covariance @ weights) == pytest.approx(errors[coefficient], rel=1e-4)
    variances = reference["varcomp"]
    expected = [variances["run"], variances["seed"]] if model == "glmmTMB_olre" else None
    if model == "glmmTMB_betabin":
        expected = [variances["seed"]]
        assert found.phi == pytest.approx(reference["sigma"], rel=2e-5)
    if model == "glmer":
        expected = [variances[0]["vcov"]]
    assert found.variances == pytest.approx(expected, rel=5e-5, abs=1e-9)


def test_crossed_blocks_and_images_agree_with_the_reference() -> None:
    frame, reference = load("images")
    arm = pd.Categorical(frame["bn"], ["none", "keras", "contrib"]).codes.astype(int)
    ok = frame["ok"].to_numpy(dtype=float)
    seed, image = frame["seed"].to_numpy(), frame["image"].to_numpy()
    found = fit_counts(Binomial(ok, np.ones(len(ok))), arm, (image - image.min(), seed - seed.min()))
    # The reference was fitted with glmer's fast method (fixed effects chosen with the random ones, nAGQ = 0), which
    # stops short of the maximum: the same numbers to three digits, at a slightly lower likelihood.
    expected = reference["glmer"]
    assert expected["loglik"] < found.loglik < expected["loglik"] + 0.02
    difference = found.cell_means - found.cell_means[0]
    found_effects = [found.cell_means[0], *difference[1:]]
    assert found_effects == pytest.approx(list(expected["fixef"].values()), rel=2e-3)
    assert found.variances == pytest.approx([row["vcov"] for row in expected["varcomp"]], rel=5e-3)


def test_derivatives_are_those_of_the_log_likelihood() -> None:
    k, n = np.array([3.0, 0.0, 17.0, 20.0]), np.array([20.0, 20.0, 20.0, 20.0])
    eta, h = np.array([-1.0, -2.0, 1.2, 3.0]), 1e-5
    for family, log_phi in ((Binomial(k, n), 0.0), (BetaBinomial(k, n), 1.3)):
        here, up, down = (family.derivatives(eta + shift, log_phi) for shift in (0.0, h, -h))
        np.testing.assert_allclose(here.first, (up.loglik - down.loglik) / (2 * h), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(here.weight, -(up.first - down.first) / (2 * h), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(here.weight_slope, (up.weight - down.weight) / (2 * h), rtol=1e-6, atol=1e-8)
    family = BetaBinomial(k, n)
    here, up, down = (family.derivatives(eta, 1.3 + shift) for shift in (0.0, h, -h))
    for exact, name in zip(here.by_log_phi, ("loglik", "first", "weight"), strict=True):
        slope = (getattr(up, name) - getattr(down, name)) / (2 * h)
        np.testing.assert_allclose(exact, slope, rtol=1e-6, atol=1e-8)
    expected = stats.betabinom(20, *(np.exp(1.3) * np.array([special.expit(-1.0), special.expit(1.0)]))).logpmf(3)
    assert here.loglik[0] == pytest.approx(expected, rel=1e-9)


def test_the_laplace_likelihood_is_near_the_integral() -> None:
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(6), 8)
    k = rng.binomial(30, special.expit(1.0 + 0.4 * rng.normal(size=6)[block])).astype(float)
    n = np.full(48, 30.0)
    found = fit_counts(Binomial(k, n), np.zeros(48, dtype=int), (block,))
    exact = 0.0
    for b in range(6):
        here = block == b

        def height(u: float, here: np.ndarray = here) -> float:
            predictor = np.full(8, found.cell_means[0] + np.sqrt(found.variances[0]) * u)
            return float(np.exp(Binomial(k[here], n[here]).derivatives(predictor).loglik.sum()) * stats.norm.pdf(u))

        exact += np.log(integrate.quad(height, -8, 8, epsabs=0, epsrel=1e-10)[0])
    assert found.loglik == pytest.approx(exact, abs=0.02)


@pytest.fixture(scope="module")
def null_counts() -> dict[str, Any]:
    result = counts(reference_table("null"))
    assert result is not None
    json.dumps(result, allow_nan=False)
    return result


def test_dispersion_agrees_with_the_reference_and_statsmodels(null_counts: dict[str, Any]) -> None:
    table, found = reference_table("null"), null_counts
    assert found["dispersion"] == pytest.approx(load("null")[1]["glm"]["dispersion"], rel=1e-9)
    k, n = (table.frame[column].to_numpy(dtype=float) for column in ("test_correct", "test_n"))
    design = pd.get_dummies(table.cell_index()).to_numpy(float)
    model = sm.GLM(1 - k / n, design, family=sm.families.Binomial(), var_weights=n).fit(scale="X2")
    weights = np.zeros(30)
    weights[6:12], weights[:6] = 1 / 6, -1 / 6
    test = model.t_test(weights)
    quasi = next(row for row in found["models"] if row["model"] == "quasi-binomial")["contrasts"][0]
    assert quasi["estimate"] == pytest.approx(float(np.squeeze(test.effect)), rel=1e-9)
    assert quasi["se"] == pytest.approx(float(np.squeeze(test.sd)), rel=1e-9)


def test_a_model_without_run_variation_claims_too_small_errors(null_counts: dict[str, Any]) -> None:
    found = {row["model"]: row["contrasts"][0]["se"] for row in null_counts["models"]}
    assert found["binomial"] < 0.7 * found["quasi-binomial"]
    assert found["binomial, block"] < 0.7 * found["binomial, block and run"]
    assert found["beta-binomial, block"] == pytest.approx(found["binomial, block and run"], rel=0.05)


def test_infinite_log_odds_give_no_model() -> None:
    frame = pd.DataFrame({"a": list("xxyy"), "s": [1, 2, 1, 2], "k": [10, 10, 9, 8], "n": 10})
    assert counts(build_table(frame, ["a"], "x", "s", "k", "n")) is None
    response = build_table(frame.assign(y=1.0), ["a"], "x", "s", response="y")
    assert counts(response) is None


def test_collapsed_runs_leave_finite_numbers_or_none() -> None:
    table = reference_table("missing")
    frame = table.frame.copy()
    hit = np.random.default_rng(1).random(len(frame)) < 0.05
    frame.loc[hit, "test_correct"] = 3000
    found = counts(build_table(frame, list(table.factors), "none", "seed", "test_correct", "test_n"))
    assert found is not None
    json.dumps(found, allow_nan=False)
    assert found["dispersion"] > 100
    assert all(row["converged"] or not row["contrasts"] for row in found["models"])
