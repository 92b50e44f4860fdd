"""What a figure is, and how its plots stand in a width. Charts map and scale results; they compute no statistic."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

GAP = 28
"""Pixels between small multiples."""
WIDE, NARROW = 820, 340
"""The widths in pixels that a figure is drawn at: for a screen or a sheet of paper, and for a phone."""

LOW, LOWEST, UNNAMED = 0.7, 36, 0.55
"""What is left of a height on a phone, the height in pixels that a named row keeps, what is left of an unnamed one."""

ROOM = "room"
"""The parameter that holds what is left of a row's width for its label, in pixels."""
DRAWING = ("from", "to", "lane", "state", "words", "short", "kind", "recorded")
"""Columns that only say how to draw; they are left out of downloads."""

Spec = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """A Vega-Lite specification without data and without widths.

    Attributes:
        columns: the most small multiples that stand side by side.
        phone: how many of them on a phone. Two or more have no room for words in their rows: a legend names the arms.
        narrowest: the width in pixels below which one would rather wrap.
        axis: the width in pixels that the y axis of each takes; of plots of the same rows, only while side by side.
        reserve: the width in pixels that the words at the right of a row take from its label.
        wide: its width where there is room.
    """

    spec: Spec
    columns: int
    narrowest: int
    axis: int
    reserve: int
    wide: int
    phone: int = 1


@dataclass(frozen=True)
class Figure:
    """A figure with all that a reader needs.

    Attributes:
        key: its name in file names and anchors.
        caption: what is drawn and how to read it.
        alternative: what it shows, with the numbers, for readers who do not see it.
        data: the datasets that the plot reads, by name; the first is offered as CSV.
        follows: whether its marks can be followed by block.
    """

    key: str
    title: str
    caption: str
    alternative: str
    plot: Plot
    data: Mapping[str, pd.DataFrame]
    follows: bool = False

    @property
    def csv(self) -> str:
        """What it shows as CSV, without the columns that only say how to draw."""
        table = next(iter(self.data.values()))
        return table.drop(columns=[name for name in DRAWING if name in table]).to_csv(index=False)


def panel(chart: Any, *, legend: str = "", axis: int = 0, reserve: int = 0, wide: int = 560) -> Plot:
    """One plot. `legend` is the field that has a legend; for the others see `Plot`."""
    return Plot(_specification(chart, legend), 1, 0, axis, reserve, wide)


