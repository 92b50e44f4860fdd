"""Cells and learning curves before any inference."""

import json

import numpy as np
import pandas as pd
import pytest

from study.stats.descriptives import cells, curve_bands
from study.stats.table import build_table
from tests.oracle import load


def test_cells_describe_every_run_of_a_cell() -> None:
    frame, _ = load("missing")
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")
    rows = cells(table, 0.9)
    json.dumps(rows, allow_nan=False)
    assert len(rows) == 30
    assert sum(row["runs"] for row in rows) == len(frame)
    for row in rows:
        here = frame.loc[
            (frame["bn"] == row["levels"]["bn"])
            & (frame["dropout"].astype(str) == row["levels"]["dropout"])
            & (frame["lr"].astype(str) == row["levels"]["lr"])
        ]
        accuracy = 100 * here["test_correct"] / here["test_n"]
        for name in ("mean", "median", "min", "max"):
            assert row[name] == pytest.approx(getattr(accuracy, name)(), rel=1e-12)
        assert row["sd"] == pytest.approx(accuracy.std(), rel=1e-9)


def test_cells_count_collapsed_and_diverged_runs() -> None:
    frame = pd.DataFrame(
        {
            "a": list("xxyy"),
            "s": [1, 2, 1, 2],
            "k": [99, 50, 98, 97],
            "n": 100,
            "status": ["ok", "ok", "ok", "diverged"],
        }
    )
    table = build_table(frame, ["a"], "x", "s", "k", "n")
    rows = cells(table, 0.9)
    assert [(row["collapsed"], row["diverged"]) for row in rows] == [(1, 0), (0, 1)]
    assert [row["collapsed"] for row in cells(table, None)] == [0, 0]
    # A run that diverged has a count of chance agreement; it is in no mean.
    assert rows[1]["mean"] == 98.0


def test_a_response_keeps_its_unit_and_a_single_run_has_no_sd() -> None:
    frame = pd.DataFrame({"a": ["x", "y", "x"], "s": [1, 1, 2], "y": [3.0, -4.0, 5.0]})
    rows = cells(build_table(frame, ["a"], "x", "s", response="y"), None)
    assert rows[0]["mean"] == 4.0
    assert rows[1]["mean"] == -4.0
    assert rows[1]["sd"] is None


def test_curve_bands_are_quantiles_over_runs_at_each_epoch() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [
            {
                "w": w,
                "lr": lr,
                "seed": s,
                "epoch": e,
                "successes": rng.integers(40, 60),
                "trials": 60,
            }
            for w in ("p", "q")
            for lr in (2e-4, 0.01)
            for s in range(7)
            for e in (1, 2, 3)
        ]
    ).astype({"successes": "Int64"})
    frame.loc[0, "successes"] = pd.NA
    rows = curve_bands(frame, ["w", "lr"], "pp")
    json.dumps(rows, allow_nan=False)
    assert len(rows) == 12
    assert rows[0]["levels"] == {"w": "p", "lr": "0.0002"}
    assert rows[0]["runs"] == 6
    row = rows[-1]
    here = frame[(frame["w"] == "q") & (frame["lr"] == 0.01) & (frame["epoch"] == 3)]
    accuracy = 100 * here["successes"].astype(float) / 60
    expected = np.quantile(accuracy, [0.1, 0.5, 0.9])
    assert [row[name] for name in ("q10", "median", "q90")] == pytest.approx(list(expected), rel=1e-12)
