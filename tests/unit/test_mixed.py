"""The mixed model of a study: what a user may ask, what the boundary does, what it costs, what is refused."""

import json
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.analysis.files import plain
from study.errors import StudyError
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.likelihood import likelihood
from study.stats.mixed.lmm import fit_mixed
from study.stats.mixed.summary import mixed_json
from study.stats.table import RunTable, build_table
from tests.dense_mixed_model import as_table, factorial_table
from tests.oracle import load


def oracle_table(name):
    return build_table(load(name)[0], ["bn", "dropout", "lr"], "none", "seed", response="y")


def balanced(shape, blocks, seed=0, sds=(1.0, 0.7, 1.0)):
    return factorial_table(shape, blocks, seed, sds=sds)


def with_score(table, score):
    return RunTable(table.frame.assign(score=score), table.factors, table.block, table.control, response="score")


def stratum_f(table, factor):
    """F of a factor against its interaction with the block: repeated-measures analysis of variance, by hand."""
    means = table.frame.groupby([table.block, factor], observed=True)["score"].mean().unstack()
    values = means.to_numpy()
    effect = values.mean(0) - values.mean()
    residual = values - values.mean(1, keepdims=True) - effect
    blocks, levels = values.shape
    f = blocks * (effect**2).sum() / (levels - 1) / ((residual**2).sum() / ((blocks - 1) * (levels - 1)))
    return f, (blocks - 1) * (levels - 1)


def test_a_random_interaction_above_zero_gives_the_repeated_measures_f():
    table = balanced((4, 3), 9, seed=5)
    model = fit_mixed(table, "response")
    assert (model.variances > 0.0).all()
    f, df2 = stratum_f(table, "alpha")
    test = MixedInference(model).term_test(("alpha",))
    assert (test.F, test.df2) == pytest.approx((f, df2), rel=1e-7)


def test_a_contrast_of_a_balanced_table_is_the_paired_t_test_over_blocks():
    table = balanced((2, 3), 9, seed=5)
    means = table.frame.groupby(["rat", "alpha"], observed=True)["score"].mean().unstack()
    paired = stats.ttest_rel(means["a1"], means["a0"])
    (found,) = mixed_json(table)["contrasts"]
    assert (found["statistic"], found["p"], found["df"]) == pytest.approx(
        (paired.statistic, paired.pvalue, 8), rel=1e-7
    )
    interval = paired.confidence_interval()
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((interval.low, interval.high), rel=1e-7)


def test_variances_of_a_balanced_design_are_the_mean_squares_solution():
    table = balanced((4, 3), 9, seed=5)
    model = fit_mixed(table, "response")
    frame = table.frame.assign(
        residual=table.frame["score"]
        - table.frame.groupby(list(table.factors), observed=True)["score"].transform("mean")
    )
    of_block = frame.groupby("rat")["residual"].mean()
    of_pair = frame.groupby(["rat", "alpha"], observed=True)["residual"].mean()
    within = frame["residual"].to_numpy() - of_pair.loc[list(zip(frame["rat"], frame["alpha"], strict=True))].to_numpy()
    ms_run = (within**2).sum() / (8 * 4 * 2)
    ms_pair = 3 * ((of_pair - of_block.reindex(of_pair.index.get_level_values(0)).to_numpy()) ** 2).sum() / (8 * 3)
    ms_block = 12 * (of_block**2).sum() / 8
    expected = [(ms_block - ms_pair) / 12, (ms_pair - ms_run) / 3, ms_run]
    assert [*model.variances, model.residual_variance] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("blocks", [2, 3, 4, 5, 9])
def test_kenward_roger_keeps_the_design_s_degrees_of_freedom_at_the_boundary(blocks):
    # Whatever the blocks' number, 2 and 4 degrees of freedom included, where the formula divides zero by zero.
    table = balanced((3, 2), blocks, seed=3)
    centred = table.frame["score"] - table.frame.groupby("rat")["score"].transform("mean")
    centred -= centred.groupby([table.frame["rat"], table.frame["alpha"]], observed=True).transform("mean")
    centred += np.random.default_rng(blocks).normal(0.0, 0.01, len(centred))
    model = fit_mixed(with_score(table, centred), "response")
    assert list(model.variances) == [0.0, 0.0]
    inference = MixedInference(model)
    kr = [inference.term_test(term) for term in [("alpha",), ("beta",), ("alpha", "beta")]]
    assert [test.df2 for test in kr] == pytest.approx([2 * (blocks - 1), 3 * (blocks - 1), 3 * (blocks - 1)], rel=1e-9)


def test_a_singular_fit_says_so_in_words_and_a_regular_one_does_not():
    singular = mixed_json(oracle_table("boundary"))
    assert singular["singular"] is True
    assert singular["message"].startswith("Singular fit: seed, seed:bn explain no more than chance")
    assert singular["components"][0]["sd"] == 0.0
    regular = mixed_json(oracle_table("seedslope"))
    assert regular["singular"] is False
    assert "Singular" not in regular["message"]


