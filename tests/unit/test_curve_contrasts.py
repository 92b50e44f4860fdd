"""Contrasts along the learning curves."""

import numpy as np
import pandas as pd
import pytest

from study.stats.effects.curve_contrasts import curve_contrasts
from study.stats.effects.sign_flip import critical_value
from study.stats.table import RunTable, build_table

ARMS, CELLS, EPOCHS = ("without", "batch", "layer"), ("thin", "wide"), (1, 2, 5)


def simulate(rng: np.random.Generator, seeds: int = 10, lift: float = 0.0) -> pd.DataFrame:
    rows = []
    for seed in range(seeds):
        for arm in ARMS:
            for width in CELLS:
                level = rng.normal(scale=4)
                for epoch in EPOCHS:
                    correct = 900 + 5 * epoch + level + rng.normal(scale=3) + lift * (arm == "batch") * (epoch == 5)
                    rows.append((arm, width, seed, epoch, int(correct), 1000))
    return pd.DataFrame(rows, columns=["norm", "width", "seed", "epoch", "successes", "trials"])


def table_of(curves: pd.DataFrame) -> RunTable:
    last = curves[curves["epoch"] == 5]
    return build_table(last, ["norm", "width"], "without", "seed", "successes", "trials")


def test_bands_are_means_of_the_blocks_differences() -> None:
    curves = simulate(np.random.default_rng(0))
    found = curve_contrasts(table_of(curves), curves.sample(frac=1, random_state=1), np.random.default_rng(2))
    assert [(row["level"], row["epoch"]) for row in found[:3]] == [("batch", 1), ("layer", 1), ("batch", 2)]
    share = curves.assign(y=curves["successes"] / 10)
    wide = share.groupby(["seed", "epoch", "norm"])["y"].mean().unstack("norm")
    differences = np.column_stack(
        [(wide[arm] - wide["without"]).xs(epoch, level="epoch") for epoch in EPOCHS for arm in ("batch", "layer")]
    )
    critical = critical_value(differences, 0.05, np.random.default_rng(2))
    for row, d in zip(found, differences.T, strict=True):
        assert row["estimate"] == pytest.approx(d.mean())
        assert row["se"] == pytest.approx(d.std(ddof=1) / np.sqrt(10))
        assert row["ci_high"] - row["estimate"] == pytest.approx(critical * row["se"])


def test_a_late_effect_shows_at_its_epoch_alone() -> None:
    curves = simulate(np.random.default_rng(1), lift=15)
    found = curve_contrasts(table_of(curves), curves, np.random.default_rng(0))
    assert [(row["level"], row["epoch"]) for row in found if row["ci_low"] > 0] == [("batch", 5)]


def test_fewer_than_two_blocks_with_every_curve_have_no_band() -> None:
    curves = simulate(np.random.default_rng(2), seeds=3)
    table = table_of(curves)
    gone = curves[~((curves["seed"] > 0) & (curves["norm"] == "without"))]
    assert curve_contrasts(table, gone, np.random.default_rng(0)) == []
