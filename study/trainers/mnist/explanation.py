"""Why an arm collapses: the same weights scored three ways; how far the moving statistics are off, and for how long."""

import math
from collections.abc import Container, Sequence
from operator import itemgetter
from pathlib import Path

import altair as alt
import pandas as pd

from study.files import read_json
from study.report.explanation import Rescored
from study.report.format import (
    THIN,
    accuracy,
    of,
    optional,
    plural,
    ratio,
    significant,
    span,
    times,
    with_bounds,
)
from study.report.parts.axes import error_axis, error_of, ratio_axis, whole_ticks
from study.report.parts.figure import Figure, grid
from study.report.parts.labels import arms_of, cell_order, columns
from study.report.parts.marks import (
    arm_colour,
    arm_shape,
    dots,
    horizontal,
    plain_shape,
    row,
    row_labels,
    small_multiples,
    told,
)
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row
from study.trainers.mnist.recovery import RIGHT
from study.words import level_key

WAYS = {
    "moving": "moving statistics (what a user gets)",
    "population": "statistics of the training set",
    "batch": "the test batch's own statistics",
}

SCORE_ROW = 35
GAP_HEIGHT = 240


class MnistExplanation:
    """See `study.report.explanation.Explanation`."""

    def __init__(self, folder: Path) -> None:
        """Read what the trainer's own step wrote to the study's folder: `mechanism.json`.

        Raises:
            StudyError: it is damaged.
        """
        self._found: Row = read_json(folder / "mechanism.json", dict) or {"arms": [], "cells": []}

    def section(self, results: Results, fallen: Container[str]) -> Section | None:
        items = (
            scores(results, self._found),
            gap(results, self._found),
            recovery(results, self._found),
        )
        causes = {results.arm(level): self._cause(results, level) for level in results.arms if level in fallen}
        return made("why", "Why", items, [f"{name}: {cause}" for name, cause in causes.items() if cause])

    def setting(self, results: Results) -> str:
        network, epochs = _network(results)
        return ", ".join(part for part in (f"{network} network" if network else "", epochs) if part)

    def rescored(self, results: Results) -> Rescored | None:
        column, runs = "test_correct_population", results.runs
        if column not in runs or not results.counts:
            return None
        return Rescored(
            "the same weights, scored with the statistics of the training set", 100 * runs[column] / results.trials
        )

    def methods(self, results: Results) -> Sequence[str]:
        design = results.design
        data = (design.get("data") or {}).get("name")
        network, epochs = _network(results)
        return (
            f"{f'Network {network}' if network else 'Each network'}, trained on {design['train_images']:,} "
            f"images{f' of {data}' if data else ''} for {epochs or 'the epochs of its cell'} in batches of "
            f"{design['batch_size']}, and scored after the last "
            "epoch; no best epoch is chosen.",
            "Population statistics are computed over the training set after the training, as in Algorithm 2 of the "
            "original paper (Ioffe and Szegedy 2015).",
        )

    def _cause(self, results: Results, level: str) -> str:
        """What the ways of scoring say about the collapse of `level`: do the same weights work otherwise?"""
        arm = next((arm for arm in self._found["arms"] if level_key(arm["level"]) == level), None)
        if arm is None or not arm["collapsed"]:
            return ""
        recovered, collapsed, median = arm["recovered_by_population"], arm["collapsed"], arm["median_accuracy"]
        text = (
            f"Scored with the statistics of the training set instead of the moving ones, the same weights recover in "
            f"{of(recovered, collapsed)} of its collapsed runs; the median accuracy is {accuracy(median['population'])}"
            f" instead of {accuracy(median['moving'])}."
        )
        off = arm["final_gap_factor"]
        if off is not None and max(off, 1 / off) >= RIGHT:
            wrong = f"{times(off)} times too large" if off > 1 else f"{times(1 / off)} times too small"
            text += f" After the last epoch its moving variance is {wrong}, in the layer that is farthest off."
        widest = self._widest_cell(results, level)
        # A spread that the statistics explain; runs that diverged would spread too.
        if widest is not None and recovered >= 0.9 * collapsed:
            scored = widest["accuracy"]["moving"]
            text += (
                f" With the moving statistics the {results.unit} alone decides between {accuracy(scored['min'])} and "
                f"{accuracy(scored['max'])} ({results.cell_label(widest['levels'])})."
            )
        return text

    def _widest_cell(self, results: Results, level: str) -> Row | None:
        """The cell of `level` whose runs differ most with the moving statistics, if they differ by 5 points or more."""
        name = results.focus.name
        rows = [cell for cell in self._found["cells"] if level_key(cell["levels"].get(name)) == level]
        rows = [cell for cell in rows if cell["accuracy"]["moving"]["min"] is not None and cell["runs"] > 1]
        widest = max(rows, key=_spread, default=None)
        return widest if widest is not None and _spread(widest) >= 5.0 else None


