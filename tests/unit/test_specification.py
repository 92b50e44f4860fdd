"""The specification table: each method against the module it rests on."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from study.stats.effects.contrasts import compare_with_control
from study.stats.robustness.specification_curve import METHODS, Specification, area_under_curve, specification_table
from study.stats.table import RunTable, build_table, log_odds_of_error
from tests.oracle import load

RNG = np.random.default_rng


def table_of(frame: pd.DataFrame, block: str | None = "seed") -> RunTable:
    return build_table(frame, ["bn", "dropout", "lr"], "none", block, "test_correct", "test_n")


def pick(rows: list[Specification], **wanted: object) -> Specification:
    (found,) = [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
    return found


FIRST = {"level": "keras", "scale": "log_odds", "handling": "all runs", "endpoint": "last epoch"}


@pytest.fixture(scope="module")
def balanced() -> list[Specification]:
    return specification_table(table_of(load("seedslope")[0]), RNG(0), collapse_below=0.9)


def test_the_primary_specification_is_the_headline(balanced: list[Specification]) -> None:
    effect = compare_with_control(table_of(load("seedslope")[0]))[0]
    primary = [row for row in balanced if row.primary]
    assert [row.level for row in primary] == ["keras", "contrib", "contrib_stale", "pkmital"]
    assert (primary[0].method, primary[0].estimate, primary[0].p) == ("CR2", effect.estimate, pytest.approx(effect.p))


def test_every_scale_method_and_handling_is_there(balanced: list[Specification]) -> None:
    combinations = {(row.scale, row.method, row.handling) for row in balanced}
    expected = {
        (scale, method, handling)
        for scale, method, handling in itertools.product(("log_odds", "pp"), METHODS, ("all runs", "not collapsed"))
        if (scale == "log_odds" or method != "binomial GLMM") and method != "trimmed mean"
    }
    assert combinations == expected | {(scale, "trimmed mean", "trimmed") for scale in ("log_odds", "pp")}
    assert len(balanced) == 4 * len(combinations)


def test_on_balanced_data_all_means_agree(balanced: list[Specification]) -> None:
    expected = pick(balanced, **FIRST, method="CR2").estimate
    for method in ("CR2, main effects", "repeated measures", "mixed model", "sign flips", "HC3, no blocks"):
        assert pick(balanced, **FIRST, method=method).estimate == pytest.approx(expected, rel=1e-6)


def test_hc3_agrees_with_statsmodels() -> None:
    frame = load("missing")[0]
    found = pick(specification_table(table_of(frame), RNG(0)), **FIRST, method="HC3, no blocks")
    table = table_of(frame)
    X = np.eye(30)[table.cell_index()]
    c = np.zeros(30)
    c[6:12], c[:6] = 1 / 6, -1 / 6
    fit = sm.OLS(table.values("log_odds"), X).fit(cov_type="HC3", use_t=True)
    test = fit.t_test(c)
    assert found.se == pytest.approx(test.sd.item(), rel=1e-9)
    assert found.p == pytest.approx(test.pvalue.item(), rel=1e-9)


def test_repeated_measures_use_the_pooled_error() -> None:
    frame, r = load("seedslope")
    found = pick(specification_table(table_of(frame), RNG(0)), **FIRST, method="repeated measures")
    error = next(row["MSE"] for row in r["afex"]["none"] if row["term"] == "bn")
    assert found.se == pytest.approx(np.sqrt(2 * error / 120), rel=1e-9)
    assert found.df == 76


def test_the_mixed_model_agrees_with_lme4() -> None:
    frame, r = load("null")
    found = specification_table(table_of(frame), RNG(0), random="seed")
    row = next(row for row in r["emmeans_kr"]["vs_none_none"] if row["contrast"].startswith("keras "))
    mixed = pick(found, **FIRST, method="mixed model")
    assert mixed.estimate == pytest.approx(row["estimate"], rel=1e-6)
    assert mixed.se == pytest.approx(row["SE"], rel=1e-6)
    assert mixed.df == pytest.approx(row["df"], rel=1e-6)


def test_the_binomial_mixed_model_agrees_with_glmmtmb() -> None:
    # An average over cells from R's treatment coding: each coefficient counts in its share of the cells.
    frame, r = load("missing")
    found = pick(specification_table(table_of(frame), RNG(0)), **FIRST, method="binomial GLMM")
    terms = {row["term"]: row["Estimate"] for row in r["glmmTMB_olre"]["coef"]}
    shares = {"dropout0.3": 1 / 2, "lr0.001": 1 / 3, "lr0.005": 1 / 3}
    weights = {
        name: np.prod([shares[part] for part in name.split(":")[1:]]) for name in terms if name.startswith("bnkeras")
    }
    assert found.estimate == pytest.approx(-sum(weights[name] * terms[name] for name in weights), abs=5e-5)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.estimate / found.se)), rel=1e-9)
    assert found.df is None


def test_a_binomial_mixed_model_that_does_not_exist_says_why() -> None:
    frame = load("null")[0]
    frame.loc[frame["bn"] == "keras", "test_correct"] = 10_000
    found = pick(specification_table(table_of(frame), RNG(0)), **FIRST, method="binomial GLMM")
    assert found.estimate is None
    assert "infinite" in found.note


def test_collapsed_runs_are_left_out_of_the_conditional_rows_only() -> None:
    frame = load("null")[0]
    frame.loc[(frame["bn"] == "keras") & (frame["seed"] == 3), "test_correct"] = 1000
    found = specification_table(table_of(frame), RNG(0), collapse_below=0.9)
    everything = pick(found, **{**FIRST, "scale": "pp"}, method="CR2")
    conditional = pick(found, **{**FIRST, "scale": "pp", "handling": "not collapsed"}, method="CR2")
    trimmed = pick(found, **{**FIRST, "scale": "pp", "handling": "trimmed"})
    assert everything.estimate < -4
    assert abs(conditional.estimate) < 0.1
    assert abs(trimmed.estimate) < 0.1
    assert (everything.runs, conditional.runs) == (240, 234)


def test_an_arm_that_always_collapses_in_a_cell_has_no_conditional_contrast() -> None:
    frame = load("null")[0]
    frame.loc[(frame["bn"] == "keras") & (frame["lr"] == 0.005), "test_correct"] = 1000
    found = specification_table(table_of(frame), RNG(0), collapse_below=0.9)
    for method in METHODS:
        if method != "trimmed mean":
            conditional = {**FIRST, "handling": "not collapsed"}
            assert pick(found, **conditional, method=method).p is None
            assert "no run left" in pick(found, **conditional, method=method).note
            assert pick(found, **{**conditional, "level": "contrib"}, method=method).p is not None


def curves_of(frame: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for epoch in (1, 2):
        part = frame[["bn", "dropout", "lr", "seed"]].copy()
        part["epoch"], part["trials"] = epoch, 5000
        part["successes"] = (frame["test_correct"] // 2 - 100 // epoch).clip(lower=0)
        parts.append(part)
    return pd.concat(parts).sample(frac=1, random_state=0)


def test_the_area_under_the_curve_is_the_mean_over_epochs_of_each_run() -> None:
    frame = load("missing")[0]
    curves = curves_of(frame)
    found = area_under_curve(
        table_of(frame), curves.assign(lr=curves["lr"].map("{:.0e}".format).map(float)), "log_odds"
    )
    expected = sum(
        log_odds_of_error(frame["test_correct"] // 2 - 100 // epoch, np.full(len(frame), 5000)) for epoch in (1, 2)
    )
    assert found == pytest.approx(expected / 2)


def test_curves_add_an_endpoint() -> None:
    frame = load("null")[0]
    found = specification_table(table_of(frame), RNG(0), curves=curves_of(frame))
    area = pick(found, **{**FIRST, "endpoint": "area under the curve"}, method="Wilcoxon")
    assert area.p is not None
    assert not area.primary


def test_without_a_block_only_the_methods_that_need_none_have_numbers() -> None:
    found = specification_table(table_of(load("null")[0], block=None), RNG(0))
    numbers = {row.method for row in found if row.p is not None}
    assert numbers == {"CR2", "CR2, main effects", "binomial GLMM", "HC3, no blocks"}
    assert {row.note for row in found if row.p is None} == {"needs a block"}


def test_sign_flips_and_wilcoxon_are_those_of_the_blocks_differences(balanced: list[Specification]) -> None:
    frame = load("seedslope")[0]
    wide = frame.groupby(["seed", "bn"])["y"].mean().unstack("bn")
    test = stats.wilcoxon(wide["keras"] - wide["none"], method="exact")
    assert pick(balanced, **FIRST, method="Wilcoxon").p == pytest.approx(test.pvalue)
    flips = pick(balanced, **FIRST, method="sign flips")
    assert flips.ci_low < flips.estimate < flips.ci_high