def test_the_result_has_every_term_and_arm():
    result = mixed_json(oracle_table("missing"), "seed + seed:bn")
    assert [row["term"] for row in result["terms"]] == [
        "bn", "dropout", "lr", "bn:dropout", "bn:lr", "dropout:lr", "bn:dropout:lr",
    ]  # fmt: skip
    assert [(row["level"], row["control"]) for row in result["contrasts"]] == [
        (arm, "none") for arm in ("keras", "contrib", "contrib_stale", "pkmital")
    ]
    assert [row["term"] for row in result["components"]] == ["seed", "seed:bn", "residual"]
    assert (result["runs"], result["blocks"]) == (576, 20)


def test_counts_are_analysed_as_log_odds_of_error_or_percentage_points():
    frame, expected = load("missing")
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", successes="test_correct", trials="test_n")
    log_odds = fit_mixed(table, "log_odds", "seed")
    assert log_odds.loglik == pytest.approx(expected["lmer"]["loglik"], rel=1e-9)
    points = fit_mixed(table, "pp", "seed")
    assert (points.cell_means > 95.0).all()


def test_the_highest_of_several_maxima_is_found():
    # Without a term for the block alone either of these two can take its variance; searches from the method of moments
    # or from equal variances end 11 below the maximum.
    table = factorial_table((3, 2), 5, 32, sds=(3.0, 3.0, 0.3), keep=0.6)
    model = fit_mixed(table, "response", "rat:alpha + rat:beta")
    grid = [0.0, *np.logspace(-2, 4, 40)]
    lowest = min(likelihood(model.patterns, np.array([one, other])).deviance for one in grid for other in grid)
    assert -2.0 * model.loglik <= lowest
    assert -2.0 * model.loglik == pytest.approx(lowest, abs=1.0)


def test_what_kenward_roger_does_not_define_is_null():
    # Two blocks, half of their runs missing, four random terms: the formula's F would be negative.
    table = factorial_table((3, 2), 2, 1, sds=(0.5, 10.0, 0.1), keep=0.5, repeats=2)
    result = plain(mixed_json(table, "rat + rat:alpha + rat:beta + rat:alpha:beta"))
    json.dumps(result, allow_nan=False)
    undefined = [row for row in result["terms"] if row["F_kr"] is None]
    assert undefined
    assert all(row["p_kr"] is None and row["df2_kr"] is None for row in undefined)


def test_the_unit_of_the_response_does_not_change_any_test():
    table = factorial_table((3, 2), 9, 2, keep=0.75)
    unscaled = fit_mixed(table, "response")
    scaled = fit_mixed(with_score(table, 1e4 + 1e-5 * table.frame["score"]), "response")
    np.testing.assert_allclose(scaled.variances, 1e-10 * unscaled.variances, rtol=1e-5)
    one, other = (MixedInference(model).term_test(("alpha",)) for model in (unscaled, scaled))
    assert (one.F, one.df2) == pytest.approx((other.F, other.df2), rel=1e-5)


def test_the_order_of_the_rows_does_not_matter():
    table = factorial_table((3, 2), 9, 2, keep=0.75)
    shuffled = RunTable(
        table.frame.sample(frac=1.0, random_state=1), table.factors, table.block, table.control, response="score"
    )
    one, other = (fit_mixed(some, "response") for some in (table, shuffled))
    assert one.loglik == pytest.approx(other.loglik, rel=1e-12)
    np.testing.assert_allclose(one.variances, other.variances, rtol=1e-7)