def _network(results: Results) -> tuple[str, str]:
    """The network and how long it was trained, in words; empty where that differs between the cells."""
    varied, design = {factor.name for factor in results.factors}, results.design
    return (
        "" if "network" in varied else str(design["network"]),
        "" if "epochs" in varied else plural(design["epochs"], "epoch"),
    )


def scores(results: Results, found: Row) -> Figure | None:
    """Accuracy under each way of scoring, by arm, a panel a cell."""
    frame = _scores(results, found)
    if frame.empty:
        return None
    order = arms_of(results, frame)
    cells = cell_order(results, frame["cell"])
    y, colour = row("arm", order), arm_colour(results)
    lanes = alt.YOffset("lane:Q", scale=alt.Scale(domain=[alt.expr("named ? -1 : -0.25"), 1.25]))
    look = error_axis([frame["from"].min(), frame["to"].max()])
    x = alt.X("error:Q", title="Test accuracy, spaced by log error", **look)
    tips = {"arm:N": results.focus.title, "way:N": "scored with", "words:N": "median (lowest to highest)"}
    shown = told(tips | {"cell:N": "cell"})
    ways = list(WAYS.values())
    ranges = alt.Chart().mark_rule(strokeWidth=2, opacity=0.55)
    shape = plain_shape("way", ways)
    layers = alt.layer(
        *row_labels(order, -16),
        ranges.encode(x=alt.X("from:Q"), x2="to:Q", y=y, yOffset=lanes, color=colour),
        dots(alt.Chart(), 60).encode(x=x, y=y, yOffset=lanes, color=colour, shape=shape, description=shown),
    ).properties(height=alt.Step(SCORE_ROW))
    chart = small_multiples(layers, "cell", cells, "scores")
    words = [f"{r.arm}, {r.cell}, {r.way}: {r.words}" for r in frame.itertuples()]
    return Figure(
        key="scores",
        title="The same weights, scored three ways",
        caption=(
            "One training, three scores: only the statistics that normalise at inference differ. Points are medians "
            "over runs, lines reach from the worst run to the best."
        ),
        alternative=f"Median accuracy, worst to best run. {'; '.join(words)}.",
        plot=grid(chart, columns(results), 230, legend="way", phone=2),
        data={"scores": frame},
    )


def gap(results: Results, found: Row) -> Figure | None:
    """The moving variance as a multiple of the true variance, by training step, a panel a layer."""
    bands = _gap_bands(results, found)
    if bands.empty:
        return None
    last = int(bands["epoch"].max())
    steps = _steps_an_epoch(results)
    bands["step"] = bands["epoch"] * max(steps, 1)
    colour, x = arm_colour(results), _clock(int(bands["epoch"].min()), last, steps)
    look = ratio_axis(bands["low"].min(), bands["high"].max(), most=6)
    y = alt.Y("factor:Q", title="Moving variance ÷ true variance", **look)
    tips = {"arm:N": results.focus.title, "epoch:Q": "after epoch", "words:N": "factor (middle 80 % of runs)"}
    base = alt.Chart()
    layers = alt.layer(
        base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        horizontal(1.0),
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        dots(base, 40).encode(x=x, y=y, color=colour, shape=arm_shape(results), description=told(tips)),
    ).properties(height=GAP_HEIGHT)
    chart = small_multiples(layers, "layer", list(dict.fromkeys(bands["layer"])), "gap")
    words = [f"{r.arm}, {r.layer}: {r.words}" for r in bands[bands["epoch"] == last].itertuples()]
    return Figure(
        key="statistics-gap",
        title="Moving against true variance",
        caption=(
            "The variance that scoring uses, divided by the true variance of the same activations over the training "
            "set, before the first step and after each epoch; the vertical axis is logarithmic. At 1× both agree. "
            f"Lines are medians over all cells and runs, bands hold the middle 80{THIN}% of the runs."
        ),
        alternative=f"Moving variance over true variance after epoch {last}: {'; '.join(words)}.",
        plot=grid(chart, 3, 280, legend="arm", axis=62),
        data={"gap": bands},
    )


