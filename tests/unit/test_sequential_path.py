"""Contrasts followed from look to look."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.cli import main
from study.design.factorial import planned_looks
from study.stats.planning.simulate import Truth, simulate
from study.stats.sequential.e_process import critical_t
from study.stats.sequential.path import follow, paths
from study.stats.table import RunTable, build_table

LOOKS = planned_looks(5, 5, 20)


def prefixes(sample: np.ndarray, looks: tuple[int, ...] = LOOKS) -> list[np.ndarray]:
    return [sample[:look] for look in looks]


@pytest.fixture(scope="module")
def table() -> RunTable:
    truth = Truth(seeds=20, effects={"a": 0.5, "c": -0.3})
    frame = simulate(truth, np.random.default_rng(4))
    return build_table(frame, list(truth.design), "control", "seed", "test_correct", "test_trials")


def test_the_last_look_is_the_budget() -> None:
    assert planned_looks(5, 5, 20) == (5, 10, 15, 20)
    assert planned_looks(5, 4, 12) == (5, 9, 12)
    assert planned_looks(6, 5, 6) == (6,)


def test_a_clear_difference_an_equality_and_an_open_question() -> None:
    rng = np.random.default_rng(2)
    z = stats.zscore(rng.normal(size=20), ddof=1)
    better = follow("a", prefixes(3.0 + 0.3 * z), LOOKS, 1, 0.5, 0.05)
    assert (better.settled_at, better.looks[-1].label) == (5, "better by more than the margin")
    worse = follow("a", prefixes(-3.0 + 0.3 * z), LOOKS, 1, 0.5, 0.05)
    assert (worse.settled_at, worse.looks[-1].label) == (5, "worse by more than the margin")
    assert follow("a", prefixes(-3.0 + 0.3 * z), LOOKS, 1, 0.5, 0.05, higher_is_better=False).looks[-1].label == (
        "better by more than the margin"
    )
    equal = follow("a", prefixes(0.1 * z), LOOKS, 1, 0.5, 0.05)
    assert equal.looks[-1].label == "equivalent"
    assert equal.settled_at is not None
    unsure = follow("a", prefixes(0.3 + z), LOOKS, 1, 0.5, 0.05)
    assert unsure.settled_at is None
    assert [look.blocks for look in unsure.looks] == [5, 10, 15, 20]
    # Without a margin equality cannot be shown.
    assert follow("a", prefixes(0.1 * z), LOOKS, 1, 0.0, 0.05).settled_at is None


def test_a_sized_design_goes_on_while_the_size_is_open() -> None:
    z = stats.zscore(np.random.default_rng(2).normal(size=20), ddof=1)
    samples = prefixes(0.9 + 0.4 * z)
    settled = follow("a", samples, LOOKS, 1, 0.5, 0.05)
    sized = follow("a", samples, LOOKS, 1, 0.5, 0.05, stop="sized")
    assert settled.looks[-1].label == "better"
    assert sized.looks[-1].label == "better by more than the margin"
    assert settled.settled_at is not None
    assert sized.settled_at is not None
    assert settled.settled_at < sized.settled_at


def test_a_look_is_a_t_interval_with_a_larger_critical_value_at_the_shared_level() -> None:
    sample = np.random.default_rng(5).normal(0.4, 1, 20)
    (first, *_) = follow("a", prefixes(sample), LOOKS, 3, 0.5, 0.05).looks
    mean, se = sample[:5].mean(), stats.sem(sample[:5])
    half = critical_t(5, 0.05 / 3 / 2) * se
    assert (first.ci_low, first.ci_high) == pytest.approx((mean - half, mean + half), rel=1e-12)
    naive = stats.t.interval(1 - 0.05 / 3, 4, mean, se)
    assert (first.naive_low, first.naive_high) == pytest.approx(naive, rel=1e-12)
    assert half > naive[1] - mean
    assert first.p_adjusted == pytest.approx(min(1, 3 * first.p))


def test_too_few_values_give_no_interval_and_no_conclusion() -> None:
    sample = np.array([5.0, 5.0, 5.1])
    (look,) = follow("a", [sample], [3], 4, 0.5, 0.05).looks
    assert (look.ci_low, look.ci_high, look.label) == (None, None, "inconclusive")
    assert follow("a", [sample[:1]], [1], 4, 0.5, 0.05).looks == ()


def test_a_look_knows_nothing_of_later_blocks(table: RunTable) -> None:
    whole = paths(table, LOOKS, margin=0.1)
    for arm, path in enumerate(whole):
        for look in path.looks:
            known = table.subset(table.block_index() < look.blocks)
            early = paths(known, LOOKS, margin=0.1)[arm]
            assert early.looks == path.looks[: len(early.looks)]
            assert early.looks[-1] == look
    # Nor of runs of a settled contrast that nobody needed.
    dropped = table.subset(
        ~np.any(
            [
                (table.frame[table.focus] == path.level).to_numpy() & (table.block_index() >= path.settled_at)
                for path in whole
                if path.settled_at
            ],
            axis=0,
        )
    )
    assert len(dropped.frame) < len(table.frame)
    assert paths(dropped, LOOKS, margin=0.1) == whole


def test_the_differences_are_those_of_blocks_averaged_over_cells(table: RunTable) -> None:
    frame = table.frame.assign(pp=100 * table.frame["test_correct"] / table.frame["test_trials"])
    means = frame.groupby(["seed", "arm"], observed=True)["pp"].mean().unstack()
    (first, *_) = paths(table, LOOKS, margin=0.1)
    difference = (means["a"] - means["control"]).iloc[: first.looks[-1].blocks]
    assert first.looks[-1].estimate == pytest.approx(difference.mean())
    assert first.looks[-1].se == pytest.approx(stats.sem(difference))
    assert first.settled_at is not None


def test_missing_runs_leave_fewer_pairs(table: RunTable) -> None:
    gone = (table.frame["arm"] == "a") & (table.frame["seed"].astype(int) == 2)
    (first, *_) = paths(table.subset(~gone.to_numpy()), LOOKS, margin=0.1)
    assert (first.looks[0].blocks, first.looks[0].pairs) == (5, 4)


def test_looks_beyond_the_table_are_still_to_come(table: RunTable) -> None:
    short = table.subset(table.block_index() < 7)
    assert [look.blocks for path in paths(short, LOOKS, margin=0.1) for look in path.looks] == [5] * 4
    assert isinstance(short.frame, pd.DataFrame)


def test_a_table_of_ones_own_can_be_sequential(table: RunTable, tmp_path: Path) -> None:
    table.frame.to_csv(tmp_path / "runs.csv", index=False)
    assert main([*analyze(tmp_path), "--looks", "5,10,15,20"]) == 0
    about = json.loads((tmp_path / "out/sequential.json").read_text())
    assert about["looks"] == [5, 10, 15, 20]
    found = {arm["level"]: arm["settled_at"] for arm in about["arms"]}
    assert found == {path.level: path.settled_at for path in paths(table, LOOKS, margin=0.1)}
    rows = json.loads((tmp_path / "out/contrasts.json").read_text())
    assert all("holds at any time" in row["note"] for row in rows)
    assert not (tmp_path / "out/missing.json").exists()
    # The fixed analysis of the same table removes what does not belong to it.
    assert main(analyze(tmp_path)) == 0
    assert not (tmp_path / "out/sequential.json").exists()


@pytest.mark.parametrize("looks", ["five", "10,5", "5,5", "1,2", ""])
def test_impossible_looks_are_one_line(looks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.DataFrame([{"arm": arm, "seed": seed, "y": seed} for arm in ("control", "a") for seed in range(3)]).to_csv(
        tmp_path / "runs.csv", index=False
    )
    options = ["--factor", "arm", "--block", "seed", "--control", "arm=control", "--response", "y"]
    command = ["analyze", str(tmp_path / "runs.csv"), *options, "--out", str(tmp_path / "out")]
    assert main([*command, f"--looks={looks}"]) == 2
    assert "as 5,10,15" in capsys.readouterr().err


def analyze(folder: Path) -> list[str]:
    factors = [f"--factor={name}" for name in ("arm", "regime", "rate")]
    counts = ["--successes=test_correct", "--trials=test_trials", "--block=seed", "--control=arm=control"]
    return ["analyze", str(folder / "runs.csv"), *factors, *counts, "--out", str(folder / "out")]
