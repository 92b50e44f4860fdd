"""Repeated-measures analysis of variance against R's afex and car, and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import AnovaRM, anova_lm

from study.stats.effects.anova import Term, anova
from study.stats.table import build_table
from tests.oracle import TABLES, load

BALANCED = [name for name in TABLES if name != "missing"]


@pytest.fixture(scope="module", params=BALANCED)
def case(request: pytest.FixtureRequest) -> tuple[dict[str, Term], dict]:
    frame, r = load(request.param)
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", response="y")
    return {row.term: row for row in anova(table, "response")}, r["afex"]


def test_f_tests_epsilon_and_eta_squared_agree_with_afex(case: tuple[dict[str, Term], dict]) -> None:
    found, r = case
    assert list(found) == [row["term"] for row in r["none"]]
    for row in r["none"]:
        term = found[row["term"]]
        assert (term.df1, term.df2) == (row["num Df"], row["den Df"])
        assert pytest.approx(row["F"], rel=1e-9) == term.F
        assert term.p == pytest.approx(row["Pr(>F)"], rel=1e-9)
        assert term.ges == pytest.approx(row["ges"], rel=1e-9)
    for row in r["GG"]:
        term = found[row["term"]]
        assert term.p_gg == pytest.approx(row["Pr(>F)"], rel=1e-9)
        assert term.df1 * term.epsilon_gg == pytest.approx(row["num Df"], rel=1e-9)


def test_two_factors_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [(n, w, g, rng.normal(w == "wide")) for n in "abc" for w in ("thin", "wide") for g in range(9)],
        columns=["norm", "width", "group", "score"],
    )
    found = anova(build_table(frame, ["norm", "width"], "a", "group", response="score"), "response")
    expected = AnovaRM(frame, "score", "group", within=["norm", "width"]).fit().anova_table
    for row, (_, reference) in zip(found, expected.iterrows(), strict=True):
        assert pytest.approx(reference["F Value"], rel=1e-9) == row.F
        assert row.p == pytest.approx(reference["Pr > F"], rel=1e-9)


def test_without_a_block_it_is_type_iii_analysis_of_variance() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        [(a, b, rng.normal(a == "y")) for a in "xyz" for b in "pq" for _ in range(7)], columns=[*"abv"]
    )
    frame = frame.drop(index=[0, 3, 9])
    found = anova(build_table(frame, ["a", "b"], "x", response="v"), "response")
    expected = anova_lm(ols("v ~ C(a, Sum) * C(b, Sum)", frame).fit(), typ=3)
    for row, (_, reference) in zip(found, expected.iloc[1:-1].iterrows(), strict=True):
        assert pytest.approx(reference["F"], rel=1e-9) == row.F
        assert row.p == pytest.approx(reference["PR(>F)"], rel=1e-9)
        assert (row.epsilon_gg, row.p_gg, row.blocks) == (1.0, pytest.approx(row.p), None)


def test_missing_runs_leave_the_complete_blocks() -> None:
    frame, _ = load("missing")
    full = frame.groupby("seed").filter(lambda rows: len(rows) == 30)
    names = ["bn", "dropout", "lr"]
    found = anova(build_table(frame, names, "none", "seed", response="y"), "response")
    alone = anova(build_table(full, names, "none", "seed", response="y"), "response")
    assert (found[0].blocks, found[0].blocks_complete) == (20, full["seed"].nunique())
    assert [row.F for row in found] == pytest.approx([row.F for row in alone], rel=1e-9)


def test_too_few_complete_blocks_are_told_in_words() -> None:
    frame, _ = load("null")
    frame = frame.drop(index=frame.groupby("seed").head(1).index)
    frame = pd.concat([frame, load("null")[0].groupby("seed").head(1).iloc[:1]])
    found = anova(build_table(frame, ["bn", "dropout", "lr"], "none", "seed", response="y"), "response")
    assert (found[0].F, found[0].p_gg, found[0].blocks_complete) == (None, None, 1)
    assert "1 complete block" in found[0].note


def test_no_variation_is_told_in_words() -> None:
    frame = pd.DataFrame([(a, s, float(a == "y")) for a in "xy" for s in range(5)], columns=["a", "s", "v"])
    (row,) = anova(build_table(frame, ["a"], "x", "s", response="v"), "response")
    assert (row.F, row.p, row.p_gg) == (None, None, None)
    assert "no variation" in row.note


def test_a_factor_with_one_level_has_no_term() -> None:
    frame = pd.DataFrame([(a, 1, s, s + (a == "y") * s**2) for a in "xy" for s in range(5)], columns=[*"absv"])
    found = anova(build_table(frame, ["a", "b"], "x", "s", response="v"), "response")
    assert [row.term for row in found] == ["a"]


def test_with_few_complete_blocks_epsilon_keeps_its_bound_and_the_note_says_so() -> None:
    """2 complete blocks of 6, a term of 3 degrees of freedom: no epsilon is below 1 / 3."""
    rng = np.random.default_rng(4)
    rows = [(arm, other, s, rng.normal()) for arm in "abcd" for other in "uv" for s in range(6)]
    frame = pd.DataFrame(rows, columns=["arm", "other", "s", "y"])
    frame = frame[~((frame["arm"] == "b") & (frame["other"] == "v") & (frame["s"] > 1))]
    terms = anova(build_table(frame, ["arm", "other"], "a", "s", response="y"), "response")
    assert terms[0].epsilon_gg is not None
    assert terms[0].epsilon_gg >= 1 / 3
    assert {term.note for term in terms} == {"only 2 of 6 blocks have a run in every cell; the others are left out"}
