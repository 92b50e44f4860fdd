"""Over the epochs: the median run of each cell, the band that holds most runs, a highlighted block's own lines, and the
difference from the control after each epoch."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from study.report.format import THIN, sentence, span, with_bounds
from study.report.parts.axes import (
    accuracy_axis,
    epochs,
    error_axis,
    error_of,
    positive_axis,
    signed_axis,
    upright,
    value_axis,
)
from study.report.parts.figure import HIGHLIGHT, STILL, Figure, Panel, grid
from study.report.parts.labels import arm_legend, arms_of, cell_labels, cell_order, columns
from study.report.parts.marks import arm_colour, arm_shape, dots, path_layers, small_multiples, tooltip
from study.report.parts.section import Section, made
from study.report.results import Results

HEIGHT = 190
CHANGE_HEIGHT = 170


def section(results: Results, compared: bool) -> Section | None:
    difference = difference_by_epoch(results) if compared else None
    return made("epochs", "Over the epochs", (learning_curves(results), difference))


def learning_curves(results: Results) -> Figure | None:
    """The outcome by epoch, a panel a cell."""
    bands = _bands(results)
    if bands.empty:
        return None
    lines = _lines(results)
    frame = pd.concat([bands, lines], ignore_index=True)
    arms = arms_of(results, bands)
    last = int(bands["epoch"].max())
    ends = [f"{r.arm}, {r.cell}: {r.words}" for r in bands[bands["epoch"] == last].itertuples()]
    return Figure(
        key="curves",
        title="Learning curves",
        caption=(
            f"{sentence(_name(results))} after each epoch. Lines are medians over runs; the bands hold the middle "
            f"80{THIN}% of the runs at each epoch."
            + (
                f" Point at the plot, or choose a {results.block}, to see single runs, dashed."
                if not lines.empty
                else ""
            )
        ),
        alternative=f"Median {_name(results)} and the middle 80 % after epoch {last}. {'; '.join(ends)}.",
        variants=_views(results, frame, arms),
        data={"curves": frame, "curve_bands": bands},
        download="curve_bands",
        legend=arm_legend(results, arms),
        blocks=not lines.empty,
    )


def difference_by_epoch(results: Results) -> Figure | None:
    """The difference from the control after each epoch, a panel an arm."""
    rows = [r for r in results.lists["curve_contrasts"] if r["scale"] == results.difference_scale]
    rows = [r for r in rows if r["estimate"] is not None]
    if not rows or len({r["epoch"] for r in rows}) < 2:
        return None
    frame = pd.DataFrame(
        {
            "arm": [results.arm(r["level"]) for r in rows],
            "epoch": [r["epoch"] for r in rows],
            "difference": [r["estimate"] for r in rows],
            "low": [r["ci_low"] for r in rows],
            "high": [r["ci_high"] for r in rows],
        }
    )
    response = results.response
    frame["words"] = [
        with_bounds(response.difference(r["estimate"]), response.bounds(r["ci_low"], r["ci_high"])) for r in rows
    ]
    arms = arms_of(results, frame)
    last = int(frame["epoch"].max())
    title = "Difference, pp" if results.counts else response.difference_title
    y = alt.Y("difference:Q", title=title, axis=signed_axis(**upright(34)))
    tips = {"arm:N": results.focus.title, "epoch:Q": "epoch", "words:N": "difference (band)"}
    layers = alt.layer(*path_layers(results, epochs(last), y, ("low", "high"), 40, tips))
    chart = small_multiples(layers.properties(height=CHANGE_HEIGHT), "arm", arms, "by_epoch", y="independent")
    words = [f"{r.arm}: {r.words}" for r in frame[frame["epoch"] == last].itertuples()]
    return Figure(
        key="difference-by-epoch",
        title=f"Difference from {results.arm(results.control)} by epoch",
        caption=(
            f"{sentence(_name(results))}, averaged over the other factors. The band holds for all epochs and arms at "
            "once; the line at 0 is no difference. Every panel has its own vertical scale."
        ),
        alternative=f"Differences after epoch {last}: {'; '.join(words)}.",
        variants={"": (grid(chart, 4, 200, axis=58),)},
        data={"by_epoch": frame},
    )


def _bands(results: Results) -> pd.DataFrame:
    rows = results.lists["curves"]
    if not rows:
        return pd.DataFrame()
    trials = _trials(results)
    frame = pd.DataFrame(
        {
            "arm": [results.arm(row["levels"][results.focus.name]) for row in rows],
            "cell": [results.cell_label(row["levels"]) for row in rows],
            "epoch": [row["epoch"] for row in rows],
            "outcome": [row["median"] for row in rows],
            "outcome_low": [row["q10"] for row in rows],
            "outcome_high": [row["q90"] for row in rows],
        }
    )
    if results.counts:
        frame["error"] = error_of(frame["outcome"], trials)
        frame["error_low"] = error_of(frame["outcome_high"], trials)
        frame["error_high"] = error_of(frame["outcome_low"], trials)
    show = results.response.value
    ends = zip(frame["outcome"], frame["outcome_low"], frame["outcome_high"], strict=True)
    frame["words"] = [with_bounds(show(median), span(low, high, show)) for median, low, high in ends]
    return frame.assign(kind="band")


def _lines(results: Results) -> pd.DataFrame:
    table, names = results.curves, _columns(results)
    if table is None or results.block not in table or not {*names} <= set(table):
        return pd.DataFrame()
    lines = pd.DataFrame(
        {
            "arm": table[results.focus.name].map(results.arm),
            "cell": cell_labels(results, table),
            "block": table[results.block].astype(str),
            "epoch": table["epoch"],
            "outcome": 100.0 * table[names[0]] / table[names[1]] if results.counts else table[names[0]],
            "kind": "run",
        }
    )
    if results.counts:
        lines["error"] = error_of(lines["outcome"], table[names[1]])
    return lines.dropna(subset=["outcome"])


def _columns(results: Results) -> tuple[str, ...]:
    """The columns of the table of curves: successes and trials, or a number."""
    roles = ("successes", "trials") if results.counts else ("response",)
    return tuple(results.analysis["plan"][f"validation_{role}"] for role in roles)


def _trials(results: Results) -> int:
    table, column = results.curves, _columns(results)[-1]
    return results.trials if table is None or column not in table else int(table[column].dropna().iloc[0])


def _name(results: Results) -> str:
    """What the curves show: what the tuned comparison is chosen by, or the outcome itself."""
    name = results.response.name
    if _columns(results) == results.outcome:
        return name
    return f"validation {name.removeprefix('test ').removeprefix('validation ')}"


def _views(results: Results, frame: pd.DataFrame, arms: Sequence[str]) -> dict[str, tuple[Panel, ...]]:
    """The axes to switch between."""
    even: dict[str, tuple[Panel, ...]] = {"Evenly spaced": (_panel(results, frame, "outcome", arms),)}
    if results.counts:
        return {"Spaced by log error": (_panel(results, frame, "error", arms),)} | even
    if frame["outcome_low"].min() > 0 and (frame["outcome"].dropna() > 0).all():
        return even | {"Spaced by logarithm": (_panel(results, frame, "outcome", arms, logarithmic=True),)}
    return even


def _panel(results: Results, frame: pd.DataFrame, field: str, arms: Sequence[str], logarithmic: bool = False) -> Panel:
    cells = cell_order(results, frame["cell"])
    low, high = f"{field}_low", f"{field}_high"
    ends = float(frame[low].min()), float(frame[high].max())
    if not results.counts:
        look = positive_axis(*ends) if logarithmic else value_axis(*ends)
    elif field == "error":
        look = error_axis(ends)
    else:
        look = accuracy_axis(max(0.0, ends[0] - 1), min(100.0, ends[1] + 1))
    look["scale"].clamp = False
    colour, x = arm_colour(results), epochs(int(frame["epoch"].max()))
    y = alt.Y(f"{field}:Q", title=sentence(_name(results)) if results.counts else results.response.title, **look)
    bands = alt.Chart().transform_filter("datum.kind === 'band'")
    tips = tooltip({"arm:N": results.focus.title, "epoch:Q": "epoch", "words:N": "median (middle 80 %)"})
    mine = alt.Chart().transform_filter(f"datum.kind === 'run' && datum.block === {HIGHLIGHT}")
    single = mine.mark_line(strokeWidth=1.5, strokeDash=[4, 2], clip=True)
    # Unseen until the pointer meets them: the page then highlights their block in this figure. Above the dashed lines,
    # which would take the pointer from them.
    runs = alt.Chart().transform_filter(f"datum.kind === 'run' && !{STILL}")
    unseen = runs.mark_line(strokeWidth=5, opacity=0, clip=True, aria=False)
    layers = alt.layer(
        bands.mark_area(opacity=0.16).encode(x=x, y=alt.Y(f"{low}:Q"), y2=f"{high}:Q", color=colour),
        bands.mark_line(strokeWidth=2, clip=True).encode(x=x, y=y, color=colour),
        single.encode(x=x, y=alt.Y(f"{field}:Q"), color=colour, detail="block:N"),
        unseen.encode(x=x, y=alt.Y(f"{field}:Q"), detail=["block:N", "arm:N"]),
        dots(bands, 34).encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tips),
    ).properties(height=HEIGHT)
    chart = small_multiples(layers, "cell", cells, "curves")
    return grid(chart, columns(results), 230, legend="arm", axis=58)
