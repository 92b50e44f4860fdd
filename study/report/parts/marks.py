"""Pieces that charts are made of: an arm's colour and shape, rows that carry their own words, small multiples."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from study.report.parts.axes import effect_axis
from study.report.parts.figure import ROOM
from study.report.parts.labels import ordered_labels
from study.report.results import Results

MARK = 9
"""How far a row's marks lie below its middle, and its words above it, in pixels."""


def arm_colour(results: Results) -> alt.Color:
    return alt.Color("arm:N", scale=alt.Scale(domain=ordered_labels(results)), legend=None)


def arm_shape(results: Results) -> alt.Shape:
    return alt.Shape("arm:N", scale=alt.Scale(domain=ordered_labels(results)), legend=None)


def plain_shape(field_name: str, domain: Sequence[str]) -> alt.Shape:
    """Shapes for what is not an arm, in the order of `domain`, as in the legend."""
    return alt.Shape(f"{field_name}:N", scale=alt.Scale(domain=list(domain)), legend=None)


def state_shape() -> alt.Shape:
    """A dot for a run that finished, a cross for one that diverged."""
    scale = alt.Scale(domain=["ok", "diverged"], range=["circle", "cross"])
    return alt.Shape("state:N", scale=scale, legend=None)


def told(fields: dict[str, str]) -> Any:
    """What a mark is, for a pointer: the words for each field, in order."""
    parts = (f"{json.dumps(f'{words}: ')} + datum[{json.dumps(name.split(':')[0])}]" for name, words in fields.items())
    return alt.value(alt.expr("'tip|' + " + " + '; ' + ".join(parts)))


def dots(chart: alt.Chart, size: int, **look: Any) -> alt.Chart:
    return chart.mark_point(filled=True, size=size, opacity=1, **look)


def row(field_name: str, order: Sequence[str], axis: alt.Axis | None = None) -> alt.Y:
    """A row a value of `field_name`, in the given order. All layers of a plot need the same axis."""
    scale = alt.Scale(domain=list(order), paddingInner=0, paddingOuter=0)
    return alt.Y(f"{field_name}:N", sort=None, axis=axis, scale=scale)


def row_column(side: str, lines: Mapping[str, Sequence[str]], **look: Any) -> alt.Axis:
    """An axis that holds each row's words, in lines, beside the plot; it is empty where they stand in it."""
    words = f"named ? '' : {json.dumps({name: list(text) for name, text in lines.items()})}[datum.label]"
    return alt.Axis(orient=side, title=None, ticks=False, domain=False, labelExpr=words, labelLimit=300, **look)


def column_width(lines: Mapping[str, Sequence[str]]) -> int:
    """The width in pixels that `row_column` takes."""
    return 10 + 7 * max(len(line) for text in lines.values() for line in text)


def row_labels(
    order: Sequence[str],
    dy: float,
    field_name: str = "arm",
    dx: float = 0,
    axis: alt.Axis | None = None,
) -> list[alt.Chart]:
    """Each row's name, written in the plot above the row's marks, so that no width is lost to an axis, where
    rows are named."""
    data = alt.InlineData(values=[{field_name: label} for label in order])
    base = (
        alt.Chart(data)
        .transform_filter("named")
        .encode(x=alt.value(0), y=row(field_name, order, axis), text=f"{field_name}:N")
    )
    return _haloed(base, align="left", dx=dx, dy=dy, limit=alt.expr(ROOM))


def row_words(
    data: Any,
    order: Sequence[str],
    dy: float,
    field_name: str = "arm",
    axis: alt.Axis | None = None,
) -> list[alt.Chart]:
    """Each row's numbers, at the right above its marks, where rows are named; on a narrow screen the short form."""
    base = (
        alt.Chart(data)
        .transform_filter("named")
        .transform_calculate(shown="narrow ? datum.short : datum.words")
        .encode(x=alt.value("width"), y=row(field_name, order, axis), text="shown:N")
    )
    return _haloed(base, style="value", align="right", dy=dy)


