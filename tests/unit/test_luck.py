"""How much is luck: variance shares, chances of a wrong sign, order statistics, almost stochastic order."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special, stats

from study.stats.effects.contrasts import compare_with_control
from study.stats.effects.probability_of_improvement import probability_better
from study.stats.layout import OutcomeGrid, block_means, outcome_grid
from study.stats.luck.best_of_k import expected_best
from study.stats.luck.one_run_each import luck
from study.stats.luck.stochastic_order import almost_stochastic_order, violation_ratio
from study.stats.luck.variance_shares import variance_shares
from study.stats.planning.simulate import Truth, simulate
from study.stats.table import RunTable, build_table
from tests.oracle import TABLES, load


def reference_table(name: str) -> RunTable:
    return build_table(load(name)[0], ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")


def grid_of(values: np.ndarray, paired: bool = True) -> OutcomeGrid:
    arms, cells, blocks = values.shape
    names = tuple(str(b) for b in range(blocks))
    return OutcomeGrid(values, tuple(f"m{i}" for i in range(arms)), tuple({} for _ in range(cells)), paired, names)


def shares_by_name(values: np.ndarray, shape: tuple[int, ...], factors: tuple[str, ...]) -> dict[str, float]:
    result = variance_shares(grid_of(values), factors, shape, "s", np.random.default_rng(0), replicates=2)
    assert result is not None
    return {row["term"]: row["variance"] for row in result["terms"]}


@pytest.fixture(scope="module")
def missing_luck() -> dict:
    return luck(reference_table("missing"), 0.1, np.random.default_rng(0), replicates=400)


# --- variance shares


def test_variances_of_a_balanced_table_come_from_expected_mean_squares() -> None:
    rng = np.random.default_rng(1)
    a, b, n = 3, 2, 7
    y = rng.normal(size=(a, b, n)) + rng.normal(size=n) + rng.normal(size=(a, 1, n))
    found = shares_by_name(y.reshape(a, b, n), (a, b), ("f", "g"))
    # Mean squares by hand from the cell, row and block means.
    mean = y.mean()
    f, g, s = y.mean(axis=(1, 2)), y.mean(axis=(0, 2)), y.mean(axis=(0, 1))
    fs, gs, fg = y.mean(axis=1), y.mean(axis=0), y.mean(axis=2)
    ms_f = b * n * ((f - mean) ** 2).sum() / (a - 1)
    ms_s = a * b * ((s - mean) ** 2).sum() / (n - 1)
    ms_fs = b * ((fs - f[:, None] - s + mean) ** 2).sum() / ((a - 1) * (n - 1))
    ms_gs = a * ((gs - g[:, None] - s + mean) ** 2).sum() / ((b - 1) * (n - 1))
    rest = y - fs[:, None] - gs[None] - fg[:, :, None] + f[:, None, None] + g[None, :, None] + s[None, None, :] - mean
    ms_e = (rest**2).sum() / ((a - 1) * (b - 1) * (n - 1))
    assert found["residual"] == pytest.approx(ms_e, rel=1e-9)
    assert found["s:f"] == pytest.approx((ms_fs - ms_e) / b, rel=1e-9)
    assert found["s:g"] == pytest.approx((ms_gs - ms_e) / a, rel=1e-9)
    assert found["s"] == pytest.approx((ms_s - ms_fs - ms_gs + ms_e) / (a * b), rel=1e-9)
    assert found["f"] == pytest.approx((a - 1) / a * (ms_f - ms_fs) / (b * n), rel=1e-9)


def test_variances_are_unbiased_with_holes_and_signed() -> None:
    rng = np.random.default_rng(2)
    truth = {"s": 0.5, "s:f": 0.0, "s:g": 0.3, "residual": 1.0, "f": 0.0, "g": 0.04, "f:g": 0.0}
    draws = []
    for _ in range(400):
        y = np.sqrt(0.5) * rng.normal(size=(1, 1, 9)) + np.sqrt(0.3) * rng.normal(size=(1, 2, 9))
        y = y + rng.normal(size=(3, 2, 9)) + np.array([0.2, -0.2])[None, :, None]
        y[rng.random(y.shape) < 0.15] = np.nan
        draws.append(shares_by_name(y, (3, 2), ("f", "g")))
    for term, value in truth.items():
        found = np.array([draw[term] for draw in draws])
        assert abs(found.mean() - value) < 4 * found.std() / np.sqrt(len(found)), term
    assert min(draw["s:f"] for draw in draws) < 0


def test_shares_add_up_to_one_and_intervals_hold_the_estimate(missing_luck: dict) -> None:
    terms = missing_luck["variance_shares"]["terms"]
    assert len(terms) == 15
    assert sum(row["share"] for row in terms) == pytest.approx(1.0, rel=1e-12)
    assert all(row["ci_low"] <= row["share"] <= row["ci_high"] for row in terms)


def test_without_blocks_the_residual_is_the_variance_within_cells() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(2, 1, 9))
    values[1, 0, 6:] = np.nan
    result = variance_shares(grid_of(values, paired=False), ("f",), (2,), None, rng, replicates=50)
    assert result is not None
    within = 8 * values[0, 0].var(ddof=1) + 5 * np.nanvar(values[1, 0], ddof=1)
    residual = result["terms"][-1]
    assert residual["variance"] == pytest.approx(within / 13, rel=1e-9)
    assert result["resampled"] == "runs"


def block_table(rng: np.random.Generator, blocks: int = 9) -> np.ndarray:
    """Outcomes (arms, cells, blocks) of which one half of the variance within a cell is the block's."""
    return rng.normal(size=blocks) + rng.normal(size=(3, 2, blocks))


