"""Every run a dot: by arm, inside each cell of the other factors."""

from typing import Any

import altair as alt
import pandas as pd

from study.report.format import optional, plural, sentence
from study.report.parts.axes import accuracy_axis, error_axis, error_of, positive_axis, value_axis
from study.report.parts.figure import HIGHLIGHT, LIT, Figure, Panel, grid
from study.report.parts.frames import outcomes
from study.report.parts.labels import arm_legend, arms_of, cell_order, columns, ordered_labels
from study.report.parts.marks import arm_colour, row, row_labels, small_multiples, tooltip
from study.report.parts.section import Section, made
from study.report.results import Results

ROW_HEIGHT = 44
STATES = ("in range", "below the axis", "diverged")
SHAPES = ("circle", "triangle-left", "cross")


def section(results: Results) -> Section | None:
    return made("runs", "Every run", [every_run(results)])


def every_run(results: Results) -> Figure:
    """All runs, on up to three axes to switch between."""
    frame = _frame(results)
    low = _zoom(results, frame) if results.counts else None
    block = results.block
    lost = int((frame["kind"].eq("run") & frame["outcome"].isna()).sum())
    return Figure(
        key="runs",
        title=f"{sentence(results.response.name)} of each run",
        caption=(
            "A dot is one run"
            + (
                f"; the {block}s stand in the same order in every row, so one {block} is found at the same height in "
                "all of them. "
                if block
                else ". "
            )
            + "The bar marks the median. Point at a dot for its numbers"
            + (f"; click it, or choose below, to follow its {block} through all figures" if block else "")
            + ". A cross is a run whose training diverged."
            + (" Near the top, triangles at the edge lie below the axis." if low is not None else "")
            + (f" Not drawn: {plural(lost, 'run')} that diverged without a number." if lost else "")
        ),
        alternative=_alternative(results),
        variants={name: (panel,) for name, panel in _views(results, frame, low).items()},
        data={"runs": frame},
        download="runs_table",
        legend=arm_legend(results, ordered_labels(results)),
        blocks=block is not None,
    )


def _views(results: Results, frame: pd.DataFrame, low: float | None) -> dict[str, Panel]:
    """The axes to switch between; `low` is where the zoomed one starts."""
    drawn = frame["outcome"].dropna()
    least, most = float(drawn.min()), float(drawn.max())
    if not results.counts:
        even = {"Evenly spaced": _panel(results, frame, "outcome", value_axis(least, most))}
        if not 0 < least < most / 10:
            return even
        return {"Spaced by logarithm": _panel(results, frame, "outcome", positive_axis(least, most))} | even
    room = 0.04 * max(most - least, 0.1)
    ends = max(0.0, least - room), min(100.0, most + room)
    views = {
        "Spaced by log error": _panel(results, frame, "error", error_axis(list(frame["error"]))),
        "All, evenly spaced": _panel(results, frame, "outcome", accuracy_axis(*ends)),
    }
    if low is not None:
        frame["zoomed"] = frame["outcome"].clip(lower=low)
        frame["zoomed_state"] = frame["state"].mask((frame["outcome"] < low) & (frame["state"] != STATES[2]), STATES[1])
        views["Near the top"] = _panel(results, frame, "zoomed", accuracy_axis(low, ends[1]))
    return views


def _frame(results: Results) -> pd.DataFrame:
    """The runs, and the median of each cell."""
    runs, focus = results.runs, results.focus.name
    blocks = runs[results.block] if results.block else pd.Series(range(len(runs)), index=runs.index)
    lanes, distinct = blocks.factorize(sort=True)
    diverged = runs["status"].eq("diverged") if "status" in runs else pd.Series(False, index=runs.index)
    frame = outcomes(results, runs, results.outcome).assign(
        block=blocks.astype(str),
        lane=lanes / (len(distinct) - 1) if len(distinct) > 1 else 0.5,
        status=diverged.map({True: "diverged", False: "ok"}),
        state=diverged.map({True: STATES[2], False: STATES[0]}),
        kind="run",
    )
    show = results.response.value
    frame["words"] = [optional(None if pd.isna(value) else value, show) for value in frame["outcome"]]
    medians = pd.DataFrame(
        {
            "arm": [results.arm(row["levels"][focus]) for row in results.cells],
            "cell": [results.cell_label(row["levels"]) for row in results.cells],
            "outcome": [row["median"] for row in results.cells],
        }
    ).assign(kind="median", state=STATES[0], lane=0.5)
    if results.counts:
        medians["error"] = error_of(medians["outcome"].astype(float), results.trials)
    return pd.concat([frame, medians], ignore_index=True)


def _panel(results: Results, frame: pd.DataFrame, field: str, look: dict[str, Any]) -> Panel:
    order = arms_of(results, frame)
    y = row("arm", order)
    states = alt.Scale(domain=list(STATES), range=list(SHAPES))
    title = results.response.title + (", spaced by log error" if field == "error" else "")
    if not results.counts:
        title += f" ({results.response.toward('right', 'left')})"
    tips = {"block:N": results.unit, "words:N": results.response.name, "arm:N": results.focus.title}
    runs = alt.Chart().transform_filter("datum.kind === 'run'")
    dots = runs.mark_point(filled=True, cursor="pointer").properties(name="dots")
    medians = alt.Chart().transform_filter("datum.kind === 'median'")
    bars = medians.mark_tick(style="median", orient="vertical", size=26, thickness=2, yOffset=10)
    layers = alt.layer(
        *row_labels(order, -13),
        bars.encode(x=alt.X(f"{field}:Q"), y=y),
        dots.encode(
            x=alt.X(f"{field}:Q", title=title, **look),
            y=y,
            yOffset=alt.YOffset("lane:Q", scale=alt.Scale(domain=[-1.15, 1.2])),
            color=arm_colour(results),
            shape=alt.Shape("zoomed_state:N" if field == "zoomed" else "state:N", scale=states, legend=None),
            opacity=alt.condition(LIT, alt.value(0.8), alt.value(0.1)),
            size=alt.condition(f"datum.block === {HIGHLIGHT}", alt.value(90), alt.value(26)),
            tooltip=tooltip(tips | {"cell:N": "cell", "status:N": "status"}),
        ),
    ).properties(height=alt.Step(ROW_HEIGHT))
    chart = small_multiples(layers, "cell", cell_order(results, frame["cell"]), "runs")
    return grid(chart, columns(results), 230, legend="arm")


def _zoom(results: Results, frame: pd.DataFrame) -> float | None:
    """Where the zoomed axis starts: below the runs that did not collapse, but for stragglers; None if it gains nothing.

    A matter of layout: runs below are drawn as triangles at the edge.
    """
    values = frame.loc[frame["kind"] == "run", "outcome"]
    kept = values[values >= 100.0 * (results.analysis["plan"]["collapse_below"] or 0.0)].sort_values()
    if kept.empty or kept.iloc[0] - values.min() < 2.0 * (kept.max() - kept.iloc[0]):
        return None
    low = kept.iloc[int(0.02 * len(kept))]
    return float(low - 0.15 * max(kept.max() - low, 0.05))


def _alternative(results: Results) -> str:
    parts = []
    for cell in results.cells:
        low, median, high = (optional(cell[key], results.response.value) for key in ("min", "median", "max"))
        where = f"{results.arm(cell['levels'][results.focus.name])}, {results.cell_label(cell['levels'])}"
        parts.append(f"{where}: {plural(cell['runs'], 'run')}, {low} to {high}, median {median}")
    return f"{sentence(results.response.name)} of every run by cell. {'; '.join(parts)}."
