"""How large is the difference? The contrasts with their intervals and the margin: overall, in cells, tuned, and on new
images."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from study.report.format import p_value, share
from study.report.parts import marks
from study.report.parts.axes import signed_axis
from study.report.parts.figure import Figure, grid, panel
from study.report.parts.frames import differences
from study.report.parts.labels import arm_column, arm_legend, cell_order, columns
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row, known
from study.words import level_key

ROW_HEIGHT = 46


def section(results: Results) -> Section | None:
    items = (overall(results), by_cell(results), scopes(results), tuned(results), choices(results))
    return made("effects", "How large is the difference?", items)


def overall(results: Results) -> Figure | None:
    """Averaged over the other factors, zoomed on the margin."""
    frame = _frame(results, results.contrasts)
    if frame.empty:
        return None
    return Figure(
        key="effects",
        title=f"Difference from {results.arm(results.control)}, overall",
        caption=_caption(results, frame),
        alternative=_alternative(results, frame),
        variants={"": (panel(_zoomed(results, frame, alt.NamedData("effects")), reserve=190, widest=640),)},
        data={"effects": frame},
    )


def by_cell(results: Results) -> Figure | None:
    """The same differences inside each combination of the other factors."""
    frame = _frame(results, results.lists["simple_effects"])
    if frame.empty or frame["cell"].nunique() < 2:
        return None
    frame["words"] = frame["short"]
    cells = cell_order(results, frame["cell"])
    chart = marks.small_multiples(_zoomed(results, frame, alt.Undefined), "cell", cells, "cell_effects")
    return Figure(
        key="effects-by-cell",
        title="The same inside each cell",
        caption="Each small panel holds one combination of the other factors. " + _caption(results, frame),
        alternative=_alternative(results, frame),
        variants={"": (grid(chart, columns(results), 230, legend="arm", reserve=75),)},
        data={"cell_effects": frame},
        legend=arm_legend(results, list(frame["arm"].unique())),
    )


def tuned(results: Results) -> Figure | None:
    """Each arm at its own best level of a factor."""
    found = results.found("tuned")
    frame = _frame(results, found.get("contrasts", ()))
    if frame.empty:
        return None
    title = next((factor.title for factor in results.others if factor.name == found["factor"]), str(found["factor"]))
    return Figure(
        key="tuned",
        title=f"Each arm at its own best {title}",
        caption=(
            f"Every arm, the control too, takes the {title} with which it does best on one "
            f"half of the {results.unit}s and is scored on the other half, so no run is judged at a level "
            f"that it helped to choose. " + _caption(results, frame)
        ),
        alternative=_alternative(results, frame),
        variants={"": (panel(_zoomed(results, frame, alt.NamedData("tuned")), reserve=190, widest=640),)},
        data={"tuned": frame},
    )


def scopes(results: Results) -> Table | None:
    """The differences on these test images, and on new images too."""
    found = results.found("images")
    rows = [row for row in found.get("contrasts", ()) if (row.get("these_images") or {}).get("se") is not None]
    unit = results.unit

    def bounds(row: Row) -> str:
        return results.response.bounds(row["ci_low"], row["ci_high"])

    headings = (
        arm_column(results),
        Column("Difference", lambda r: results.response.difference(r["estimate_pp"])),
        Column("On these images", lambda r: bounds(r["these_images"]), wide=True),
        Column("On new images too", lambda r: bounds(r["new_images_too"])),
        Column("p, new images", lambda r: p_value(r["new_images_too"]["p"]), wide=True),
        Column("Pairs better / worse", lambda r: _pairs(r["mcnemar"]), wide=True),
    )
    caption = (
        f"Unadjusted intervals for new {unit}s scored on these {found.get('images', 0):,} test images, and for new "
        f"{unit}s on new images of the same kind (both random; multi-reader multi-case analysis). Pairs: single runs "
        "of the same cell that McNemar's test tells apart, for and against."
    )
    return plain("scopes", "On this test set, and on new images", caption, headings, rows)


def choices(results: Results) -> Table | None:
    """Which level each arm chose when it was tuned."""
    found = results.found("tuned")
    factor = next((factor for factor in results.others if factor.name == found.get("factor")), None)
    if factor is None:
        return None
    headings = (
        Column(results.focus.title.capitalize(), lambda r: results.arm(r["arm"]), words=True),
        Column("Cell", lambda r: results.cell_label(r["cell"]), words=True),
        Column("Best", lambda r: factor.label(r["best"])),
        *(Column(factor.label(level), partial(_chosen, level=level), wide=True) for level in factor.levels),
    )
    caption = (
        f"How often each {factor.title} was chosen, over {found['splits']} random halvings, and the choice on all "
        f"{results.block}s."
    )
    return plain("choices", f"The {factor.title} each arm chose", caption, headings, found["choices"])


def window(rows: Sequence[tuple[float, float | None, float | None]], margin: float | None) -> tuple[float, float]:
    """The part of the axis to show: the margin and every effect that is within sight of it.

    Effects much larger than the margin (a collapse next to a gain of a tenth of a point) would squeeze the rest to
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
    rows = _in_order(results, known(rows))
    if not rows:
        return pd.DataFrame()
    low, high = window([(r["estimate"], r["ci_low"], r["ci_high"]) for r in rows], results.margin)
    frame = differences(results, rows, "label")
    frame["cell"] = [results.cell_label(r.get("cell", {})) for r in rows]
    frame["short"] = frame["difference"].map(results.response.difference)
    frame["interval"] = [results.response.bounds(r["ci_low"], r["ci_high"]) or "none" for r in rows]
    frame["place"] = "inside"
    frame.loc[frame["difference"] < low, "place"] = "left"
    frame.loc[frame["difference"] > high, "place"] = "right"
    for end, drawn in (("difference", "at"), ("low", "from"), ("high", "to")):
        frame[drawn] = frame[end].astype(float).fillna(low).clip(low, high)
    frame["drawn"] = frame["from"] < frame["to"]
    frame.attrs["window"] = (low, high)
    return frame


