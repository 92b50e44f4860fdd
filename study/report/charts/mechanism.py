"""Why an arm collapses: the same weights scored three ways, and how far the moving statistics are from the truth."""

import math
from typing import Any

import altair as alt
import pandas as pd

from study.report.charts.axes import error_axis, error_of, ratio_axis, whole_ticks
from study.report.charts.figure import HIGHLIGHT, Figure, finished
from study.report.charts.labels import arm_legend, cell_order, columns, labelled, ordered_labels, plain_legend
from study.report.charts.marks import arm_colour, arm_shape, plain_shape, row, row_labels, small_multiples
from study.report.results import Results, level_key
from study.report.text import THIN, accuracy, times

WAYS = {
    "moving": "moving statistics (what a user gets)",
    "population": "statistics of the training set",
    "batch": "the test batch's own statistics",
}
SCORE_ROW = 50
GAP_HEIGHT = 240


def scores(results: Results) -> Figure | None:
    """Accuracy under each way of scoring, by arm, a panel a cell."""
    frame = _scores(results)
    if frame.empty:
        return None
    order = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    cells = cell_order(results, frame["cell"])
    y, colour = row("arm", order), arm_colour(results)
    lanes = alt.YOffset("lane:Q", scale=alt.Scale(domain=[-1.0, 1.25]))
    look = error_axis([frame["from"].min(), frame["to"].max()])
    x = alt.X("error:Q", title="Test accuracy, spaced by log error", **look)
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("way:N", title="scored with"),
        alt.Tooltip("words:N", title="median (lowest to highest)"),
        alt.Tooltip("cell:N", title="cell"),
    ]
    ways = list(WAYS.values())
    ranges = alt.Chart().mark_rule(strokeWidth=2, opacity=0.55)
    medians = alt.Chart().mark_point(filled=True, size=60, opacity=1)
    layers = alt.layer(
        *row_labels(order, -16),
        ranges.encode(x=alt.X("from:Q"), x2="to:Q", y=y, yOffset=lanes, color=colour),
        medians.encode(x=x, y=y, yOffset=lanes, color=colour, shape=plain_shape("way", ways), tooltip=tooltip),
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
        variants={"": (finished(chart, facets=len(cells), columns=columns(results), narrowest=230),)},
        data={"scores": frame},
        download="scores",
        legend_field="way",
        legend=plain_legend(ways),
        legend_title="Scored with",
    )


def gap(results: Results) -> Figure | None:
    """The moving variance as a multiple of the true variance, by training step, a panel a layer."""
    bands = _gap_bands(results)
    if bands.empty:
        return None
    lines = _gap_lines(results)
    frame = pd.concat([bands, lines], ignore_index=True)
    layer_order = list(dict.fromkeys(bands["layer"]))
    arms = [label for label in ordered_labels(results) if label in set(bands["arm"])]
    last = int(bands["epoch"].max())
    steps = _steps_an_epoch(results)
    for table in (frame, bands):
        table["step"] = table["epoch"] * max(steps, 1)
    colour, x = arm_colour(results), _clock(int(bands["epoch"].min()), last, steps)
    look = ratio_axis(bands["low"].min(), bands["high"].max(), most=6)
    y = alt.Y("factor:Q", title="Moving variance ÷ true variance", **look)
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("epoch:Q", title="after epoch"),
        alt.Tooltip("words:N", title="factor (middle 80 % of runs)"),
    ]
    base = alt.Chart().transform_filter("datum.kind === 'band'")
    one = alt.Chart(alt.InlineData(values=[{"at": 1.0}])).mark_rule(style="zero").encode(y=alt.Y("at:Q"))
    points = base.mark_point(filled=True, size=40, opacity=1)
    mine = alt.Chart().transform_filter(f"datum.kind === 'run' && datum.block === {HIGHLIGHT}")
    layers = alt.layer(
        base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        one,
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip),
        mine.mark_line(strokeWidth=1, strokeDash=[4, 2]).encode(x=x, y=y, color=colour, detail="run:N"),
    ).properties(height=GAP_HEIGHT)
    chart = small_multiples(layers, "layer", layer_order, "gap")
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
        variants={"": (finished(chart, facets=len(layer_order), columns=3, narrowest=280, axis=62),)},
        data={"gap": frame, "gap_bands": bands},
        download="gap_bands",
        legend_field="arm",
        legend=arm_legend(results, arms),
        blocks=not lines.empty,
    )


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


def _scores(results: Results) -> pd.DataFrame:
    found: Any = results.mechanism or {}
    normalised = {level_key(arm["level"]) for arm in found.get("arms", ()) if arm.get("gap")}
    name = results.focus.name
    table = []
    for cell in found.get("cells", ()):
        if level_key(cell["levels"].get(name)) not in normalised:
            continue
        for lane, (way, words) in enumerate(WAYS.items()):
            score = cell["accuracy"].get(way)
            if score and score["median"] is not None:
                low, median, high = (accuracy(score[key]) for key in ("min", "median", "max"))
                table.append(
                    {
                        "arm": results.focus.label(cell["levels"][name]),
                        "cell": results.cell_label(cell["levels"]),
                        "way": words,
                        "lane": lane / (len(WAYS) - 1),
                        "accuracy": score["median"],
                        "lowest": score["min"],
                        "highest": score["max"],
                        "words": f"{median} ({low} to {high})",
                    }
                )
    frame = pd.DataFrame(table)
    for column, source in (("error", "accuracy"), ("from", "highest"), ("to", "lowest")) if table else ():
        frame[column] = error_of(frame[source], results.trials)
    return frame


def _gap_bands(results: Results) -> pd.DataFrame:
    table = []
    for arm in (results.mechanism or {}).get("arms", ()):
        for found in arm.get("gap", ()):
            if found["median"] is not None:
                low, factor, high = (math.exp(found[key]) for key in ("q10", "median", "q90"))
                table.append(
                    {
                        "arm": results.focus.label(arm["level"]),
                        "layer": f"layer {found['layer']}",
                        "epoch": found["epoch"],
                        "factor": factor,
                        "low": low,
                        "high": high,
                        "words": f"{times(factor)}× ({times(low)} to {times(high)})",
                        "kind": "band",
                    }
                )
    return pd.DataFrame(table)


def _gap_lines(results: Results) -> pd.DataFrame:
    table = results.gaps
    if table is None or table.empty or results.block not in table or results.focus.name not in table:
        return pd.DataFrame()
    return pd.DataFrame(
        {
            "arm": labelled(results, table),
            "layer": "layer " + table["layer"].astype(str),
            "epoch": table["epoch"],
            "factor": table["log_variance_ratio"].map(math.exp).round(5),
            "block": table[results.block].astype(str),
            "run": table["run_id"].factorize()[0],
            "kind": "run",
        }
    )
