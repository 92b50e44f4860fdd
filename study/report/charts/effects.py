"""The main figure: differences from the control with their intervals, and the margin that matters."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from study.report.charts.axes import ratio_axis, signed_axis
from study.report.charts.figure import Figure, finished
from study.report.charts.labels import arm_legend, columns
from study.report.charts.marks import arm_colour, arm_shape, row, row_labels, row_words, small_multiples, vertical
from study.report.results import Results, Row
from study.report.text import THIN, times

ROW_HEIGHT = 46
MARK = 9
"""How far a row's marks lie below its middle, and its words above it, in pixels."""


def overall(results: Results) -> Figure | None:
    """Averaged over the other factors: a panel zoomed on the margin, and one on a ratio scale that holds everything."""
    frame = _frame(results, results.contrasts)
    if frame.empty:
        return None
    title = f"Difference in {results.response.name}" + (", near the margin" if results.margin else "")
    panels = [finished(_zoomed(results, frame, alt.NamedData("effects")), title=title, reserve=190)]
    data = {"effects": frame}
    odds = _odds_frame(results)
    if not odds.empty:
        data["odds"] = odds
        title = f"Odds of an error, as a multiple of {results.focus.label(results.control)}"
        panels.append(finished(_ratios(results, odds), title=title, reserve=140))
    return Figure(
        key="effects",
        title=f"Difference from {results.focus.label(results.control)}, overall",
        caption=_caption(results, frame),
        alternative=_alternative(results, frame),
        variants={"": tuple(panels)},
        data=data,
        download="effects",
    )


def by_cell(results: Results) -> Figure | None:
    """The same differences inside each combination of the other factors."""
    frame = _frame(results, results.lists["simple_effects"])
    if frame.empty or frame["cell"].nunique() < 2:
        return None
    frame["words"] = frame["short"]
    present = set(frame["cell"])
    cells = [label for label in map(results.cell_label, results.cell_grid()) if label in present]
    chart = small_multiples(_zoomed(results, frame, alt.Undefined), "cell", cells, "cell_effects")
    return Figure(
        key="effects-by-cell",
        title="The same inside each cell",
        caption="Each small panel holds one combination of the other factors. " + _caption(results, frame),
        alternative=_alternative(results, frame),
        variants={"": (finished(chart, facets=len(cells), columns=columns(results), narrowest=230, reserve=75),)},
        data={"cell_effects": frame},
        download="cell_effects",
        legend_field="arm",
        legend=arm_legend(results, list(frame["arm"].unique())),
    )


def tuned(results: Results) -> Figure | None:
    """Each arm at its own best level of a factor."""
    found = results.objects.get("tuned")
    frame = _frame(results, found["contrasts"] if found else ())
    if found is None or frame.empty:
        return None
    title = next((factor.title for factor in results.others if factor.name == found["factor"]), str(found["factor"]))
    return Figure(
        key="tuned",
        title=f"Each arm at its own best {title}",
        caption=(
            f"Every arm, the control too, takes the {title} with which it does best on the validation images of one "
            f"half of the {results.block or 'run'}s and is scored on the other half, so no run is judged at a level "
            f"that it helped to choose. " + _caption(results, frame)
        ),
        alternative=_alternative(results, frame),
        variants={"": (finished(_zoomed(results, frame, alt.NamedData("tuned")), reserve=190, widest=640),)},
        data={"tuned": frame},
        download="tuned",
    )


def window(rows: Sequence[tuple[float, float | None, float | None]], margin: float | None) -> tuple[float, float]:
    """The part of the axis to show: the margin and every effect that is within sight of it.

    Effects much larger than the margin (a collapse beside a gain of a tenth of a point) would squeeze the rest to
    nothing; they are drawn as arrows at the edge.
    """
    reach = [max(abs(value) for value in row if value is not None) for row in rows]
    unit = margin or min(reach) or 1.0
    sight = max(12.0 * unit, 3.0 * min(reach))
    seen = [row for row in rows if abs(row[0]) <= sight]
    ends = [min(max(value, -sight), sight) for row in seen for value in row if value is not None]
    low, high = min([*ends, -1.7 * unit]), max([*ends, 1.7 * unit])
    room = 0.06 * (high - low)
    return low - room, high + room


def _frame(results: Results, rows: Sequence[Row]) -> pd.DataFrame:
    """The known contrasts on the margin's scale, as drawn: cut off at the ends of the axis."""
    rows = [r for r in rows if r["scale"] == results.difference_scale and r["estimate"] is not None]
    if not rows:
        return pd.DataFrame()
    low, high = window([(r["estimate"], r["ci_low"], r["ci_high"]) for r in rows], results.margin)
    table = []
    for r in rows:
        bounds = results.response.bounds(r["ci_low"], r["ci_high"])
        value = results.response.difference(r["estimate"])
        known = r["ci_low"] is not None
        table.append(
            {
                "cell": results.cell_label(r.get("cell", {})),
                "arm": results.focus.label(r["level"]),
                "difference": r["estimate"],
                "low": r["ci_low"],
                "high": r["ci_high"],
                "verdict": r["verdict"],
                "short": value,
                "words": f"{value} ({bounds})" if bounds else value,
                "interval": bounds or "none",
                "at": min(max(r["estimate"], low), high),
                "from": min(max(r["ci_low"], low), high) if known else low,
                "to": min(max(r["ci_high"], low), high) if known else low,
                "drawn": known and r["ci_low"] < high and r["ci_high"] > low,
                "place": "left" if r["estimate"] < low else "right" if r["estimate"] > high else "inside",
            }
        )
    frame = _in_order(results, pd.DataFrame(table))
    frame.attrs["window"] = (low, high)
    return frame