def interval_rows(
    results: Results, data: Any, order: Sequence[str], x: alt.X, tips: dict[str, str], column: alt.Axis | None = None
) -> list[alt.Chart]:
    """A row an arm: its name, its numbers in words, a bar from `low` to `high`, and its estimate at `x`. With a
    `column` of numbers names and numbers stand in the plot only where it stands alone."""
    base, y, colour = alt.Chart(data), row("arm", order, column), arm_colour(results)
    down = alt.expr(f"named ? {MARK} : 0")
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, yOffset=down, strokeCap="round")
    points = dots(base, 110, yOffset=down)
    return [
        bars.encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), description=told(tips)),
        *row_labels(order, -MARK, axis=column),
        *row_words(data, order, -MARK, axis=column),
    ]


def effect_rows(
    results: Results, frame: pd.DataFrame, data: Any, order: Sequence[str], column: alt.Axis | None = None
) -> alt.LayerChart:
    """Rows of `study.report.parts.frames.differences`, with the margin as a band; `column` as in `interval_rows`."""
    reach = frame[["low", "high"]].abs().max(axis=1).fillna(frame["difference"].abs())
    ends = [float(value) for name in ("difference", "low", "high") for value in frame[name].dropna()]
    look = effect_axis(ends, results.margin or float(reach.min()) or 1.0)
    x = alt.X("difference:Q", title=results.response.difference_title, **look)
    cell = {"cell:N": "cell"} if frame["cell"].nunique() > 1 else {}
    tips = {"arm:N": results.focus.title, **cell, "words:N": "difference (interval)", "label:N": "conclusion"}
    layers: list[Any] = []
    if results.margin:
        band = alt.Chart(alt.InlineData(values=[{"at": -results.margin, "end": results.margin}]))
        layers.append(band.mark_rect(style="band").encode(x=alt.X("at:Q", **look), x2="end:Q"))
    return alt.layer(*layers, vertical(0.0), *interval_rows(results, data, order, x, tips, column))


def vertical(at: float) -> alt.Chart:
    """A vertical rule through the whole plot."""
    return alt.Chart(alt.InlineData(values=[{"at": at}])).mark_rule(style="zero").encode(x=alt.X("at:Q"))


def horizontal(at: float) -> alt.Chart:
    """A horizontal rule through the whole plot, where there is no effect."""
    return alt.Chart(alt.InlineData(values=[{"at": at}])).mark_rule(style="zero").encode(y=alt.Y("at:Q"))


def path_layers(
    results: Results, x: alt.X, y: alt.Y, ends: tuple[str, str], size: int, tips: dict[str, str]
) -> list[alt.Chart]:
    """A band from one end to the other, the rule of no effect, and an arm's line with its dots."""
    colour = arm_colour(results)
    band = alt.Chart().mark_area(opacity=0.18)
    return [
        band.encode(x=x, y=alt.Y(f"{ends[0]}:Q"), y2=f"{ends[1]}:Q", color=colour),
        horizontal(0.0),
        alt.Chart().mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        dots(alt.Chart(), size).encode(x=x, y=y, color=colour, shape=arm_shape(results), description=told(tips)),
    ]


def small_multiples(chart: alt.LayerChart, by: str, order: Sequence[str], data: str, **resolve: str) -> alt.FacetChart:
    """The layers once a value of `by`, each with its own x axis, so that no panel is read against a distant one."""
    faceted = chart.facet(facet=alt.Facet(f"{by}:N", sort=list(order), title=None), data=alt.NamedData(data))
    faceted = faceted.resolve_axis(x="independent", y="independent")
    return faceted.resolve_scale(**resolve) if resolve else faceted


def _haloed(base: alt.Chart, *, style: str = "text", **look: Any) -> list[alt.Chart]:
    """Text on a halo of the paper's colour, so that rules and bands behind it do not cross the words."""
    return [base.mark_text(style=name, baseline="middle", **look) for name in ("halo", style)]
