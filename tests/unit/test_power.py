"""Planning: noncentral t, equivalence, pilots."""

import json

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from study.cli import main
from study.stats.effects.power import (
    detectable_effect,
    power_of_equivalence,
    power_of_settling,
    power_of_t,
    sd_interval,
    seeds_needed,
)
from study.stats.planning.power import PlanningTarget, plan_from_assumptions, plan_from_pilot
from study.stats.planning.simulate import Truth, simulate
from study.stats.table import build_table
from tests.oracle import load


def test_the_numbers_of_seeds_are_those_of_the_paired_t_test() -> None:
    # Run sd 0.10 on log odds, 10,000 images at 1.6 % error, 80 % power at 0.05 / 4; the numbers by statsmodels.
    sd = np.sqrt(2 * (0.1**2 + 1 / (10_000 * 0.016 * 0.984))) * 100 * 0.016 * 0.984
    for effect, cells, seeds in ((0.05, 6, 64), (0.1, 6, 19), (0.1, 1, 94), (0.2, 1, 26)):
        found = TTestPower().solve_power(effect / (sd / np.sqrt(cells)), None, 0.0125, 0.8)
        assert int(np.ceil(found)) == seeds
    plan = plan_from_assumptions(0.10, 0.016, 10_000, 6, PlanningTarget(effects=(0.05, 0.1, 0.2)))
    assert [row["seeds"] for row in plan["main"]["seeds_for"]] == [64, 19, 8]
    plan = plan_from_assumptions(0.10, 0.016, 10_000, 6, PlanningTarget(effects=(0.1, 0.2, 0.3)))
    assert [row["seeds"] for row in plan["cell"]["seeds_for"]] == [94, 26, 14]
    assert plan["main"]["detectable"]["effect"] == pytest.approx(
        detectable_effect(sd / np.sqrt(6), 20, 0.0125, 0.8), rel=1e-9
    )
    assert plan["cell"]["detectable"]["effect"] == pytest.approx(detectable_effect(sd, 20, 0.0125, 0.8), rel=1e-9)
    json.dumps(plan, allow_nan=False)


@pytest.mark.parametrize(("effect", "seeds"), [(0.1, 20), (0.5, 8), (1.2, 5), (0.0, 12), (1.8, 30)])
def test_power_agrees_with_statsmodels(effect: float, seeds: int) -> None:
    paired = TTestPower().power(effect, seeds, 0.0125)
    assert power_of_t(effect * 2, 2.0, seeds, 0.0125) == pytest.approx(paired, rel=1e-6)
    unpaired = TTestIndPower().power(effect, seeds, 0.05)
    assert power_of_t(effect, np.sqrt(2.0), seeds, 0.05, paired=False) == pytest.approx(unpaired, rel=1e-6)


def test_power_of_equivalence_agrees_with_simulation() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(0, 1, size=(40_000, 12))
    for margin in (0.7, 1.0):
        se = d.std(axis=1, ddof=1) / np.sqrt(12)
        shown = (np.abs(d.mean(axis=1)) < margin - stats.t.ppf(0.975, 11) * se).mean()
        assert power_of_equivalence(margin, 1.0, 12, 0.05) == pytest.approx(shown, abs=0.01)


@pytest.mark.parametrize(("effect", "margin"), [(0.0, 1.0), (0.5, 0.8), (0.9, 0.0), (1.2, 1.0), (0.3, 2.0)])
def test_power_of_settling_agrees_with_simulation(effect: float, margin: float) -> None:
    rng = np.random.default_rng(1)
    d = rng.normal(effect, 1, size=(40_000, 9))
    mean, width = d.mean(axis=1), stats.t.isf(0.025, 8) * d.std(axis=1, ddof=1) / 3
    low, high = mean - width, mean + width
    settled = ((low > 0) | (high < 0) | ((low > -margin) & (high < margin))).mean()
    assert power_of_settling(effect, 1.0, 9, 0.05, margin) == pytest.approx(settled, abs=0.01)


def test_detectable_effect_and_seeds_are_inverse_to_power() -> None:
    effect = detectable_effect(0.3, 20, 0.0125, 0.8)
    assert power_of_t(effect, 0.3, 20, 0.0125) == pytest.approx(0.8, abs=1e-9)
    assert seeds_needed(lambda n: power_of_t(effect, 0.3, n, 0.0125), 0.8 - 1e-9) == 20
    assert seeds_needed(lambda n: 0.5, 0.8) is None
    assert seeds_needed(lambda n: 1.0, 0.8) == 2