def _zoomed(results: Results, frame: pd.DataFrame, data: Any) -> alt.LayerChart:
    """The differences near the margin. `data` is undefined in small multiples, which have less room for words."""
    low, high = frame.attrs["window"]
    order = list(dict.fromkeys(frame["arm"]))
    y, colour = marks.row("arm", order), marks.arm_colour(results)
    hint = f" ({results.response.toward('right', 'left')})" if data is not alt.Undefined else ""
    scale = alt.Scale(domain=[low, high], nice=False)
    x = alt.X("at:Q", title=f"{results.response.difference_title}{hint}", scale=scale, axis=signed_axis())
    cell = {"cell:N": "cell"} if frame["cell"].nunique() > 1 else {}
    words = {"short:N": "difference", "interval:N": "interval", "label:N": "conclusion"}
    tips = marks.tooltip({"arm:N": results.focus.title, **cell, **words})
    base = alt.Chart(data)
    layers: list[Any] = []
    if results.margin:
        band = alt.Chart(alt.InlineData(values=[{"at": -results.margin, "end": results.margin}]))
        layers.append(band.mark_rect(style="band").encode(x=x, x2="end:Q"))
    bars = base.transform_filter("datum.drawn").mark_rule(strokeWidth=3, yOffset=marks.MARK, strokeCap="round")
    layers += [marks.vertical(0.0), bars.encode(x=alt.X("from:Q"), x2="to:Q", y=y, color=colour)]
    points = marks.dots(base.transform_filter("datum.place === 'inside'"), 110, yOffset=marks.MARK)
    layers.append(points.encode(x=x, y=y, color=colour, shape=marks.arm_shape(results), tooltip=tips))
    for side in ("left", "right"):
        beyond = base.transform_filter(f"datum.place === '{side}'")
        arrows = marks.dots(beyond, 120, yOffset=marks.MARK, shape=f"triangle-{side}")
        layers.append(arrows.encode(x=x, y=y, color=colour, tooltip=tips))
    layers += [*marks.row_labels(order, -marks.MARK), *marks.row_words(data, order, -marks.MARK)]
    return alt.layer(*layers).properties(height=alt.Step(ROW_HEIGHT))


def _pairs(found: Row | None) -> str:
    return f"{found['better']:,} / {found['worse']:,} of {found['pairs']:,}" if found else ""


def _chosen(row: Row, level: str) -> str:
    return share(next((value for chosen, value in row["shares"].items() if level_key(chosen) == level), 0.0))


def _in_order(results: Results, rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: results.focus.levels.index(level_key(row["level"])))


def _caption(results: Results, frame: pd.DataFrame) -> str:
    together = " that hold for all of them at once" if len(frame) > 1 else ""
    text = f"Points are estimates, bars are {results.level} intervals{together}."
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
    return f"Differences from {results.arm(results.control)}. {'; '.join(parts)}."
