"""Contrasts against R's clubSandwich, emmeans and t tests, and against brute force."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.stats.effects import cluster_robust
from study.stats.effects.contrasts import cell_parts, change_parts, compare_with_control, effects, level_parts
from study.stats.multiplicity import holm
from study.stats.table import RunTable, build_table
from tests.oracle import TABLES, load

BALANCED = [name for name in TABLES if name != "missing"]


def table_of(frame: pd.DataFrame, block: str | None = "seed", **outcome: str) -> RunTable:
    return build_table(frame, ["bn", "dropout", "lr"], "none", block, **(outcome or {"response": "y"}))


def sum_coding(column: pd.Series, levels: list) -> np.ndarray:
    codes = column.map(levels.index).to_numpy()
    return np.vstack([np.eye(len(levels) - 1), -np.ones(len(levels) - 1)])[codes]


@pytest.mark.parametrize("name", TABLES)
def test_coefficients_of_an_additive_model_agree_with_clubsandwich(name: str) -> None:
    frame, r = load(name)
    columns = [np.ones((len(frame), 1))]
    for factor in ("bn", "dropout", "lr"):
        columns.append(sum_coding(frame[factor], list(dict.fromkeys(frame[factor]))))
    model = cluster_robust.fit(frame["y"].to_numpy(), np.hstack(columns), frame["seed"].to_numpy())
    found = cluster_robust.estimate(model, np.eye(8))
    errors = np.sqrt(np.diag(found.covariance))
    for i, row in enumerate(r["cr2"]):
        statistic = found.estimate[i] / errors[i]
        assert found.estimate[i] == pytest.approx(row["beta"], rel=1e-9)
        assert errors[i] == pytest.approx(row["SE"], rel=1e-9)
        assert statistic == pytest.approx(row["tstat"], rel=1e-9)
        assert found.df[i] == pytest.approx(row["df_Satt"], rel=1e-9)
        assert 2 * stats.t.sf(abs(statistic), found.df[i]) == pytest.approx(row["p_Satt"], rel=1e-9)


@pytest.mark.parametrize("name", BALANCED)
def test_balanced_contrasts_are_the_paired_t_test_over_blocks(name: str) -> None:
    frame, r = load(name)
    found = compare_with_control(table_of(frame), "response")
    for effect, row, multivariate in zip(found, r["paired_t"], r["afex"]["emmeans_multivariate"], strict=True):
        assert effect.level == row["bn"]
        assert effect.estimate == pytest.approx(row["estimate"], rel=1e-9)
        assert effect.statistic == pytest.approx(row["t"], rel=1e-9)
        assert effect.df == pytest.approx(row["df"], rel=1e-9)
        assert effect.p == pytest.approx(row["p"], rel=1e-9)
        assert effect.se == pytest.approx(multivariate["SE"], rel=1e-9)
        assert effect.p == pytest.approx(multivariate["p.value"], rel=1e-9)


def test_counts_on_the_log_odds_scale_are_the_response_of_the_reference() -> None:
    frame, _ = load("interaction")
    counts = compare_with_control(table_of(frame, successes="test_correct", trials="test_n"), "log_odds")
    response = compare_with_control(table_of(frame), "response")
    for one, other in zip(counts, response, strict=True):
        assert one.estimate == pytest.approx(other.estimate, rel=1e-9)
        assert one.p_adjusted == pytest.approx(other.p_adjusted, rel=1e-9)


@pytest.mark.parametrize("name", BALANCED)
def test_adjusted_p_values_and_intervals_are_those_of_simulated_paired_differences(name: str) -> None:
    """Studies of 20 blocks without effects, with the correlation of these differences: each its own t statistics."""
    frame, _ = load(name)
    wide = frame.groupby(["seed", "bn"])["y"].mean().unstack("bn")
    found = compare_with_control(table_of(frame), "response")
    differences = wide[[effect.level for effect in found]].sub(wide["none"], axis=0)
    root = np.linalg.cholesky(np.corrcoef(differences.T))
    draws = np.random.default_rng(8).normal(size=(60_000, 20, 4)) @ root.T
    largest = np.abs(draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(20))).max(axis=1)
    for effect in found:
        statistic = stats.ttest_1samp(differences[effect.level], 0).statistic
        assert effect.p_adjusted == pytest.approx((largest > abs(statistic)).mean(), abs=0.008)
        half = (effect.ci_high - effect.ci_low) / 2 / stats.sem(differences[effect.level])
        assert (largest > half).mean() == pytest.approx(0.05, abs=0.004)


def test_without_a_block_a_contrast_is_a_t_test_with_separate_variances() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=9), rng.normal(1, 3, size=14)
    frame = pd.DataFrame({"arm": ["a"] * 9 + ["b"] * 14, "y": np.concatenate([a, b])})
    (effect,) = compare_with_control(build_table(frame, ["arm"], "a", response="y"), "response")
    assert effect.estimate == pytest.approx(b.mean() - a.mean())
    assert effect.se == pytest.approx(np.sqrt(a.var(ddof=1) / 9 + b.var(ddof=1) / 14), rel=1e-9)
    welch = stats.ttest_ind(b, a, equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert effect.df == pytest.approx(welch.df, rel=1e-9)
    assert effect.statistic == pytest.approx(welch.statistic, rel=1e-9)
    assert effect.p == pytest.approx(welch.pvalue, rel=1e-9)
    assert (effect.ci_low, effect.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_contrasts_inside_cells_are_paired_t_tests() -> None:
    frame, _ = load("seedslope")
    found = effects(table_of(frame), cell_parts(table_of(frame)), "response")
    assert len(found) == 24
    for effect in found:
        here = frame[(frame["dropout"] == float(effect.cell["dropout"])) & (frame["lr"] == float(effect.cell["lr"]))]
        wide = here.pivot(index="seed", columns="bn", values="y")
        test = stats.ttest_rel(wide[effect.level], wide["none"])
        assert effect.statistic == pytest.approx(test.statistic, rel=1e-9)
        assert effect.p == pytest.approx(test.pvalue, rel=1e-9)


def test_interactions_are_differences_of_differences() -> None:
    frame, _ = load("interaction")
    found = effects(table_of(frame), change_parts(table_of(frame), "dropout"), "response")
    means = frame.groupby(["bn", "dropout", "seed"])["y"].mean().unstack("dropout")
    change = (means[0.3] - means[0.0]).unstack("bn")
    for effect in found:
        test = stats.ttest_rel(change[effect.level], change["none"])
        assert effect.cell == {"dropout": "0.3 - 0.0"}
        assert effect.statistic == pytest.approx(test.statistic, rel=1e-9)


def test_effects_at_a_level_are_paired_t_tests_of_its_means_and_changes_are_over_all_pairs_of_levels() -> None:
    frame, _ = load("interaction")
    table = table_of(frame)
    means = frame.groupby(["bn", "lr", "seed"])["y"].mean().unstack("bn")
    for effect in effects(table, level_parts(table, "lr"), "response"):
        here = means.xs(float(effect.cell["lr"]), level="lr")
        test = stats.ttest_rel(here[effect.level], here["none"])
        assert (effect.statistic, effect.p) == pytest.approx((test.statistic, test.pvalue), rel=1e-9)
    changes = effects(table, change_parts(table, "lr"), "response")
    pairs = ["0.001 - 0.0002", "0.005 - 0.0002", "0.005 - 0.001"]
    assert [effect.cell["lr"] for effect in changes if effect.level == "keras"] == pairs


def test_p_and_interval_come_from_one_adjustment() -> None:
    """An interval excludes 0 exactly when its adjusted p value is below alpha."""
    rng = np.random.default_rng(3)
    arms = ["none", "a", "b", "c"]
    seen = set()
    for _ in range(60):
        shifts = dict(zip(arms, [0, *rng.normal(scale=0.8, size=3)], strict=True))
        frame = pd.DataFrame(
            [{"bn": arm, "seed": s, "y": shifts[arm] + rng.normal()} for arm in arms for s in range(9)]
        )
        for effect in compare_with_control(build_table(frame, ["bn"], "none", "seed", response="y")):
            assert effect.ci_low is not None
            assert effect.ci_high is not None
            excluded = effect.ci_low > 0 or effect.ci_high < 0
            assert effect.p_adjusted is not None
            assert excluded == (effect.p_adjusted < 0.05)
            seen.add(excluded)
    assert len(seen) == 2


def test_holm_is_holm() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    adjusted, _ = holm(p)
    assert adjusted[[0, 1, 3, 4]] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert np.isnan(adjusted[2])


def constant(arm: float, control: float = 1.0, noise: float = 0.0) -> RunTable:
    rng = np.random.default_rng(0)
    rows = [
        {"bn": level, "seed": seed, "y": value + (noise * rng.normal() if level == "c" else 0.0)}
        for level, value in (("none", control), ("a", arm), ("b", arm), ("c", control))
        for seed in range(6)
    ]
    return build_table(pd.DataFrame(rows), ["bn"], "none", "seed", response="y")


def test_runs_without_any_variation_are_told_in_words() -> None:
    same, other = (compare_with_control(constant(arm), "response")[0] for arm in (1.0, 0.3))
    assert (same.estimate, same.se, same.p, same.p_adjusted, same.statistic) == (0.0, 0.0, 1.0, 1.0, None)
    assert (other.se, other.p, other.p_adjusted) == (0.0, 0.0, 0.0)
    assert (other.ci_low, other.ci_high) == (other.estimate, other.estimate)
    assert "no variation" in same.note
    assert "no variation" in other.note


def test_arms_without_variation_do_not_disturb_the_others() -> None:
    found = compare_with_control(constant(0.3, noise=0.1), "response")
    assert [effect.se == 0 for effect in found] == [True, True, False]
    assert found[2].p_adjusted == pytest.approx(found[2].p)


def test_a_cell_without_variation_is_no_part_of_the_family() -> None:
    rng = np.random.default_rng(4)
    rows = [
        (arm, cell, seed, rng.normal() if cell == "p" else 1.0)
        for arm in ("none", "a", "b")
        for cell in "pq"
        for seed in range(8)
    ]
    frame = pd.DataFrame(rows, columns=["bn", "cell", "seed", "y"])
    both = build_table(frame, ["bn", "cell"], "none", "seed", response="y")
    alone = build_table(frame[frame["cell"] == "p"], ["bn"], "none", "seed", response="y")
    found = effects(both, cell_parts(both), "response")
    expected = compare_with_control(alone, "response")
    assert [e.p_adjusted for e in found[:2]] == pytest.approx([e.p_adjusted for e in expected], rel=1e-6)
    assert [e.p for e in found[2:]] == [1.0, 1.0]


def test_collapsed_arms_that_share_the_controls_variation_are_one_comparison() -> None:
    """All collapsed arms have correlation 1 with each other: only the control varies."""
    rng = np.random.default_rng(2)
    rows = [
        {"bn": level, "seed": seed, "y": rng.normal(98, 0.1) if level == "none" else 9.8}
        for level in ("none", "a", "b", "c")
        for seed in range(12)
    ]
    table = build_table(pd.DataFrame(rows), ["bn"], "none", "seed", response="y")
    for effect in compare_with_control(table, "response"):
        assert effect.p_adjusted == pytest.approx(effect.p, rel=1e-6)
        half = stats.t.isf(0.025, effect.df) * effect.se
        assert effect.ci_low == pytest.approx(effect.estimate - half, rel=1e-9)


def test_a_cell_with_one_run_has_no_test_of_its_own() -> None:
    frame, _ = load("null")
    hole = (frame["bn"] == "keras") & (frame["lr"] == 0.005) & (frame["dropout"] == 0.3) & (frame["seed"] > 0)
    table = table_of(frame[~hole])
    average = compare_with_control(table, "response")[0]
    assert average.p is not None
    assert average.note
    alone = [e for e in effects(table, cell_parts(table), "response") if e.p is None]
    assert [(e.level, e.cell, e.ci_low, e.label) for e in alone] == [
        ("keras", {"dropout": "0.3", "lr": "0.005"}, None, "inconclusive")
    ]


def test_without_blocks_a_cell_with_one_run_takes_the_variance_of_the_others() -> None:
    rng = np.random.default_rng(6)
    rows = [("a", "u", v) for v in rng.normal(size=8)] + [("b", "u", v) for v in rng.normal(size=8)]
    rows += [("a", "v", v) for v in rng.normal(size=8)] + [("b", "v", 5.0)]
    table = build_table(pd.DataFrame(rows, columns=["arm", "cell", "y"]), ["arm", "cell"], "a", response="y")
    single = effects(table, cell_parts(table))[1]
    groups = [[v for arm, cell, v in rows if (arm, cell) == key] for key in (("a", "u"), ("b", "u"), ("a", "v"))]
    pooled = sum(7 * np.var(group, ddof=1) for group in groups) / 21
    assert single.se == pytest.approx(np.sqrt(np.var(groups[2], ddof=1) / 8 + pooled), rel=1e-9)
    assert "one run" in single.note


def test_ten_thousand_runs_need_no_matrix_of_runs_by_runs() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [(a, b, s, v) for a in "abcde" for b in range(4) for s, v in enumerate(rng.normal(size=500))],
        columns=["bn", "width", "seed", "y"],
    )
    table = build_table(frame, ["bn", "width"], "a", "seed", response="y")
    tracemalloc.start()
    compare_with_control(table, "response")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(frame) ** 2 / 10