def test_the_interval_of_an_sd_is_the_chi_square_interval() -> None:
    low, high = sd_interval(2.0, 19)
    assert 19 * 4 / low**2 == pytest.approx(stats.chi2.ppf(0.975, 19), rel=1e-12)
    assert 19 * 4 / high**2 == pytest.approx(stats.chi2.ppf(0.025, 19), rel=1e-12)


def test_a_pilots_variances_are_those_of_its_differences() -> None:
    frame, reference = load("seedslope")
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")
    plan = plan_from_pilot(table, PlanningTarget(effects=(0.1,)))
    json.dumps(plan, allow_nan=False)
    # The reference took log odds of error, the column y.
    as_numbers = plan_from_pilot(
        build_table(frame, ["bn", "dropout", "lr"], "none", "seed", response="y"), PlanningTarget(effects=(0.1,))
    )
    sds = [abs(row["estimate"] / row["t"]) * np.sqrt(20) for row in reference["paired_t"]]
    assert as_numbers["main"]["sd_difference"] == pytest.approx(np.sqrt(np.mean(np.square(sds))), rel=1e-9)
    assert plan["main"]["df"] == 19
    assert plan["main"]["sd_low"] < plan["main"]["sd_difference"] < plan["main"]["sd_high"]
    row = plan["main"]["seeds_for"][0]
    assert row["low"] < row["seeds"] < row["high"]
    needed = seeds_needed(lambda n: power_of_t(0.1, plan["main"]["sd_difference"], n, 0.0125), 0.8)
    assert row["seeds"] == needed


@pytest.mark.parametrize("block", ["seed", None])
def test_a_pilot_finds_the_spread_it_was_simulated_with(block: str | None) -> None:
    truth = Truth(seeds=80, seed_sd=0.0, run_sd=0.2, other_effects=0.0, missing=0.05)
    frame = simulate(truth, np.random.default_rng(1))
    table = build_table(frame, list(truth.design), "control", block, "test_correct", "test_trials")
    plan = plan_from_pilot(table, PlanningTarget())
    expected = plan_from_assumptions(0.2, truth.error_rate, truth.trials, 6, PlanningTarget())
    assert plan["paired"] == (block is not None)
    for part in ("main", "cell"):
        assert plan[part]["sd_difference"] == pytest.approx(expected[part]["sd_difference"], rel=0.1)


def test_more_improvement_than_there_are_errors_is_out_of_reach() -> None:
    plan = plan_from_assumptions(0.1, 0.002, 10_000, 1, PlanningTarget(effects=(0.3,)))
    assert plan["main"]["seeds_for"][0]["seeds"] is None


def test_the_command_prints_a_table_and_writes_the_plan(capsys: pytest.CaptureFixture[str], tmp_path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "power.json"
    assumed = ["power", "--sd", "0.1", "--error-rate", "0.016", "--trials", "10000", "--cells", "6", "--out", str(out)]
    assert main(assumed) == 0
    assert (
        "seeds for an effect of 0.1 pp                               19                      94"
        in capsys.readouterr().out
    )
    assert json.loads(out.read_text())["main"]["seeds_for"][1]["seeds"] == 19

    frame, _ = load("null")
    frame.to_csv(tmp_path / "pilot.csv", index=False)
    common = ["power", "--pilot", str(tmp_path / "pilot.csv"), "--block", "seed", "--control", "bn=none"]
    common += ["--factor", "bn", "--factor", "dropout", "--factor", "lr"]
    assert main([*common, "--successes", "test_correct", "--trials", "test_n"]) == 0
    assert "95 % interval" in capsys.readouterr().out
    assert main([*common, "--response", "y", "--margin", "0.05"]) == 0
    assert "equality within 0.05" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        ["--sd", "0.1"],
        ["--sd", "0.1", "--error-rate", "2", "--trials", "100"],
        ["--sd", "-1", "--error-rate", "0.1", "--trials", "100"],
        ["--sd", "0.1", "--error-rate", "0.1", "--trials", "many"],
        ["--sd", "0.1", "--error-rate", "0.1", "--trials", "100", "--seeds", "1"],
        ["--pilot", "nowhere.csv"],
        ["--pilot", "nowhere.csv", "--factor", "a", "--block", "s", "--control", "a=x", "--sd", "1"],
    ],
)
def test_a_wrong_call_is_told_in_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
