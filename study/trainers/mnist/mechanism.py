"""Why batch normalisation fails where it fails: the same weights scored another way, and the statistics' gap.

If a run that collapses with its moving statistics does well with the population statistics of the very same weights
(Ioffe and Szegedy 2015, Algorithm 2), then neither the training nor chance is at fault, but the inference statistics.
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from study.files import write_json
from study.store.record import Store
from study.store.tables import rows, table, write_table

SCORINGS = {"moving": "test_correct", "population": "test_correct_population", "batch": "test_correct_batch"}


def explain(config: dict[str, Any], runs: pd.DataFrame, store: Store, folder: Path) -> None:
    """Write `statistics_gap.parquet` and `mechanism.json` for the runs of the table.

    Raises:
        StudyError: a record is missing or damaged.
    """
    factors = list(config["design"]["factors"])
    gap = statistics_gap(runs[["run_id", *factors, "seed"]], store)
    write_table(gap, folder / "statistics_gap.parquet")
    if "bn" not in factors:
        runs, gap = (frame.assign(bn=config["training"]["bn"]) for frame in (runs, gap))
    write_json(folder / "mechanism.json", mechanism(runs, gap, factors, config["plan"]["collapse_below"]))


def statistics_gap(keys: pd.DataFrame, store: Store) -> pd.DataFrame:
    """The gap of the statistics, one row a run with batch normalisation, epoch and layer.

    Args:
        keys: the columns that begin a run's rows, `run_id` among them; one row a run.
    """
    found: list[dict[str, Any]] = []
    for key in keys.to_dict("records"):
        found += rows(key, store.load(key["run_id"]).extra["gap"] or {})
    return table(found) if found else keys.iloc[:0].assign(epoch=0, layer=0, log_variance_ratio=0.0, mean_shift=0.0)


def mechanism(runs: pd.DataFrame, gap: pd.DataFrame, factors: list[str], threshold: float) -> dict[str, Any]:
    """Summarise, by level of `bn` and by cell, how runs score under each kind of statistics, and how large the gap is.

    Args:
        runs: the runs table of `study.store.tables`, with a column `bn`.
        gap: the statistics-gap table.
        factors: the factor columns.
        threshold: test accuracy (a share) below which a run counts as collapsed.

    Returns:
        `threshold`; `arms`, by level of `bn`: `runs`, `collapsed` (scored with the moving statistics),
        `recovered_by_population` (collapsed runs that are not so with population statistics), `median_accuracy` (%),
        `gap` (quantiles over the runs of the log variance ratio, by layer and epoch), and `final_gap_factor`, how many
        times the moving variance is off after the last epoch in the worst layer, exp(|median log ratio|); `cells`:
        accuracy (%) under each kind of statistics.
    """
    accuracy = pd.DataFrame({way: runs[column] / runs["test_trials"] for way, column in SCORINGS.items()})
    collapsed = accuracy["moving"] < threshold
    recovered = collapsed & (accuracy["population"] >= threshold)
    arms = []
    for level, index in runs.groupby("bn", sort=False).groups.items():
        layers = gap[gap["bn"] == level]
        final = layers[layers["epoch"] == layers["epoch"].max()].groupby("layer")["log_variance_ratio"].median().abs()
        arms.append(
            {
                "level": level,
                "runs": len(index),
                "collapsed": int(collapsed[index].sum()),
                "recovered_by_population": int(recovered[index].sum()),
                "median_accuracy": {way: 100 * float(accuracy.loc[index, way].median()) for way in SCORINGS},
                "gap": _gap_quantiles(layers),
                "final_gap_factor": None if final.dropna().empty else math.exp(final.max()),
            }
        )
    cells = [
        {
            "levels": dict(zip(factors, levels, strict=True)),
            "runs": len(cell),
            "accuracy": {way: _range(100 * accuracy.loc[cell.index, way]) for way in SCORINGS},
        }
        for levels, cell in runs.groupby(factors, sort=False)
    ]
    return {"threshold": threshold, "arms": arms, "cells": cells}


def _gap_quantiles(layers: pd.DataFrame) -> list[dict[str, Any]]:
    quantiles = []
    for _, group in layers.groupby(["layer", "epoch"]):
        ratio = group["log_variance_ratio"].dropna()
        if not ratio.empty:
            place = {"layer": int(group["layer"].iloc[0]), "epoch": int(group["epoch"].iloc[0])}
            q10, median, q90 = ratio.quantile([0.1, 0.5, 0.9])
            quantiles.append(place | {"q10": q10, "median": median, "q90": q90})
    return quantiles


def _range(values: pd.Series) -> dict[str, float]:
    return {"min": float(values.min()), "median": float(values.median()), "max": float(values.max())}