def correlation(values: np.ndarray) -> dict:
    rng = np.random.default_rng(0)
    result = variance_shares(grid_of(values), ("f", "g"), values.shape[:2], "s", rng, replicates=2)
    assert result is not None
    return result


def test_the_intraclass_correlation_is_that_of_the_blocks_mean_square_and_may_be_negative() -> None:
    values = block_table(np.random.default_rng(1))
    y = values.reshape(-1, values.shape[-1]).T
    n, k = y.shape
    centred = y - y.mean(axis=0)
    ms_block = k * centred.mean(axis=1).var(ddof=1)
    ms_rest = ((centred - centred.mean(axis=1, keepdims=True)) ** 2).sum() / ((n - 1) * (k - 1))
    found = correlation(values)
    assert found["icc"] == pytest.approx((ms_block - ms_rest) / (ms_block + (k - 1) * ms_rest), rel=1e-9)
    assert found["icc_low"] < found["icc"] < found["icc_high"]
    alike = values - values.mean(axis=(0, 1))
    assert correlation(alike)["icc"] < 0


def test_with_holes_it_rests_on_the_f_test_of_the_blocks_after_the_cells() -> None:
    values = block_table(np.random.default_rng(2))
    values[np.random.default_rng(3).random(values.shape) < 0.2] = np.nan
    flat = values.reshape(6, -1)
    cell, block = np.nonzero(~np.isnan(flat))
    y, cells = flat[cell, block], np.eye(6)[cell]
    both = sm.OLS(y, np.hstack([cells, np.eye(9)[block][:, 1:]])).fit()
    F = both.compare_f_test(sm.OLS(y, cells).fit())[0]
    per_cell = np.bincount(cell)
    k = (len(y) - (1 / per_cell[cell]).sum()) / 8  # runs of a block, as the expected mean square counts them
    assert correlation(values)["icc"] == pytest.approx((F - 1) / (F + k - 1), rel=1e-9)


def test_the_interval_of_the_correlation_covers_the_truth() -> None:
    rng = np.random.default_rng(2)
    found = [correlation(block_table(rng)) for _ in range(100)]
    assert sum(row["icc_low"] <= 0.5 <= row["icc_high"] for row in found) >= 88