def _zoomed(results: Results, frame: pd.DataFrame, data: Any) -> alt.LayerChart:
    """The differences near the margin. `data` is undefined in small multiples, which have less room for words."""
    low, high = frame.attrs["window"]
    order = list(dict.fromkeys(frame["arm"]))
    y, colour = row("arm", order), arm_colour(results)
    hint = f" ({results.response.toward('right', 'left')})" if data is not alt.Undefined else ""
    scale = alt.Scale(domain=[low, high], nice=False)
    x = alt.X("at:Q", title=f"{results.response.difference_title}{hint}", scale=scale, axis=signed_axis())
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        *([alt.Tooltip("cell:N", title="cell")] if frame["cell"].nunique() > 1 else []),
        alt.Tooltip("short:N", title="difference"),
        alt.Tooltip("interval:N", title="interval"),
        alt.Tooltip("verdict:N", title="conclusion"),
    ]
    base = alt.Chart(data)
    band = alt.Chart(alt.InlineData(values=[{"at": -(results.margin or 0.0), "end": results.margin}]))
    layers: list[Any] = [band.mark_rect(style="band").encode(x=x, x2="end:Q")] if results.margin else []
    bars = base.transform_filter("datum.drawn").mark_rule(strokeWidth=3, yOffset=MARK, strokeCap="round")
    layers += [vertical(0.0, "zero"), bars.encode(x=alt.X("from:Q"), x2="to:Q", y=y, color=colour)]
    inside = base.transform_filter("datum.place === 'inside'")
    points = inside.mark_point(filled=True, size=110, opacity=1, yOffset=MARK)
    layers.append(points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip))
    for side in ("left", "right"):
        beyond = base.transform_filter(f"datum.place === '{side}'")
        arrows = beyond.mark_point(filled=True, size=120, opacity=1, yOffset=MARK, shape=f"triangle-{side}")
        layers.append(arrows.encode(x=x, y=y, color=colour, tooltip=tooltip))
    layers += [*row_labels(order, -MARK), *row_words(data, order, -MARK)]
    return alt.layer(*layers).properties(height=alt.Step(ROW_HEIGHT))


def _odds_frame(results: Results) -> pd.DataFrame:
    table = []
    for r in results.contrasts:
        if r["scale"] != "log_odds" or r["estimate"] is None:
            continue
        ratio, low, high = (None if r[key] is None else math.exp(r[key]) for key in ("estimate", "ci_low", "ci_high"))
        assert ratio is not None
        bounds = f" ({times(low)} to {times(high)})" if low is not None and high is not None else ""
        table.append(
            {
                "arm": results.focus.label(r["level"]),
                "ratio": ratio,
                "low": low,
                "high": high,
                "from": ratio if low is None else low,
                "to": ratio if high is None else high,
                "short": f"{times(ratio)}×",
                "words": f"{times(ratio)}×{bounds}",
            }
        )
    return _in_order(results, pd.DataFrame(table)) if table else pd.DataFrame()


def _ratios(results: Results, frame: pd.DataFrame) -> alt.LayerChart:
    order = list(frame["arm"])
    y, colour = row("arm", order), arm_colour(results)
    look = ratio_axis(frame["from"].min(), frame["to"].max())
    look["scale"].reverse = True
    x = alt.X("ratio:Q", title="Odds ratio of an error, log scale (right is better)", **look)
    tooltip = [alt.Tooltip("arm:N", title=results.focus.title), alt.Tooltip("words:N", title="odds ratio")]
    data = alt.NamedData("odds")
    bars = alt.Chart(data).mark_rule(strokeWidth=3, yOffset=MARK, strokeCap="round")
    points = alt.Chart(data).mark_point(filled=True, size=110, opacity=1, yOffset=MARK)
    return alt.layer(
        vertical(1.0, "zero"),
        bars.encode(x=alt.X("from:Q"), x2="to:Q", y=y, color=colour),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip),
        *row_labels(order, -MARK),
        *row_words(data, order, -MARK),
    ).properties(height=alt.Step(ROW_HEIGHT))


def _in_order(results: Results, frame: pd.DataFrame) -> pd.DataFrame:
    order = {label: position for position, label in enumerate(results.focus.labels)}
    return frame.sort_values("arm", key=lambda arms: arms.map(order), kind="stable", ignore_index=True)


def _caption(results: Results, frame: pd.DataFrame) -> str:
    bars = f"{100 * (1 - results.alpha):g}{THIN}% intervals"
    together = " that hold for all of them at once" if results.simultaneous and len(frame) > 1 else ""
    text = f"Points are estimates, bars are {bars}{together}."
    if results.margin:
        margin = results.response.margin(results.margin)
        text += f" The shaded band is the margin, {margin}: differences inside it do not matter."
    if (frame["place"] != "inside").any():
        text += " An arrow at the edge stands for a difference too large for this axis; its number is printed."
    return text


def _alternative(results: Results, frame: pd.DataFrame) -> str:
    where = frame["cell"].nunique() > 1
    parts = [
        f"{r.arm}{f', {r.cell}' if where else ''}: {r.short}, interval {r.interval}"
        for r in frame[["arm", "cell", "short", "interval"]].itertuples()
    ]
    return f"Differences from {results.focus.label(results.control)}. {'; '.join(parts)}."
