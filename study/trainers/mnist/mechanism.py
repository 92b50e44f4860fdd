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
from study.store.record import RecordReader, Store
from study.store.tables import rows, table, write_table
from study.trainers.mnist.implementations import IMPLEMENTATIONS
from study.trainers.mnist.recovery import observed_steps, predicted_steps, shortfall

SCORINGS = {"moving": "test_correct", "population": "test_correct_population", "batch": "test_correct_batch"}


def explain(reader: RecordReader, config: dict[str, Any], runs: pd.DataFrame, store: Store, folder: Path) -> None:
    """Write `statistics_gap.parquet` and `mechanism.json` for the runs of the table.

    Raises:
        StudyError: a record is missing or damaged.
    """
    factors = list(config["design"]["factors"])
    gap = statistics_gap(runs[["run_id", *factors, "seed"]], store, reader)
    write_table(gap, folder / "statistics_gap.parquet")
    if "bn" not in factors:
        runs, gap = (frame.assign(bn=config["training"]["bn"]) for frame in (runs, gap))
    found = mechanism(runs, gap, factors, config["plan"]["collapse_below"], config["training"])
    write_json(folder / "mechanism.json", found)


def statistics_gap(keys: pd.DataFrame, store: Store, reader: RecordReader) -> pd.DataFrame:
    """The gap of the statistics, one row a run with batch normalisation, epoch and layer.

    Args:
        keys: the columns that begin a run's rows, `run_id` among them; one row a run.
    """
    found: list[dict[str, Any]] = []
    for key in keys.to_dict("records"):
        found += rows(key, store.load(key["run_id"], reader).extra["gap"] or {})
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
        `gap` (quantiles over the runs of the log variance ratio, by layer and epoch), and `final_gap_factor`, the
        moving variance over the true one after the last epoch in the layer that is farthest off, exp(median log ratio),
        and
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
        final = layers[layers["epoch"] == layers["epoch"].max()].groupby("layer")["log_variance_ratio"].median()
        arms.append(
            {
                "level": level,
                "runs": len(index),
                "collapsed": int(collapsed[index].sum()),
                "recovered_by_population": int(recovered[index].sum()),
                "median_accuracy": {way: 100 * float(accuracy.loc[index, way].median()) for way in SCORINGS},
                "gap": _gap_quantiles(layers),
                "final_gap_factor": None if final.dropna().empty else math.exp(final[final.abs().idxmax()]),
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

    Returns:
        By row the `level` of `bn`; the `levels` of the other factors; the `layer`; `decay`, `start`, and the true
        `variance` that the prediction takes, None if it is unknown, which only a start at 0 allows; `predicted_steps`
        and `observed_steps`, None for never (`study.trainers.mnist.recovery`), the latter by the cell's median ratios;
        and the `steps` and `steps_an_epoch` of a run.
    """
    others = [name for name in factors if name != "bn"]
    keys = [*others, "bn", "layer"]
    medians = gap.groupby([*keys, "epoch"], sort=False)["log_variance_ratio"].median().reset_index()
    variances = _true_variances(medians, others)
    found = []
    for _, course in medians.groupby(keys, sort=False):
        first = course.to_dict("records")[0]
        rule, measured = IMPLEMENTATIONS.get(first["bn"]), variances.get(_place(first, others), {})
        if rule is None or (rule.initial_variance > 0 and not measured):
            continue
        levels = {name: first[name] for name in others}
        settings = {**training, **levels}
        steps_an_epoch = settings["train_images"] // settings["batch_size"]
        predicted, variance = predicted_steps(rule, measured, steps_an_epoch)
        ratios = dict(zip(course["epoch"], course["log_variance_ratio"], strict=True))
        found.append(
            {
                "level": first["bn"],
                "levels": levels,
                "layer": first["layer"],
                "decay": rule.decay,
                "start": rule.initial_variance,
                "variance": variance,
                "predicted_steps": predicted,
                "observed_steps": observed_steps(ratios, steps_an_epoch),
                "steps": steps_an_epoch * settings["epochs"],
                "steps_an_epoch": steps_an_epoch,
            }
        )
    return found


def _true_variances(medians: pd.DataFrame, others: list[str]) -> dict[tuple[Any, ...], dict[int, float]]:
    """By `_place` and epoch, the true variance, geometric mean over the channels, where it is known.

    A record has it only as a part of the ratio, so it is known where a moving variance still stands where it started:
    before the first step, and after every epoch from an implementation that is never updated. It is that of all
    implementations, as they train the same weights.
    """
    found: dict[tuple[Any, ...], dict[int, float]] = {}
    for row in medians.dropna().to_dict("records"):
        rule = IMPLEMENTATIONS.get(row["bn"])
        if rule is not None and rule.initial_variance > 0 and (row["epoch"] == 0 or rule.decay == 1.0):
            variance = rule.initial_variance / math.exp(row["log_variance_ratio"])
            found.setdefault(_place(row, others), {})[row["epoch"]] = variance
    return found


def _place(row: Mapping[Any, Any], others: list[str]) -> tuple[Any, ...]:
    """The layer of a training that the implementations share."""
    return (*(row[name] for name in others), row["layer"])


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