# --- the chance of a wrong sign


def test_chances_of_the_setting_that_the_study_was_planned_for() -> None:
    # Run sd 0.10 on log odds and binomial noise of 10,000 images at 1.6 % error; 0.2 pp true effect:
    # 22.7 % wrong with one seed, 9.7 % with three, 4.7 % with five.
    sd = np.sqrt(2 * (0.01 + 1 / (10_000 * 0.016 * 0.984)))
    delta = special.logit(0.016) - special.logit(0.014)
    chances = [special.ndtr(-delta / sd * np.sqrt(k)) for k in (1, 3, 5)]
    assert chances == pytest.approx([0.227, 0.097, 0.047], abs=6e-4)
    truth = Truth(
        design={"m": ("c", "x"), "g": ("p", "q")}, seeds=400, effects={"x": 0.2}, seed_sd=0.0, other_effects=0.0
    )
    frame = simulate(truth, np.random.default_rng(4))
    table = build_table(frame, ["m", "g"], "c", "seed", "test_correct", "test_trials")
    found = luck(table, 0.1, np.random.default_rng(5), replicates=500)["contrasts"][0]["wrong_way"]
    for row, chance in zip(found, chances, strict=False):
        assert row["model"] == pytest.approx(chance, abs=0.03)
        assert row["data"] == pytest.approx(chance, abs=0.04)


def test_a_wrong_sign_is_against_the_cells_own_effect() -> None:
    """A crossover of +0.8 and -1.1 whose average is near 0: within its cell, one run of each hardly ever misleads."""
    rng = np.random.default_rng(12)
    effects = {"u": 0.8, "v": -1.1}
    rows = [
        (arm, cell, seed, rng.normal(97.5, 0.4) + (arm == "x") * effect)
        for arm in "cx"
        for cell, effect in effects.items()
        for seed in range(400)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "cell", "seed", "y"])
    table = build_table(frame, ["arm", "cell"], "c", "seed", response="y")
    (row,) = luck(table, 0.1, np.random.default_rng(0), replicates=50)["contrasts"]
    expected = [special.ndtr(-abs(effect) / (0.4 * np.sqrt(2))) for effect in effects.values()]
    assert row["wrong_way"][0]["model"] == pytest.approx(np.mean(expected), abs=0.015)
    assert row["wrong_way"][0]["data"] == pytest.approx(np.mean(expected), abs=0.02)
    each = row["one_run_each"]
    assert each["lowest_cell"]["cell"] == {"cell": "v"}
    assert each["lowest_cell"]["wrong_way"] == pytest.approx(expected[1], abs=0.015)
    assert each["highest_cell"]["wrong_way"] == pytest.approx(expected[0], abs=0.02)
    assert each["wrong_way"] == row["wrong_way"][0]["model"]


def test_wrong_signs_and_false_headlines_of_one_run_are_counted_exactly() -> None:
    table = reference_table("null")
    found = luck(table, 0.1, np.random.default_rng(0), replicates=50)
    grid = outcome_grid(table, table.values("pp"))
    for arm, row in enumerate(found["contrasts"], start=1):
        cells = grid.differences(arm)
        wrong = [(np.sign(cell) == -np.sign(cell.mean())).mean() + 0.5 * (cell == 0).mean() for cell in cells]
        assert row["wrong_way"][0]["data"] == pytest.approx(np.mean(wrong), rel=1e-12)
        model = special.ndtr(-np.abs(cells.mean(axis=1)) / cells.std(axis=1, ddof=1))
        assert row["wrong_way"][0]["model"] == pytest.approx(model.mean(), rel=1e-9)
        ends = row["wrong_way"][0]["lowest"], row["wrong_way"][0]["highest"]
        assert ends == pytest.approx((model.min(), model.max()), rel=1e-9)
        beyond = np.mean([(np.abs(cell - cell.mean()) > 0.1).mean() for cell in cells])
        assert row["false_headline"][0]["data"] == pytest.approx(beyond, rel=1e-12)
        chance = 2 * special.ndtr(-0.1 / cells.std(axis=1, ddof=1))
        assert row["false_headline"][0]["model"] == pytest.approx(chance.mean(), rel=1e-9)