def beside(left: Any, right: Any, axes: int, wide: int) -> Plot:
    """Two plots of the same rows side by side, with `axes` pixels of words at their outer sides; where there is little
    room, one below the other without these."""
    both = alt.hconcat(left, right, spacing=GAP).resolve_scale(shape="independent")
    return Plot(_specification(both), 2, 200, axes // 2, 0, wide)


def grid(
    chart: Any, columns: int, narrowest: int, *, legend: str = "", axis: int = 0, reserve: int = 0, phone: int = 1
) -> Plot:
    """Small multiples of `study.report.parts.marks.small_multiples`; see `panel` and `Plot`."""
    spec = _specification(chart, legend)
    headings = spec["facet"]["sort"]
    # A heading that is too long for its plot goes on several lines, of so many characters.
    most = "max(8, floor(child_width / 8))"
    pieces = "replace(datum.label, regexp(' · ', 'g'), '\\n')"
    lines = f"split(trim(replace({pieces}, regexp('(.{{1,' + {most} + '}})(\\\\s+|$)', 'g'), '$1\\n')), '\\n')"
    fits = f"{max(map(len, headings), default=0)} <= {most}"
    header = {"labelLimit": {"expr": "child_width"}, "labelExpr": f"{fits} ? (datum.label) : {lines}"}
    spec["facet"] |= {"header": header}
    wide = WIDE if len(headings) > 1 else 560
    return Plot(spec, max(1, min(columns, len(headings))), narrowest, axis, reserve, wide, phone)


def laid_out(plot: Plot, width: int) -> Spec:
    """The specification at a width in pixels."""
    phone = width <= NARROW
    for columns in range(plot.columns, 0, -1):
        taken = 16 + (columns - 1) * GAP
        if columns == 1 or (columns <= plot.phone if phone else width >= columns * plot.narrowest + taken):
            break
    named = columns == 1 or ("facet" in plot.spec and not phone)
    axis = 0 if columns == 1 and "hconcat" in plot.spec else plot.axis
    inner = (width - taken - columns * axis) // columns
    narrow = inner < 330
    room = max(inner // 2, inner - (min(plot.reserve, 80) if narrow else plot.reserve))
    given = {"narrow": narrow, "named": named, ROOM: room}
    spec = deepcopy(plot.spec) | {"params": [{"name": name, "value": value} for name, value in given.items()]}
    if "facet" in spec:
        spec["spec"] |= _size(spec["spec"], inner, phone, named)
        if phone:
            spec |= _titles_below(spec["spec"])
        if not named and spec["facet"]["field"] != "arm":
            rows = next(
                part["encoding"]["y"]["scale"]["domain"] for part in spec["spec"]["layer"] if "y" in part["encoding"]
            )
            _let_legend(spec, "arm", {"values": rows})
        return spec | {"columns": columns}
    if "hconcat" in spec:
        rows = [one | _size(one, inner, phone) for one in spec.pop("hconcat")]
        return spec | {"hconcat" if columns > 1 else "vconcat": rows}
    return spec | _size(spec, inner, phone)


def longest_entry(part: Any) -> int:
    """The length of the longest entry of a specification's legends; 0 without one."""
    if isinstance(part, list):
        return max(map(longest_entry, part), default=0)
    if not isinstance(part, dict):
        return 0
    shown = (part.get("encoding", {}).get(channel, {}) for channel in ("color", "shape", "strokeDash"))
    legends = (one for one in shown if one.get("legend") is not None)
    lengths = [len(entry) for one in legends for entry in one.get("scale", {}).get("domain", ())]
    return max([*lengths, *map(longest_entry, part.values())], default=0)


def _size(spec: Spec, width: int, phone: bool, named: bool = True) -> Spec:
    """The width and the height of a plot: on a phone, where one stands below the other, lower."""
    height = spec.get("height")
    if not phone or not height:
        return {"width": width}
    if isinstance(height, dict):
        step = max(min(height["step"], LOWEST), LOW * height["step"]) if named else UNNAMED * height["step"]
        return {"width": width, "height": {"step": step}}
    return {"width": width, "height": LOW * height}


def _titles_below(panel: Spec) -> Spec:
    """The titles of the axes once, below all panels, in place of one for each."""
    lines = []
    for channel, words in (("x", "Across: {}"), ("y", "Up: {}")):
        axes = [axis for part in panel["layer"] if "field" in (axis := part["encoding"].get(channel, {}))]
        title = next((axis["title"] for axis in axes if axis.get("title")), None)
        for axis in axes:
            axis["title"] = None
        lines += [words.format(title)] if title else []
    if len(lines) == 1:
        lines = [lines[0].partition(": ")[2]]
    return (
        {"title": {"text": lines, "orient": "bottom", "fontSize": 12, "fontWeight": "normal", "color": "var(--ink)"}}
        if lines
        else {}
    )


def _specification(chart: Any, legend: str = "") -> Spec:
    """The chart's, free of Altair's own configuration, with a legend of the field `legend`."""
    spec: Spec = chart.to_dict(validate=False)
    spec.pop("config", None)
    if legend:
        _let_legend(spec, legend)
    return spec


def _let_legend(part: Any, field: str, legend: Spec | None = None) -> None:
    """Give `field` a legend, which no other field has: as the configuration has it, but for the properties `legend`."""
    if isinstance(part, dict):
        if part.get("field") == field and part.get("legend", "") is None:
            part["legend"] = legend or {}
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            _let_legend(value, field, legend)