def recovery(results: Results, found: Row) -> Table | None:
    """The steps that each moving variance needs, by its decay, and those that it had and was seen to need."""
    # A file of an earlier version lacks the key.
    rows = [arm["recovery"] for arm in found["arms"] if arm.get("recovery")]
    # Which factor is in question does not matter here, nor whether the implementation is a factor at all.
    factors = {factor.name: factor for factor in results.factors}

    def implementation(row: Row) -> str:
        return factors["bn"].label(row["level"]) if "bn" in factors else row["level"]

    def place(row: Row) -> str:
        cell = [factors[name].words(level) for name, level in row["levels"].items() if name in factors]
        return " · ".join([f"layer {row['layer']}", *cell])

    columns = (
        Column("Implementation", implementation, words=True),
        Column("Decay", lambda r: f"{r['decay']:g}"),
        Column("Starts at", lambda r: f"{r['start']:g}"),
        Column("True variance", lambda r: optional(r["variance"], significant)),
        Column("Steps needed, predicted", lambda r: "never" if r["predicted_steps"] is None else r["predicted_steps"]),
        Column("Steps observed", _observed),
        Column("Steps of the run", itemgetter("steps")),
        Column("Where", place, words=True),
    )
    return plain(
        "recovery",
        "How long the moving variance is wrong",
        f"Steps until the moving variance is within a factor of {RIGHT:g} of the true one, in the layer and cell that "
        "fall shortest. The prediction takes only the decay, the start, and the true variance, never the course of the "
        "moving variance. What was observed are the steps of the epoch by whose end the median run is right to stay.",
        columns,
        rows,
    )


def _observed(recovery: Row) -> str:
    """The epoch in which the moving variance came right, as its steps."""
    end = recovery["observed_steps"]
    if end is None:
        return "not in the run"
    return f"{end - recovery['steps_an_epoch'] + 1:,} to {end:,}" if end else "0"


def _spread(cell: Row) -> float:
    return cell["accuracy"]["moving"]["max"] - cell["accuracy"]["moving"]["min"]


def _steps_an_epoch(results: Results) -> int:
    """Training steps an epoch, 0 where that is unknown or differs between the cells."""
    images, batch = (results.design.get(name) for name in ("train_images", "batch_size"))
    varied = {factor.name for factor in results.factors} & {"train_images", "batch_size"}
    return int(images) // int(batch) if images and batch and not varied else 0


def _clock(first: int, last: int, steps: int) -> alt.X:
    """The axis of training steps, or of epochs where their steps are unknown."""
    unit = max(steps, 1)
    return alt.X(
        "step:Q",
        title=f"Training step ({steps:,} an epoch)" if steps else "Epoch",
        scale=alt.Scale(domain=[first * unit, max(last, first + 1) * unit], nice=False),
        axis=alt.Axis(values=[epoch * unit for epoch in whole_ticks(first, last)], format=",d", grid=False),
    )


def _scores(results: Results, found: Row) -> pd.DataFrame:
    normalised = {level_key(arm["level"]) for arm in found["arms"] if arm["gap"]}
    name = results.focus.name
    table = []
    for cell in found["cells"]:
        if level_key(cell["levels"].get(name)) not in normalised:
            continue
        for lane, (way, words) in enumerate(WAYS.items()):
            score = cell["accuracy"][way]
            if score["median"] is not None:
                bounds = span(score["min"], score["max"], accuracy)
                table.append(
                    {
                        "arm": results.arm(cell["levels"][name]),
                        "cell": results.cell_label(cell["levels"]),
                        "way": words,
                        "lane": lane / (len(WAYS) - 1),
                        "accuracy": score["median"],
                        "lowest": score["min"],
                        "highest": score["max"],
                        "words": with_bounds(accuracy(score["median"]), bounds),
                    }
                )
    frame = pd.DataFrame(table)
    for column, source in (("error", "accuracy"), ("from", "highest"), ("to", "lowest")) if table else ():
        frame[column] = error_of(frame[source], results.trials)
    return frame


def _gap_bands(results: Results, found: Row) -> pd.DataFrame:
    table = []
    for arm in found["arms"]:
        for at in arm["gap"]:
            low, factor, high = (math.exp(at[key]) for key in ("q10", "median", "q90"))
            table.append(
                {
                    "arm": results.arm(arm["level"]),
                    "layer": f"layer {at['layer']}",
                    "epoch": at["epoch"],
                    "factor": factor,
                    "low": low,
                    "high": high,
                    "words": with_bounds(ratio(factor), span(low, high, times)),
                }
            )
    return pd.DataFrame(table)