def test_what_one_run_of_a_failing_arm_may_show() -> None:
    """3 of 8 runs come within a point of the control's mean; the margin is smaller."""
    control, arm = [97.0, 97.2, 97.1, 96.9, 97.0, 97.1, 97.0, 96.9], [60.0, 96.5, 40.0, 96.2, 80.0, 97.9, 95.9, 20.0]
    rows = [(name, seed, y) for name, values in (("c", control), ("x", arm)) for seed, y in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "percent"])
    frame = frame.assign(right=(100 * frame["percent"]).round().astype(int), n=10_000)
    table = build_table(frame, ["arm"], "c", "seed", "right", "n")
    found = luck(table, 0.1, np.random.default_rng(0), replicates=20)["contrasts"][0]["one_run_each"]
    assert (found["lowest_run"], found["highest_run"]) == (20.0, 97.9)
    assert found["near_control"] == {"runs": 3, "of": 8, "within": 1.0}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_gives_finite_numbers_and_the_same_ones_again(name: str) -> None:
    table = reference_table(name)
    first, second = (luck(table, 0.1, np.random.default_rng(7), replicates=30) for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


def test_other_designs_without_blocks_without_counts_and_with_holes() -> None:
    rng = np.random.default_rng(8)
    rows = [
        {"opt": o, "depth": d, "site": s, "loss": rng.normal() + 2 * (o == "q")}
        for o, d, s in itertools.product("pqr", (2, 4), range(9))
        if rng.random() > 0.2
    ]
    frame = pd.DataFrame(rows)
    blocked = luck(
        build_table(frame, ["opt", "depth"], "p", "site", response="loss", higher_is_better=False),
        0.0,
        rng,
        replicates=40,
    )
    json.dumps(blocked, allow_nan=False)
    assert blocked["contrasts"][0]["false_headline"] is None
    assert blocked["contrasts"][0]["matters"] < 0.5
    assert blocked["contrasts"][0]["better"]["paired"] < 0.5
    free = luck(build_table(frame, ["opt", "depth"], "p", None, response="loss"), 0.1, rng, replicates=40)
    json.dumps(free, allow_nan=False)
    assert free["paired"] is False
    assert free["blocks"] is None
    assert free["contrasts"][0]["better"]["paired"] is None


# --- probability of improvement


def test_probability_better_is_the_share_of_blocks_and_mann_whitneys_statistic() -> None:
    rng = np.random.default_rng(9)
    arm, control = rng.integers(0, 6, 12).astype(float), rng.integers(0, 6, 12).astype(float)
    found = probability_better(arm[None], control[None], rng, paired=True)
    assert found.paired == pytest.approx(((arm > control) + 0.5 * (arm == control)).mean(), rel=1e-12)
    u = stats.mannwhitneyu(arm, control).statistic
    assert found.unpaired == pytest.approx(u / 144, rel=1e-12)
    unequal = probability_better(arm[None, :], np.append(control[:7], [np.nan] * 5)[None], rng, paired=False)
    assert unequal.paired is None
    assert unequal.unpaired == pytest.approx(stats.mannwhitneyu(arm, control[:7]).statistic / 84, rel=1e-12)


def test_intervals_of_the_probability_resample_whole_blocks() -> None:
    rng = np.random.default_rng(10)
    arm, control = rng.normal(size=(2, 15)), rng.normal(-0.3, 1, size=(2, 15))
    found = probability_better(arm, control, np.random.default_rng(0), paired=True, replicates=2000)
    draws = []
    for _ in range(2000):
        chosen = rng.integers(15, size=15)
        a, c = arm[:, chosen], control[:, chosen]
        draws.append(np.mean([(a[i][:, None] > c[i]).mean() + 0.5 * (a[i][:, None] == c[i]).mean() for i in range(2)]))
    assert (found.unpaired_low, found.unpaired_high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.03)


def test_an_arm_that_always_wins_is_better_with_certainty() -> None:
    arm, control = np.arange(10.0)[None] + 100, np.arange(10.0)[None]
    found = probability_better(arm, control, np.random.default_rng(0), paired=True)
    assert (found.paired, found.unpaired, found.paired_low) == (1.0, 1.0, 1.0)


# --- best of k


def test_expected_best_is_the_mean_over_all_subsets() -> None:
    values = np.array([3.0, -1.0, 2.5, 2.5, 7.0, 0.1])
    for k, found in enumerate(expected_best(values), start=1):
        every = [max(chosen) for chosen in itertools.combinations(values, k)]
        assert found == pytest.approx(np.mean(every), rel=1e-12)


# --- almost stochastic order


def test_violation_ratio_is_the_integral_of_the_quantile_functions() -> None:
    rng = np.random.default_rng(11)
    for n, m in ((7, 7), (6, 4), (5, 8)):
        a, b = rng.normal(0.3, 1, n), rng.normal(0, 1, m)
        t = (np.arange(840_000) + 0.5) / 840_000
        gap = np.sort(a)[np.floor(t * n).astype(int)] - np.sort(b)[np.floor(t * m).astype(int)]
        assert violation_ratio(a, b) == pytest.approx((gap[gap < 0] ** 2).sum() / (gap**2).sum(), rel=1e-9)
        assert violation_ratio(a, b) + violation_ratio(b, a) == pytest.approx(1.0, rel=1e-12)
    assert violation_ratio(a, a) == 0.5
    assert violation_ratio(a + 10, a) == 0.0


def test_more_comparisons_make_dominance_harder_to_claim() -> None:
    rng = np.random.default_rng(12)
    a, b = rng.normal(0.5, 1, 20), rng.normal(0, 1, 20)
    one, ten = (
        almost_stochastic_order(a, b, np.random.default_rng(0), paired=True, comparisons=m, replicates=300)
        for m in (1, 10)
    )
    assert one.level == 0.95
    assert ten.level == pytest.approx(0.995)
    assert ten.eps_min > one.eps_min > one.violation
    assert almost_stochastic_order(a + 100, b, rng, paired=False, replicates=50).eps_min == 0.0


def test_the_bound_covers_the_true_violation() -> None:
    # Equal means, the first with the larger spread: by symmetry the true violation ratio is 1/2.
    rng = np.random.default_rng(13)
    covered = 0
    for _ in range(200):
        a, b = rng.normal(0, 2, 40), rng.normal(0, 1, 40)
        covered += almost_stochastic_order(a, b, rng, paired=False, replicates=100).eps_min >= 0.5
    assert covered / 200 > 0.9


# --- the probability that it matters


def test_the_probability_that_it_matters_is_the_mass_of_a_t_distribution_beyond_the_margin(missing_luck: dict) -> None:
    effects = compare_with_control(reference_table("missing"), "pp", margin=0.1)
    for row, effect in zip(missing_luck["contrasts"], effects, strict=True):
        mass = stats.t.sf(0.1, effect.df, loc=effect.estimate, scale=effect.se)
        assert row["matters"] == pytest.approx(mass, rel=1e-9)


# --- the grid


def test_block_means_correct_for_the_cells_that_a_block_lacks() -> None:
    values = np.array([[1.0, 2.0, 3.0], [11.0, 12.0, np.nan]])
    assert block_means(values) == pytest.approx([6.0, 7.0, 7.75])
    full = np.arange(12.0).reshape(3, 4)
    assert block_means(full) == pytest.approx(full.mean(axis=0))
    nothing = np.array([[1.0, np.nan], [2.0, np.nan]])
    assert np.isnan(block_means(nothing)[1])