@pytest.mark.parametrize(
    ("shape", "blocks", "missing"), [((5, 2, 3), 333, 0.0), ((5, 2, 3), 333, 0.04), ((5, 10, 10), 20, 0.04)]
)
def test_ten_thousand_runs_need_no_matrix_of_runs_by_runs(shape, blocks, missing):
    table = factorial_table(shape, blocks, 1, keep=1.0 - missing)
    tracemalloc.start()
    result = mixed_json(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(table.frame) ** 2 / 2
    assert result["components"][-1]["sd"] == pytest.approx(1.0, abs=0.05)


def test_the_default_leaves_out_an_interaction_that_equals_the_runs():
    table = balanced((4,), 9)
    assert fit_mixed(table, "response").random == ("rat",)
    assert fit_mixed(balanced((4, 2), 9), "response").random == ("rat", "rat:alpha")


def test_without_a_block_there_is_no_mixed_model():
    table = balanced((3, 2), 5)
    loose = RunTable(table.frame, table.factors, None, table.control, response="score")
    assert mixed_json(loose) is None
    with pytest.raises(StudyError, match="needs a block"):
        fit_mixed(loose, "response")


@pytest.mark.parametrize(
    ("random", "told"),
    [
        ("rat + alpha", "'alpha' does not contain the block 'rat'; write rat:alpha"),
        ("rat + rat:bn", "'bn' is not a column"),
        ("rat +", "'' is not a column"),
        ("rat + rat", "'rat' is repeated"),
        ("rat:alpha + alpha:rat", "'alpha:rat' is repeated"),
        ("rat + rat:alpha:beta", "cannot tell rat:alpha:beta and the residual apart"),
    ],
)
def test_random_terms_that_cannot_be_are_refused_in_one_line(random, told):
    with pytest.raises(StudyError, match=told) as refused:
        fit_mixed(balanced((3, 2), 9), "response", random)
    assert "\n" not in str(refused.value)


def test_an_empty_cell_is_named():
    frame = balanced((3, 2), 9).frame
    frame = frame[~((frame["alpha"] == "a1") & (frame["beta"] == "b1"))]
    table = RunTable(frame, ("alpha", "beta"), "rat", "a0", response="score")
    with pytest.raises(StudyError, match="none has alpha=a1, beta=b1"):
        fit_mixed(table, "response")


@pytest.mark.parametrize(
    "score",
    [
        lambda table: np.ones(len(table.frame)),
        lambda table: table.cell_index() / 3.0,
        lambda table: table.cell_index() / 3.0 + np.sqrt(table.block_index()),
        lambda table: table.cell_index() / 3.0 + np.sin(table.block_index() * (1.0 + table.frame["alpha"].cat.codes)),
    ],
    ids=["constant", "constant within cells", "cells and blocks alone", "cells and blocks by level alone"],
)
def test_a_response_without_noise_is_refused_without_a_warning(score):
    table = balanced((3, 2), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(StudyError, match=r"no noise to judge by|no variation between runs"):
            fit_mixed(with_score(table, np.asarray(score(table))), "response")


def test_values_that_are_not_finite_and_too_few_runs_are_refused():
    table = balanced((3, 2), 5)
    with pytest.raises(StudyError, match="finite response"):
        fit_mixed(with_score(table, table.frame["score"].where(table.frame.index > 0)), "response")
    first = table.frame["rat"] == "r0"
    with pytest.raises(StudyError, match="at least two values of the block"):
        fit_mixed(RunTable(table.frame[first], table.factors, "rat", "a0", response="score"), "response")
    one_each = table.frame.drop_duplicates(["alpha", "beta"]).assign(rat=[f"r{i}" for i in range(6)])
    with pytest.raises(StudyError, match="more runs than cells"):
        fit_mixed(as_table(one_each, ("alpha", "beta")), "response")


@pytest.mark.parametrize("name", [lambda i: i, lambda i: i + 0.5, lambda i: f"s{i}" if i % 2 else i])
def test_blocks_may_be_named_by_numbers_or_words(name):
    table = factorial_table((3, 2), 9, 2, keep=0.75)
    blocks = [name(int(label[1:])) for label in table.frame["rat"]]
    renamed = RunTable(table.frame.assign(rat=blocks), table.factors, "rat", "a0", response="score")
    one, other = mixed_json(table), mixed_json(renamed)
    assert other["loglik"] == pytest.approx(one["loglik"], rel=1e-12)


def test_no_level_or_factor_name_matters():
    frame = balanced((3, 2), 9, seed=5).frame
    renamed = frame.rename(columns={"alpha": "x y", "beta": "C", "rat": "Intercept"})
    table = RunTable(renamed, ("x y", "C"), "Intercept", "a0", response="score")
    one, other = fit_mixed(table, "response"), fit_mixed(balanced((3, 2), 9, seed=5), "response")
    assert one.random == ("Intercept", "Intercept:x y")
    assert one.loglik == other.loglik


def test_a_factor_between_blocks_leaves_out_the_term_that_the_runs_cannot_tell() -> None:
    """Each block has one level of the factor in question: block and block:factor are one."""
    rng = np.random.default_rng(2)
    quality = 2 * rng.normal(size=12)
    rows = [("ab"[s % 2], other, s, quality[s] + rng.normal()) for s in range(12) for other in "uvw"]
    frame = pd.DataFrame(rows, columns=["arm", "other", "s", "y"])
    table = build_table(frame, ["arm", "other"], "a", "s", response="y")
    with pytest.raises(StudyError, match="cannot tell"):
        fit_mixed(table, "response", "s + s:arm")
    found = mixed_json(table)
    assert found is not None
    assert found["random"] == "s"
    assert found["message"].startswith("The term s:arm was left out")
    means = frame.groupby(["arm", "s"])["y"].mean()
    unpaired = stats.ttest_ind(means["b"], means["a"])  # balanced: the mixed model is the t test of block means
    assert found["contrasts"][0]["p"] == pytest.approx(unpaired.pvalue, rel=1e-6)
