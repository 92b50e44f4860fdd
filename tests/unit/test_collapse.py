"""Collapse: rates, exact tests, Firth's logistic regression."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from statsmodels.stats.contingency_tables import StratifiedTable

from study.stats.collapse.firth import firth_logistic
from study.stats.collapse.proportions import clopper_pearson, jeffreys, mcnemar_exact
from study.stats.collapse.rates import collapse, collapsed_runs
from study.stats.table import RunTable, build_table
from tests.oracle import TABLES, load


def counts_table(failures: dict[str, int], runs: int) -> RunTable:
    """One factor, no block: `failures` of `runs` runs of each arm are far below the threshold."""
    rows = [
        {"arm": arm, "right": 300 if run < failed else 985, "n": 1000}
        for arm, failed in failures.items()
        for run in range(runs)
    ]
    return build_table(pd.DataFrame(rows), ["arm"], next(iter(failures)), None, "right", "n")


def blocked_table(rng: np.random.Generator, missing: float = 0.0) -> RunTable:
    """Two arms and a control, a second factor of three levels, nine blocks; the arm "x" collapses often."""
    rows = []
    for arm, cell, block in itertools.product("cxy", ("p", "q", "r"), range(9)):
        risk = {"c": 0.1, "x": 0.5, "y": 0.15}[arm]
        right = 40 if rng.random() < risk else 95
        if rng.random() >= missing:
            rows.append({"method": arm, "size": cell, "rep": block, "right": right, "n": 100})
    return build_table(pd.DataFrame(rows), ["method", "size"], "c", "rep", "right", "n")


def test_firth_and_fisher_agree_with_the_published_example() -> None:
    # 29 of 120 against 0 of 120: Fisher 5.4e-10, Firth 4.353 (se 1.439), computed in R (fisher.test, brglm2).
    result = collapse(counts_table({"none": 0, "other": 29}, 120), 0.9)
    assert result is not None
    row = result["comparisons"][0]
    assert row["p_fisher"] == pytest.approx(5.4e-10, rel=0.01)
    assert row["firth"]["log_odds_ratio"] == pytest.approx(4.353, abs=5e-4)
    assert row["firth"]["se"] == pytest.approx(1.439, abs=5e-4)
    assert row["p"] <= row["p_fisher"]
    assert result["headline"] == {"collapsing": ["other"], "more_than_control": ["other"], "less_than_control": []}


@pytest.mark.parametrize("name", TABLES)
def test_counts_of_the_reference_tables(name: str) -> None:
    frame, reference = load(name)
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")
    result = collapse(table, 0.9)
    assert result is not None
    assert {arm["level"]: arm["collapsed"] for arm in result["arms"]} == reference["collapse"]["counts"]
    assert {arm["level"]: arm["runs"] for arm in result["arms"]} == reference["collapse"]["n"]


@pytest.mark.parametrize(("first", "second"), [(0, 29), (3, 11), (0, 0), (40, 40), (7, 7)])
def test_firth_equals_adding_half_an_event_in_a_two_by_two_table(first: int, second: int) -> None:
    n = 40
    fit = firth_logistic(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([first, second]), np.array([n, n]))
    odds = [np.log((k + 0.5) / (n - k + 0.5)) for k in (first, second)]
    assert fit.coefficients[1] == pytest.approx(odds[1] - odds[0], abs=1e-9)
    weights = [n * special.expit(o) * special.expit(-o) for o in odds]
    assert fit.se[1] == pytest.approx(np.sqrt(1 / weights[0] + 1 / weights[1]), rel=1e-9)


def test_firth_maximises_the_penalised_likelihood_and_tests_by_its_ratio() -> None:
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(12), rng.normal(size=12), rng.integers(0, 2, 12)])
    trials = rng.integers(3, 9, 12)
    events = rng.binomial(trials, 0.15)

    def loss(beta: np.ndarray, held: np.ndarray | None = None) -> float:
        full = beta if held is None else np.insert(beta, 1, held)
        p = special.expit(design @ full)
        information = (design * (trials * p * (1 - p))[:, None]).T @ design
        loglik = (events * np.log(p) + (trials - events) * np.log1p(-p)).sum()
        return -(loglik + 0.5 * np.linalg.slogdet(information)[1])

    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 20_000, "maxfev": 20_000}
    free = optimize.minimize(loss, np.zeros(3), method="Nelder-Mead", options=options)
    fixed = optimize.minimize(loss, np.zeros(2), (0.0,), method="Nelder-Mead", options=options)
    fit = firth_logistic(design, events, trials)
    np.testing.assert_allclose(fit.coefficients, free.x, rtol=1e-5, atol=1e-6)
    assert fit.penalised_loglik == pytest.approx(-free.fun, rel=1e-10)
    assert fit.p[1] == pytest.approx(stats.chi2.sf(2 * (fixed.fun - free.fun), 1), rel=1e-6)
    limit = stats.chi2.ppf(0.95, 1)
    for end in (fit.ci_low[1], fit.ci_high[1]):
        at_end = optimize.minimize(loss, fit.coefficients[[0, 2]], (end,), method="Nelder-Mead", options=options)
        assert 2 * (at_end.fun - free.fun) == pytest.approx(limit, rel=1e-6)


def test_firth_refuses_a_design_without_full_rank() -> None:
    with pytest.raises(ValueError, match="full column rank"):
        firth_logistic(np.ones((3, 2)), np.array([1, 2, 0]), np.array([4, 4, 4]))


@pytest.mark.parametrize(("events", "trials"), [(0, 120), (1, 20), (29, 120), (20, 20)])
def test_clopper_pearson_inverts_the_binomial_test(events: int, trials: int) -> None:
    interval = stats.binomtest(events, trials).proportion_ci(method="exact")
    assert clopper_pearson(events, trials) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_jeffreys_interval_is_that_of_the_beta_posterior() -> None:
    assert jeffreys(3, 20) == pytest.approx(stats.beta.interval(0.95, 3.5, 17.5), rel=1e-12)
    assert jeffreys(0, 20)[0] == 0.0
    assert jeffreys(20, 20)[1] == 1.0


def test_no_collapse_is_told_by_the_rule_of_three() -> None:
    result = collapse(counts_table({"a": 0, "b": 0}, 120), 0.9)
    assert result is not None
    assert result["arms"][0]["rule_of_three"] == pytest.approx(0.025, rel=1e-12)
    assert "none of 120 runs" in result["arms"][0]["in_words"]
    assert "2.5 %" in result["arms"][0]["in_words"]
    assert result["comparisons"][0]["p"] == 1.0
    assert result["headline"]["collapsing"] == []
    assert result["model"] == []


def test_tests_within_blocks_and_cells_agree_with_their_definitions() -> None:
    table = blocked_table(np.random.default_rng(1), missing=0.15)
    result = collapse(table, 0.9)
    assert result is not None
    json.dumps(result, allow_nan=False)
    frame = table.frame.assign(bad=table.frame["right"] < 90)
    wide = frame.pivot(index=["rep", "size"], columns="method", values="bad")[["c", "x"]].dropna().astype(int)
    matched = result["comparisons"][0]["matched"]
    assert matched["pairs"] == len(wide)
    assert matched["arm_only"] == ((wide["x"] == 1) & (wide["c"] == 0)).sum()
    assert matched["p_mcnemar"] == mcnemar_exact(matched["arm_only"], matched["control_only"])
    # Every flip of whole blocks, one by one.
    by_block = (wide["x"] - wide["c"]).groupby("rep").sum().to_numpy()
    flips = np.array(list(itertools.product((-1, 1), repeat=len(by_block)))) @ by_block
    assert matched["p_blocks"] == pytest.approx((np.abs(flips) >= abs(by_block.sum())).mean(), rel=1e-12)

    strata = []
    for _, cell in frame.groupby("size", observed=True):
        arms = [cell[cell["method"] == arm]["bad"] for arm in ("x", "c")]
        strata.append([[arm.sum(), (~arm).sum()] for arm in arms])
    reference = StratifiedTable(np.array(strata, dtype=float).transpose(1, 2, 0))
    stratified = result["comparisons"][0]["mantel_haenszel"]
    assert stratified["odds_ratio"] == pytest.approx(reference.oddsratio_pooled, rel=1e-9)
    assert stratified["p_cmh"] == pytest.approx(reference.test_null_odds(correction=True).pvalue, rel=1e-9)


def test_exact_stratified_test_of_one_stratum_is_fishers() -> None:
    rows = [{"arm": a, "k": r < f, "n": 1, "other": "one"} for a, f in (("c", 2), ("x", 9)) for r in range(12)]
    rows += [{"arm": a, "k": True, "n": 1, "other": "two"} for a in "cx"]
    frame = pd.DataFrame(rows).astype({"k": int})
    table = build_table(frame, ["arm", "other"], "c", None, "k", "n")
    result = collapse(table, 0.5)
    assert result is not None
    # In "two" no run collapsed, so it carries no information; in "one" 10 of 12 and 3 of 12 did.
    fisher = stats.fisher_exact([[3, 10], [9, 2]]).pvalue
    assert result["comparisons"][0]["mantel_haenszel"]["p"] == pytest.approx(fisher, rel=1e-9)


def test_one_pair_a_block_makes_the_block_test_mcnemars() -> None:
    rng = np.random.default_rng(5)
    rows = [
        {"arm": arm, "block": b, "k": 10 if rng.random() < risk else 99, "n": 100}
        for arm, risk in (("c", 0.2), ("x", 0.7))
        for b in range(15)
    ]
    result = collapse(build_table(pd.DataFrame(rows), ["arm"], "c", "block", "k", "n"), 0.9)
    assert result is not None
    matched = result["comparisons"][0]["matched"]
    assert matched["p_blocks"] == pytest.approx(matched["p_mcnemar"], rel=1e-12)
    assert result["comparisons"][0]["mantel_haenszel"] is None


def test_diverged_runs_count_as_collapsed_whatever_their_score() -> None:
    frame = pd.DataFrame(
        {
            "arm": list("ccxx"),
            "seed": [0, 1, 0, 1],
            "k": [99, 98, 97, 96],
            "n": 100,
            "status": ["ok"] * 3 + ["diverged"],
        }
    )
    table = build_table(frame, ["arm"], "c", "seed", "k", "n")
    assert collapsed_runs(table, 0.9).tolist() == [False, False, False, True]
    result = collapse(table, 0.9)
    assert result is not None
    assert result["arms"][1]["diverged"] == 1


def test_a_response_collapses_below_its_own_threshold_and_not_without_one() -> None:
    frame = pd.DataFrame({"arm": list("ccxx"), "seed": [0, 1, 0, 1], "y": [5.0, 6.0, -1.0, 7.0]})
    table = build_table(frame, ["arm"], "c", "seed", response="y")
    assert collapse(table, None) is None
    result = collapse(table, 0.0)
    assert result is not None
    assert result["arms"][1]["collapsed"] == 1
    assert result["sensitivity"] == []


def test_holm_multiplies_the_smallest_p_by_the_number_of_arms() -> None:
    result = collapse(counts_table({"c": 0, "x": 20, "y": 1, "z": 0}, 40), 0.9)
    assert result is not None
    p = [row["p"] for row in result["comparisons"]]
    assert result["comparisons"][0]["p_adjusted"] == pytest.approx(3 * p[0], rel=1e-12)
    assert result["comparisons"][1]["p_adjusted"] == pytest.approx(min(1.0, 2 * p[1]), rel=1e-12)
