"""Learning curves: the median run of each cell, the band that holds most runs, and a highlighted block's own lines."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from study.report.charts.axes import accuracy_axis, epochs, error_axis, error_of, positive_axis, signed_axis, value_axis
from study.report.charts.figure import HIGHLIGHT, Figure, Panel, finished
from study.report.charts.labels import arm_legend, cell_labels, cell_order, columns, labelled, ordered_labels
from study.report.charts.marks import arm_colour, arm_shape, small_multiples
from study.report.results import Results
from study.report.text import THIN, sentence

HEIGHT = 190
VALIDATION = ("validation_correct", "validation_trials")
CHANGE_HEIGHT = 170


def learning_curves(results: Results) -> Figure | None:
    """The outcome by epoch, a panel a cell."""
    bands = _bands(results)
    if bands.empty:
        return None
    lines = _lines(results)
    frame = pd.concat([bands, lines], ignore_index=True)
    arms = [label for label in ordered_labels(results) if label in set(bands["arm"])]
    last = int(bands["epoch"].max())
    ends = [f"{r.arm}, {r.cell}: {r.words}" for r in bands[bands["epoch"] == last].itertuples()]
    return Figure(
        key="curves",
        title="Learning curves",
        caption=(
            f"{_title(results)} after each epoch. Lines are medians over runs; the bands hold the middle "
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
        legend_field="arm",
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
            "arm": [results.focus.label(r["level"]) for r in rows],
            "epoch": [r["epoch"] for r in rows],
            "difference": [r["estimate"] for r in rows],
            "low": [r["ci_low"] for r in rows],
            "high": [r["ci_high"] for r in rows],
        }
    )
    response = results.response
    bounds = [response.bounds(r["ci_low"], r["ci_high"]) for r in rows]
    ends = zip(rows, bounds, strict=True)
    frame["words"] = [f"{response.difference(r['estimate'])}{f' ({found})' if found else ''}" for r, found in ends]
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    last = int(frame["epoch"].max())
    colour, x = arm_colour(results), epochs(last)
    # The same width for every panel's labels, so that panels with scales of their own still stand in line.
    axis = signed_axis(labelBound=True, minExtent=34, maxExtent=34)
    y = alt.Y("difference:Q", title="Difference, pp" if results.counts else response.difference_title, axis=axis)
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("epoch:Q", title="epoch"),
        alt.Tooltip("words:N", title="difference (band)"),
    ]
    zero = alt.Chart(alt.InlineData(values=[{"at": 0.0}])).mark_rule(style="zero").encode(y=alt.Y("at:Q"))
    points = alt.Chart().mark_point(filled=True, size=40, opacity=1)
    layers = alt.layer(
        alt.Chart().mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        zero,
        alt.Chart().mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip),
    ).properties(height=CHANGE_HEIGHT)
    chart = small_multiples(layers, "arm", arms, "by_epoch", y="independent")
    words = [f"{r.arm}: {r.words}" for r in frame[frame["epoch"] == last].itertuples()]
    return Figure(
        key="difference-by-epoch",
        title=f"Difference from {results.focus.label(results.control)} by epoch",
        caption=(
            f"{_title(results)}, averaged over the other factors. The band holds for all epochs and arms at once; the "
            "line at 0 is no difference. Every panel has its own vertical scale."
        ),
        alternative=f"Differences after epoch {last}: {'; '.join(words)}.",
        variants={"": (finished(chart, facets=len(arms), columns=min(4, len(arms)), narrowest=200, axis=58),)},
        data={"by_epoch": frame},
        download="by_epoch",
    )


def _bands(results: Results) -> pd.DataFrame:
    rows = results.lists["curves"]
    if not rows:
        return pd.DataFrame()
    trials = _trials(results)
    frame = pd.DataFrame(
        {
            "arm": [results.focus.label(row["levels"][results.focus.name]) for row in rows],
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
    frame["words"] = [f"{show(median)} ({show(low)} to {show(high)})" for median, low, high in ends]
    return frame.assign(kind="band")


def _lines(results: Results) -> pd.DataFrame:
    table = results.curves
    found = _columns(table)
    if table is None or results.block not in table or found is None:
        return pd.DataFrame()
    values = table[found[0]] if len(found) == 1 else 100.0 * table[found[0]] / table[found[1]]
    lines = pd.DataFrame(
        {
            "arm": labelled(results, table),
            "cell": cell_labels(results, table),
            "block": table[results.block].astype(str),
            "epoch": table["epoch"],
            "outcome": values,
            "kind": "run",
        }
    )
    if results.counts:
        lines["error"] = error_of(values, table[found[-1]])
    return lines.dropna(subset=["outcome"])


def _columns(table: pd.DataFrame | None) -> tuple[str, ...] | None:
    """The columns of the curves' outcome: successes and trials, or a number."""
    sets: tuple[tuple[str, ...], ...] = (VALIDATION, ("successes", "trials"), ("response",))
    return None if table is None else next((names for names in sets if {*names} <= set(table)), None)


def _trials(results: Results) -> int:
    table, found = results.curves, _columns(results.curves)
    if table is None or found is None or table.empty:
        return results.trials
    return int(table[found[-1]].dropna().iloc[0])


def _name(results: Results) -> str:
    """What the curves show: the built-in trainer's validation images, or the outcome itself."""
    return "validation accuracy" if _columns(results.curves) in (None, VALIDATION) else results.response.name


def _title(results: Results) -> str:
    return sentence(_name(results))


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
    y = alt.Y(f"{field}:Q", title=_title(results) if results.counts else results.response.title, **look)
    bands = alt.Chart().transform_filter("datum.kind === 'band'")
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("epoch:Q", title="epoch"),
        alt.Tooltip("words:N", title="median (middle 80 %)"),
    ]
    mine = alt.Chart().transform_filter(f"datum.kind === 'run' && datum.block === {HIGHLIGHT}")
    single = mine.mark_line(strokeWidth=1.5, strokeDash=[4, 2], clip=True)
    # Unseen until the pointer meets them: the page then highlights their block in this figure. Above the dashed lines,
    # which would take the pointer from them.
    runs = alt.Chart().transform_filter("datum.kind === 'run'")
    unseen = runs.mark_line(strokeWidth=5, opacity=0, clip=True, aria=False)
    points = bands.mark_point(filled=True, size=34, opacity=1)
    layers = alt.layer(
        bands.mark_area(opacity=0.16).encode(x=x, y=alt.Y(f"{low}:Q"), y2=f"{high}:Q", color=colour),
        bands.mark_line(strokeWidth=2, clip=True).encode(x=x, y=y, color=colour),
        single.encode(x=x, y=alt.Y(f"{field}:Q"), color=colour, detail="block:N"),
        unseen.encode(x=x, y=alt.Y(f"{field}:Q"), detail=["block:N", "arm:N"]),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip),
    ).properties(height=HEIGHT)
    chart = small_multiples(layers, "cell", cells, "curves")
    return finished(chart, facets=len(cells), columns=columns(results), narrowest=230, axis=58)
