"""Why batch normalisation fails where it fails: the same weights scored another way, and the statistics' gap.

If a run that collapses with its moving statistics does well with the population statistics of the very same weights
(Ioffe and Szegedy 2015, Algorithm 2), then neither the training nor chance is at fault, but the inference statistics.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from study.files import write_json
from study.store.record import Store
from study.store.tables import rows, table, write_table
from study.trainers.mnist.implementations import IMPLEMENTATIONS
from study.trainers.mnist.recovery import observed_steps, predicted_steps, shortfall

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
    found = mechanism(runs, gap, factors, config["plan"]["collapse_below"], config["training"])
    write_json(folder / "mechanism.json", found)


def statistics_gap(keys: pd.DataFrame, store: Store) -> pd.DataFrame:
    """The gap of the statistics, one row a run with batch normalisation, epoch and layer.

    Args:
        keys: the columns that begin a run's rows, `run_id` among them; one row a run.
    """
    found: list[dict[str, Any]] = []
    for key in keys.to_dict("records"):
        found += rows(key, store.load(key["run_id"]).extra["gap"] or {})
    return table(found) if found else keys.iloc[:0].assign(epoch=0, layer=0, log_variance_ratio=0.0, mean_shift=0.0)


def mechanism(
    runs: pd.DataFrame, gap: pd.DataFrame, factors: list[str], threshold: float, training: Mapping[str, Any]
) -> dict[str, Any]:
    """Summarise, by level of `bn` and by cell, how runs score under each kind of statistics, how large the gap is, and
    how long it lasts.

    Args:
        runs: the runs table of `study.store.tables`, with a column `bn`.
        gap: the statistics-gap table, with a column `bn`.
        factors: the factor columns.
        threshold: test accuracy (a share) below which a run counts as collapsed.
        training: the settings that no factor changes.

    Returns:
        `threshold`; `arms`, by level of `bn`: `runs`, `collapsed` (scored with the moving statistics),
        `recovered_by_population` (collapsed runs that are not so with population statistics), `median_accuracy` (%),
        `gap` (quantiles over the runs of the log variance ratio, by layer and epoch), and `final_gap_factor`, how many
        times the moving variance is off after the last epoch in the worst layer, exp(|median log ratio|), and
        `recovery`, that of its entries below which falls shortest; `cells`: accuracy (%) under each kind of statistics;
        `recovery`: see `_recoveries`.
    """
    accuracy = pd.DataFrame({way: runs[column] / runs["test_trials"] for way, column in SCORINGS.items()})
    collapsed = accuracy["moving"] < threshold
    recovered = collapsed & (accuracy["population"] >= threshold)
    recoveries = _recoveries(gap, factors, training)
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
                "recovery": max((r for r in recoveries if r["level"] == level), key=shortfall, default=None),
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
    return {"threshold": threshold, "arms": arms, "cells": cells, "recovery": recoveries}


def _recoveries(gap: pd.DataFrame, factors: list[str], training: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By cell with batch normalisation and by layer, how long the moving variance needs to be right.

    All ratios are medians over the runs of a cell. The true variance is the geometric mean over the channels, known
    where a moving variance stands where it started: before the first step, and after every epoch from an implementation
    that is never updated, as all of them train the same weights.

    Returns:
        By row the `level` of `bn`, the `levels` of the cell, the `layer`, `decay`, `start` and the true `variance` that
        the prediction takes (None where it is unknown, for a start at 0); `predicted_steps` and `observed_steps`
        (whole epochs), None for never, as in `study.trainers.mnist.recovery`; and the `steps` and `steps_an_epoch` of
        a run. A layer whose variance is unknown is left out if it starts elsewhere than at 0.
    """
    others = [name for name in factors if name != "bn"]
    medians = gap.groupby([*others, "bn", "layer", "epoch"], sort=False)["log_variance_ratio"].median()
    courses: dict[tuple[Any, ...], dict[int, float]] = {}
    variances: dict[tuple[Any, ...], dict[int, float]] = {}
    for (*cell, level, layer, epoch), log_ratio in medians.items():
        rule = IMPLEMENTATIONS.get(level)
        if rule is None:
            continue
        courses.setdefault((*cell, level, layer), {})[epoch] = log_ratio
        unmoved = rule.initial_variance > 0 and (epoch == 0 or rule.decay == 1.0)
        if unmoved and math.isfinite(log_ratio):
            variances.setdefault((*cell, layer), {})[epoch] = rule.initial_variance / math.exp(log_ratio)
    found = []
    for (*cell, level, layer), course in courses.items():
        rule, measured = IMPLEMENTATIONS[level], variances.get((*cell, layer), {})
        if not measured and rule.initial_variance > 0:
            continue
        levels = dict(zip(others, cell, strict=True))
        settings = {**training, **levels}
        steps_an_epoch = settings["train_images"] // settings["batch_size"]
        predicted, variance = predicted_steps(rule, measured, steps_an_epoch)
        found.append(
            {
                "level": level,
                "levels": levels,
                "layer": int(layer),
                "decay": rule.decay,
                "start": rule.initial_variance,
                "variance": variance,
                "predicted_steps": predicted,
                "observed_steps": observed_steps(course, steps_an_epoch),
                "steps": steps_an_epoch * settings["epochs"],
                "steps_an_epoch": steps_an_epoch,
            }
        )
    return found


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
