"""Correctness bits: variance between runs, and differences beyond these runs and these images."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from study.errors import StudyError
from study.stats.luck.crossed_components import RANDOM, crossed_components
from study.stats.luck.images import images
from study.stats.luck.reader_case import mean_squares, paired_difference, unpaired_difference
from study.stats.luck.run_variance import run_variance
from study.stats.table import RunTable, build_table
from tests.oracle import load

REFERENCE_TERMS = {
    "bn": "arm",
    "seed": "block",
    "image": "image",
    "bn:seed": "arm:block",
    "bn:image": "arm:image",
    "seed:image": "block:image",
    "Residuals": "arm:block:image",
}


@pytest.fixture(scope="module")
def reference() -> tuple[np.ndarray, dict]:
    frame, result = load("images")
    shape = [frame[name].nunique() for name in ("bn", "seed", "image")]
    order = frame.assign(bn=pd.Categorical(frame["bn"], ["none", "keras", "contrib"])).sort_values(
        ["bn", "seed", "image"]
    )
    return order["ok"].to_numpy().reshape(shape), result


def bits_table(correct: np.ndarray, drop: tuple[tuple[int, int, int], ...] = (), block: bool = True) -> RunTable:
    """Bits of shape (arms, cells, blocks, images) as a table; the first arm is the control."""
    rows = []
    for arm, cell, seed in itertools.product(*(range(n) for n in correct.shape[:3])):
        if (arm, cell, seed) not in drop:
            bits = correct[arm, cell, seed]
            rows.append({"m": f"m{arm}", "c": f"c{cell}", "s": seed, "k": bits.sum(), "n": bits.size})
            rows[-1]["correct_bits"] = np.packbits(bits).tobytes()
    return build_table(pd.DataFrame(rows), ["m", "c"], "m0", "s" if block else None, "k", "n")


def draw(rng: np.random.Generator, shape: tuple[int, int, int, int]) -> np.ndarray:
    easy = rng.beta(6, 1, size=shape[3])
    return (rng.random(shape) < easy).astype(np.uint8)


def test_mean_squares_agree_with_the_reference_analysis_of_variance(reference: tuple[np.ndarray, dict]) -> None:
    correct, result = reference
    squares = mean_squares(correct[:, :, :60])
    for row in result["aov_first_60_images"]:
        term = REFERENCE_TERMS[row["term"].strip()]
        assert squares.df[term] == row["Df"]
        assert squares.mean_square[term] == pytest.approx(row["Mean Sq"], rel=1e-9)


def test_crossed_variances_agree_with_the_reference_mixed_model(reference: tuple[np.ndarray, dict]) -> None:
    correct, result = reference
    found = crossed_components(mean_squares(correct), correct.shape)
    names = {"seed:image": "block:image", "bn:image": "arm:image", "bn:seed": "arm:block", "seed": "block"}
    reml = dict(zip(RANDOM, found, strict=True))
    for row in result["lmer"]["varcomp"]:
        term = "residual" if row["grp"] == "Residual" else names.get(row["grp"], row["grp"])
        # The criterion is flat, and the reference's search stops at three to four digits of these variances.
        assert reml[term] == pytest.approx(row["vcov"], rel=5e-4, abs=1e-12)
    _, blocks, n = correct.shape
    variance = 2 * (reml["residual"] + n * reml["arm:block"] + blocks * reml["arm:image"]) / (blocks * n)
    assert np.sqrt(variance) == pytest.approx(result["lmer"]["se"]["bnkeras"], rel=5e-4)


def test_the_fixed_effects_of_the_reference_mixed_model_are_the_differences(reference: tuple[np.ndarray, dict]) -> None:
    correct, result = reference
    found = images(bits_table(np.repeat(correct[:, None], 2, axis=1).astype(np.uint8)))
    assert found is not None
    for row, name in zip(found["contrasts"], ("bnkeras", "bncontrib"), strict=True):
        assert row["estimate_pp"] == pytest.approx(100 * result["lmer"]["fixef"][name], rel=1e-6)


def test_distribution_variance_is_jordans_formula_and_the_analysis_of_variance_estimate() -> None:
    correct = draw(np.random.default_rng(2), (1, 1, 12, 90))[0, 0]
    runs, n = correct.shape
    found = run_variance([correct])
    share = correct.mean(axis=0)
    s2 = runs / (runs - 1) * share * (1 - share)
    by_hand = n / (n - 1) * (correct.mean(axis=1).var(ddof=1) - s2.sum() / n**2)
    assert found.distribution == pytest.approx(by_hand, rel=1e-9)
    # (MS_run - MS_run:image) / n from a two-way layout fitted by least squares.
    run, image = np.repeat(np.arange(runs), n), np.tile(np.arange(n), runs)
    design = np.column_stack([pd.get_dummies(run).to_numpy(float), pd.get_dummies(image).to_numpy(float)[:, 1:]])
    rest = sm.OLS(correct.ravel().astype(float), design).fit()
    ms_run = n * correct.mean(axis=1).var(ddof=1)
    assert found.distribution == pytest.approx((ms_run - rest.ssr / ((runs - 1) * (n - 1))) / n, rel=1e-9)


def test_distribution_variance_is_unbiased_and_may_be_negative() -> None:
    rng = np.random.default_rng(11)
    easy = rng.beta(6, 1, size=60)
    sd = 0.05
    found = []
    for _ in range(3000):
        quality = rng.normal(0, sd, size=(6, 1))
        found.append(
            run_variance([(rng.random((6, 60)) < np.clip(easy + quality, 0, 1)).astype(np.uint8)]).distribution
        )
    shift = rng.normal(0, sd, size=(20_000, 1))
    truth = np.clip(easy + shift, 0, 1).mean(axis=1).var()
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth) < 4 * error
    assert min(found) < 0


def test_interval_of_the_distribution_variance_covers_the_truth() -> None:
    rng = np.random.default_rng(12)
    easy, sd = rng.uniform(0.4, 0.8, size=200), 0.05
    covered = 0
    for _ in range(500):
        quality = rng.normal(0, sd, size=(10, 1))
        found = run_variance([(rng.random((10, 200)) < easy + quality).astype(np.uint8)])
        covered += found.ci_low <= sd**2 <= found.ci_high
    assert 0.92 < covered / 500 < 0.98


def test_paired_difference_is_the_two_arm_mean_squares() -> None:
    rng = np.random.default_rng(4)
    correct = draw(rng, (2, 1, 9, 70))[:, 0] | (rng.random((2, 1, 70)) < 0.3)
    squares = mean_squares(correct)
    assert squares.mean_square["arm:image"] > squares.mean_square["arm:block:image"]
    blocks, n = correct.shape[1:]
    ms = squares.mean_square
    for new_images in (False, True):
        found = paired_difference(correct[1].astype(int) - correct[0], 1.0, new_images)
        images_part = max(ms["arm:image"] - ms["arm:block:image"], 0.0) if new_images else 0.0
        assert found.se**2 == pytest.approx(2 * (ms["arm:block"] + images_part) / (blocks * n), rel=1e-9)
        # Hillis (2007): the error's share that the arm by block mean square has decides its degrees of freedom.
        df = (blocks - 1) * ((ms["arm:block"] + images_part) / ms["arm:block"]) ** 2
        assert found.df == pytest.approx(df, rel=1e-9)
        statistic = ms["arm"] / (ms["arm:block"] + images_part)
        assert found.p == pytest.approx(stats.f.sf(statistic, 1, df), rel=1e-9)


def test_on_these_images_the_difference_is_the_paired_t_test() -> None:
    correct = draw(np.random.default_rng(6), (2, 1, 15, 80))
    found = images(bits_table(np.repeat(correct, 2, axis=1)))
    assert found is not None
    accuracy = correct[:, 0].mean(axis=2)
    test = stats.ttest_rel(accuracy[1], accuracy[0])
    interval = test.confidence_interval()
    row = found["contrasts"][0]["these_images"]
    assert row["statistic"] == pytest.approx(test.statistic, rel=1e-9)
    assert row["p"] == pytest.approx(test.pvalue, rel=1e-9)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((100 * interval.low, 100 * interval.high), rel=1e-9)


def test_unpaired_on_these_images_is_welchs_test() -> None:
    correct = draw(np.random.default_rng(7), (2, 1, 11, 80))[:, 0]
    found = unpaired_difference([correct[1, :8]], [correct[0]], new_images=False)
    test = stats.ttest_ind(correct[1, :8].mean(axis=1), correct[0].mean(axis=1), equal_var=False)
    assert found.p == pytest.approx(test.pvalue, rel=1e-9)
    assert found.df == pytest.approx(test.df, rel=1e-9)
    wider = unpaired_difference([correct[1, :8]], [correct[0]], new_images=True)
    assert wider.se >= found.se


@pytest.mark.parametrize("paired", [True, False])
def test_new_images_keep_their_level_where_arms_have_images_of_their_own(paired: bool) -> None:
    rng = np.random.default_rng(8)
    hits = {False: 0, True: 0}
    simulations, n, runs = 600, 60, 8
    for _ in range(simulations):
        easy = np.clip(0.7 + 0.12 * rng.normal(size=n) + 0.2 * rng.normal(size=(2, 1, n)), 0, 1)
        correct = (rng.random((2, runs, n)) < easy).astype(int)
        for new_images in hits:
            if paired:
                result = paired_difference(correct[1] - correct[0], 1.0, new_images)
            else:
                result = unpaired_difference([correct[1]], [correct[0]], new_images)
            hits[new_images] += result.p < 0.05
    assert hits[False] / simulations > 0.12
    assert 0.02 < hits[True] / simulations < 0.08


def test_averages_over_the_grid_use_complete_blocks_and_say_how_many() -> None:
    correct = draw(np.random.default_rng(9), (3, 2, 6, 48))
    found = images(bits_table(correct, drop=((1, 0, 2), (2, 1, 5))))
    assert found is not None
    json.dumps(found, allow_nan=False)
    assert [row["blocks"] for row in found["contrasts"]] == [5, 5]
    kept = [0, 1, 3, 4, 5]
    difference = (correct[1][:, kept].mean(axis=(0, 2)) - correct[0][:, kept].mean(axis=(0, 2))).mean()
    assert found["contrasts"][0]["estimate_pp"] == pytest.approx(100 * difference, rel=1e-9)
    complete = mean_squares(correct[:, :, [0, 1, 3, 4]].sum(axis=1), divisor=2)
    variances = 1e4 * crossed_components(complete, (3, 4, 48))
    assert [row["source"] for row in found["components"]] == ["s", "image", "m:s", "m:image", "s:image", "residual"]
    assert [row["variance"] for row in found["components"]] == pytest.approx(list(variances))
    assert [row["sd"] for row in found["components"]] == pytest.approx(list(np.sqrt(variances)))
    assert sum(row["share"] for row in found["components"]) == pytest.approx(1.0)


def test_single_pairs_are_compared_by_mcnemars_exact_test() -> None:
    correct = draw(np.random.default_rng(13), (2, 2, 5, 64))
    correct[1, :, :, :40] = 1
    found = images(bits_table(correct))
    assert found is not None
    p = []
    for cell, seed in itertools.product(range(2), range(5)):
        b = int(((correct[1, cell, seed] == 1) & (correct[0, cell, seed] == 0)).sum())
        c = int(((correct[1, cell, seed] == 0) & (correct[0, cell, seed] == 1)).sum())
        p.append(stats.binomtest(b, b + c).pvalue)
    row = found["contrasts"][0]
    assert row["mcnemar"]["pairs"] == 10
    assert row["mcnemar"]["better"] == sum(value < 0.05 for value in p)


def test_runs_without_bits_are_left_out_and_counted() -> None:
    correct = draw(np.random.default_rng(14), (2, 1, 4, 24))
    table = bits_table(np.repeat(correct, 2, axis=1))
    assert images(build_table(table.frame.drop(columns="correct_bits"), ["m", "c"], "m0", "s", "k", "n")) is None
    frame = table.frame.copy()
    frame.loc[3, "correct_bits"] = None
    found = images(build_table(frame, ["m", "c"], "m0", "s", "k", "n"))
    assert found is not None
    assert found["runs_without_bits"] == 1


def test_without_blocks_the_contrasts_are_unpaired_and_say_so() -> None:
    correct = draw(np.random.default_rng(15), (2, 2, 5, 40))
    found = images(bits_table(correct, block=False))
    assert found is not None
    assert not found["paired"]
    assert found["components"] is None
    assert found["contrasts"][0]["blocks"] is None
    assert found["contrasts"][0]["these_images"]["se"] > 0


def test_bits_that_do_not_fit_the_trials_are_refused() -> None:
    correct = draw(np.random.default_rng(16), (2, 1, 3, 24))
    frame = bits_table(np.repeat(correct, 2, axis=1)).frame
    with pytest.raises(StudyError, match="bytes in row 1"):
        images(build_table(frame.assign(n=48), ["m", "c"], "m0", "s", "k", "n"))
    with pytest.raises(StudyError, match="different numbers of images"):
        images(build_table(frame.assign(n=[25, *frame["n"][1:]]), ["m", "c"], "m0", "s", "k", "n"))


def test_identical_runs_leave_no_spread_and_no_nan() -> None:
    correct = np.repeat(draw(np.random.default_rng(17), (2, 1, 1, 32)), 4, axis=2)
    found = images(bits_table(np.repeat(correct, 2, axis=1)))
    json.dumps(found, allow_nan=False)
