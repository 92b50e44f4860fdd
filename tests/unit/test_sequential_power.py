"""Planning a sequential design."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from study.cli import main
from study.design.factorial import planned_looks
from study.stats.planning.power import PlanningTarget, plan_from_assumptions
from study.stats.sequential.path import follow
from study.stats.sequential.power import STUDIES, prefix_moments, stopping


def test_prefix_moments_are_those_of_each_prefix() -> None:
    x = np.random.default_rng(0).normal(1e6, 1, (3, 12))
    mean, se = prefix_moments(x, (2, 5, 12))
    for column, n in enumerate((2, 5, 12)):
        np.testing.assert_allclose(mean[:, column], x[:, :n].mean(axis=1), rtol=1e-14)
        np.testing.assert_allclose(se[:, column], stats.sem(x[:, :n], axis=1), rtol=1e-8)


@pytest.mark.parametrize("effect", [0.0, 1.2, -2.0])
def test_the_simulated_studies_stop_where_followed_ones_do(effect: float) -> None:
    looks, sd, margin = planned_looks(5, 5, 30), 0.8, 0.9
    draws = np.random.default_rng([*b"stopping"]).normal(size=(STUDIES, 30))[:150]
    seeds, settled = [], []
    for sample in effect + sd * draws:
        path = follow("a", [sample[:n] for n in looks], looks, 2, margin, 0.05)
        seeds.append(path.settled_at or 30)
        settled.append(path.settled_at is not None)
    found = stopping(effect, sd, margin, looks, 0.05, 2)
    assert found.expected == pytest.approx(np.mean(seeds), abs=4 * np.std(seeds) / np.sqrt(150) + 0.2)
    assert found.settled == pytest.approx(np.mean(settled), abs=0.12)


def test_larger_effects_and_smaller_spreads_take_fewer_seeds_and_never_more_than_the_budget() -> None:
    looks = planned_looks(5, 5, 60)
    small, large = (stopping(effect, 0.1, 0.05, looks, 0.05, 4) for effect in (0.1, 0.4))
    assert large.expected < small.expected
    assert 5 <= large.median <= large.q90 <= 60
    assert stopping(0.001, 5.0, 0.1, looks, 0.05, 4).expected == pytest.approx(60, abs=0.5)
    assert stopping(0.4, 0.1, 0.05, looks, 0.05, 4) == large


def test_the_plan_has_a_row_for_no_difference_and_for_each_effect() -> None:
    looks = planned_looks(5, 5, 60)
    plan = plan_from_assumptions(0.10, 0.016, 10_000, 6, PlanningTarget(effects=(0.1, 0.3), looks=looks))
    sd = plan["main"]["sd_difference"]
    rows = plan["main"]["sequential"]
    assert [row["effect"] for row in rows] == [0.0, 0.1, 0.3]
    assert rows[2]["expected"] == stopping(0.3, sd, 0.1, looks, 0.05, 4).expected
    # In a single cell the same takes more.
    assert plan["cell"]["sequential"][2]["expected"] > rows[2]["expected"]
    assert plan_from_assumptions(0.10, 0.016, 10_000, 6, PlanningTarget())["main"]["sequential"] is None


def test_the_command_plans_both_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assumed = ["power", "--sd", "0.1", "--error-rate", "0.016", "--trials", "10000", "--cells", "6"]
    assert main([*assumed, "--sequential", "5", "5", "60", "--out", str(tmp_path / "power.json")]) == 0
    said = capsys.readouterr().out
    assert "seeds for an effect of 0.2 pp" in said
    assert "sequential, looks at 5, 10, ..., 60 seeds" in said
    rows = json.loads((tmp_path / "power.json").read_text())["main"]["sequential"]
    (large,) = [row for row in rows if row["effect"] == 0.2]
    line = next(line for line in said.splitlines() if line.startswith("  for an effect of 0.2 pp"))
    assert f"{large['expected']:.0f}, {large['q90']:.0f}, {100 * large['settled']:.0f} %" in line


@pytest.mark.parametrize("numbers", [("1", "5", "60"), ("5", "0", "60"), ("9", "1", "8")])
def test_an_impossible_sequence_is_one_line(numbers: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assumed = ["power", "--sd", "0.1", "--error-rate", "0.016", "--trials", "10000"]
    assert main([*assumed, "--sequential", *numbers]) == 2
    assert "as 5 5 60" in capsys.readouterr().err
