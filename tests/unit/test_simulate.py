"""Simulated tables have the truth they were asked for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.cli import main
from study.errors import StudyError
from study.stats.planning.simulate import SCENARIOS, Truth, scenario, simulate
from study.stats.table import build_table


def log_odds(frame: pd.DataFrame) -> pd.Series:
    wrong = frame["test_trials"] - frame["test_correct"]
    return np.log((wrong + 0.5) / (frame["test_correct"] + 0.5))


def test_a_table_has_every_run_of_the_design() -> None:
    frame = simulate(Truth(), np.random.default_rng(0))
    assert len(frame) == 5 * 2 * 3 * 20
    table = build_table(frame, ["arm", "regime", "rate"], "control", "seed", "test_correct", "test_trials")
    assert table.arms == ("a", "b", "c", "d")


@pytest.mark.parametrize("name", SCENARIOS)
def test_variances_are_those_of_the_scenario(name: str) -> None:
    truth = scenario(name, Truth(seeds=600, other_effects=0.0, trials=10_000_000))
    frame = simulate(truth, np.random.default_rng(1))
    ok = frame["test_correct"] > 0.9 * frame["test_trials"]
    assert (~ok).mean() == pytest.approx(0.02 if name == "E" else 0.0, abs=0.004)
    wide = frame.assign(y=log_odds(frame)).pivot(index="seed", columns=["arm", "regime", "rate"], values="y")
    wide = wide.where(ok.set_axis(frame.index).groupby(frame["seed"]).all(), np.nan).dropna()
    run_sd = [wide[arm].sub(wide[arm].mean(axis=1), axis=0).stack([0, 1]).std() * np.sqrt(6 / 5) for arm in ("a", "d")]
    assert run_sd[0] == pytest.approx(0.10, rel=0.05)
    assert run_sd[1] == pytest.approx(0.25 if name in "CF" else 0.10, rel=0.05)
    shared = np.cov(wide["a"].mean(axis=1), wide["control"].mean(axis=1))[0, 1]
    assert shared == pytest.approx(0.0 if name == "D" else 0.0025, abs=0.0009)
    own = np.var(wide["a"].mean(axis=1) - wide["b"].mean(axis=1)) / 2 - 0.01 / 6
    assert own == pytest.approx(0.0064 if name in "BF" else 0.0, abs=0.0012)


def test_an_effect_is_the_improvement_in_percentage_points() -> None:
    truth = Truth(seeds=300, effects={"b": 0.5}, other_effects=0.0, run_sd=0.0, seed_sd=0.0)
    frame = simulate(truth, np.random.default_rng(2))
    accuracy = 100 * frame.groupby("arm")["test_correct"].mean() / 10_000
    assert accuracy["b"] - accuracy["control"] == pytest.approx(0.5, abs=0.02)
    assert accuracy["a"] - accuracy["control"] == pytest.approx(0.0, abs=0.02)


def test_collapse_divergence_and_missing_runs_have_their_rates() -> None:
    truth = Truth(seeds=300, collapse={"c": 0.2}, diverged=0.5, missing=0.1)
    frame = simulate(truth, np.random.default_rng(3))
    assert len(frame) / 9000 == pytest.approx(0.9, abs=0.02)
    rate = (frame["test_correct"] < 9000).groupby(frame["arm"]).mean()
    assert rate["c"] == pytest.approx(0.2, abs=0.03)
    assert rate["a"] == 0.0
    diverged = (frame["status"] == "diverged").groupby(frame["arm"]).mean()
    assert diverged["c"] == pytest.approx(0.1, abs=0.03)


def test_no_cell_is_empty_however_much_is_missing() -> None:
    frame = simulate(Truth(missing=0.99, seeds=4), np.random.default_rng(4))
    assert frame.groupby(["arm", "regime", "rate"]).size().shape == (30,)


def test_the_same_generator_gives_the_same_table() -> None:
    first, second = (simulate(Truth(), np.random.default_rng(5)) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(
    "wrong",
    [
        Truth(design={"a": ("x",)}),
        Truth(seeds=1),
        Truth(error_rate=0.0),
        Truth(effects={"nobody": 0.1}),
        Truth(effects={"a": 2.0}),
        Truth(missing=1.5),
        Truth(trials=0),
    ],
)
def test_an_impossible_truth_is_refused_in_one_line(wrong: Truth) -> None:
    with pytest.raises(StudyError, match=r"^[^\n]+$"):
        simulate(wrong, np.random.default_rng(0))


def test_the_command_writes_the_table_and_its_analysis(tmp_path: Path) -> None:
    out = tmp_path / "runs.csv"
    arguments = ["simulate", "--out", str(out), "--factor", "m=none,some", "--factor", "d=0,1", "--seeds", "6"]
    assert main([*arguments, "--null", "--analyze", str(tmp_path / "analysis")]) == 0
    assert list(pd.read_csv(out).columns) == ["m", "d", "seed", "status", "test_correct", "test_trials"]
    assert (tmp_path / "analysis" / "contrasts.json").exists()
    parquet = tmp_path / "runs.parquet"
    assert (
        main(["simulate", "--out", str(parquet), "--effect", "a=0.2", "--collapse", "b=0.1", "--missing", "0.1"]) == 0
    )
    assert len(pd.read_parquet(parquet)) < 600


@pytest.mark.parametrize(
    "wrong",
    [
        ["--out", "x.txt"],
        ["--out", "x.csv", "--null", "--effect", "a=0.1"],
        ["--out", "x.csv", "--effect", "a"],
        ["--out", "x.csv", "--effect", "e=0.1"],
        ["--out", "x.csv", "--factor", "seed=1,2"],
        ["--out", "x.csv", "--factor", "m"],
        ["--out", "x.csv", "--sd", "-1"],
    ],
)
def test_a_wrong_call_writes_nothing_and_is_told_in_one_line(
    wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
