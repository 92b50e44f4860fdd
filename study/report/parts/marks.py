"""Pieces that charts are made of: an arm's colour and shape, rows that carry their own words, small multiples."""

from collections.abc import Sequence
from typing import Any

import altair as alt

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


def tooltip(fields: dict[str, str]) -> list[alt.Tooltip]:
    """The words for each field, in order."""
    return [alt.Tooltip(name, title=words) for name, words in fields.items()]


def dots(chart: alt.Chart, size: int, **look: Any) -> alt.Chart:
    return chart.mark_point(filled=True, size=size, opacity=1, **look)


def row(field_name: str, order: Sequence[str]) -> alt.Y:
    """A row a value of `field_name`, in the given order, without an axis."""
    return alt.Y(f"{field_name}:N", sort=list(order), axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))


def row_labels(order: Sequence[str], dy: float, field_name: str = "arm", dx: float = 0) -> list[alt.Chart]:
    """Each row's name, written in the plot above the row's marks, so that no width is lost to an axis."""
    base = alt.Chart(alt.InlineData(values=[{field_name: label} for label in order])).encode(
        x=alt.value(0), y=row(field_name, order), text=alt.Text(f"{field_name}:N")
    )
    return _haloed(base, align="left", dx=dx, dy=dy, limit=alt.expr(ROOM))


def row_words(data: Any, order: Sequence[str], dy: float, field_name: str = "arm") -> list[alt.Chart]:
    """Each row's numbers, at the right above its marks; on a narrow screen the short form."""
    base = (
        alt.Chart(data)
        .transform_calculate(shown="narrow ? datum.short : datum.words")
        .encode(x=alt.value("width"), y=row(field_name, order), text="shown:N")
    )
    return _haloed(base, style="value", align="right", dy=dy)


def interval_rows(
    results: Results, data: str, order: Sequence[str], x: alt.X, ends: tuple[str, str], tips: dict[str, str]
) -> list[alt.Chart]:
    """A row an arm: its name, its numbers in words, a bar from one end to the other, and its estimate at `x`."""
    base, y, colour = alt.Chart(alt.NamedData(data)), row("arm", order), arm_colour(results)
    bars = base.mark_rule(strokeWidth=3, yOffset=MARK, strokeCap="round")
    points = dots(base, 110, yOffset=MARK)
    return [
        bars.encode(x=alt.X(f"{ends[0]}:Q"), x2=f"{ends[1]}:Q", y=y, color=colour),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip(tips)),
        *row_labels(order, -MARK),
        *row_words(alt.NamedData(data), order, -MARK),
    ]


def vertical(at: float) -> alt.Chart:
    """A vertical rule through the whole plot."""
    return alt.Chart(alt.InlineData(values=[{"at": at}])).mark_rule(style="zero").encode(x=alt.X("at:Q"))


def horizontal(at: float) -> alt.Chart:
    """A horizontal rule through the whole plot, where there is no effect."""
    return alt.Chart(alt.InlineData(values=[{"at": at}])).mark_rule(style="zero").encode(y=alt.Y("at:Q"))


def path_layers(
    results: Results, x: alt.X, y: alt.Y, ends: tuple[str, str], size: int, tips: dict[str, str], none: float = 0.0
) -> list[alt.Chart]:
    """A band from one end to the other, the rule of no effect, and an arm's line with its dots."""
    colour = arm_colour(results)
    band = alt.Chart().mark_area(opacity=0.18)
    return [
        band.encode(x=x, y=alt.Y(f"{ends[0]}:Q"), y2=f"{ends[1]}:Q", color=colour),
        horizontal(none),
        alt.Chart().mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        dots(alt.Chart(), size).encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip(tips)),
    ]


def small_multiples(chart: alt.LayerChart, by: str, order: Sequence[str], data: str, **resolve: str) -> alt.FacetChart:
    """The layers once a value of `by`, each with its own x axis, so that no panel is read against a distant one."""
    faceted = chart.facet(facet=alt.Facet(f"{by}:N", sort=list(order), title=None), data=alt.NamedData(data))
    faceted = faceted.resolve_axis(x="independent", y="independent")
    return faceted.resolve_scale(**resolve) if resolve else faceted


def _haloed(base: alt.Chart, *, style: str = "text", **look: Any) -> list[alt.Chart]:
    """Text on a halo of the paper's colour, so that rules and bands behind it do not cross the words."""
    return [base.mark_text(style=name, baseline="middle", **look) for name in ("halo", style)]
