"""What a figure is, and how its plots stand in a width. Charts map and scale results; they compute no statistic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

GAP = 28
"""Pixels between small multiples."""
WIDE, NARROW = 820, 340
"""The widths in pixels that a figure is drawn at: for a screen or a sheet of paper, and for a phone."""

ROOM = "room"
"""The parameter that holds what is left of a row's width for its label, in pixels."""
DRAWING = ("from", "to", "lane", "state", "words", "short", "kind")
"""Columns that only say how to draw; they are left out of downloads."""

Spec = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """A Vega-Lite specification without data and without widths.

    Attributes:
        columns: the most small multiples that stand side by side.
        narrowest: the width in pixels below which one would rather wrap.
        axis: the width in pixels that a small multiple's own y axis takes.
        reserve: the width in pixels that the words at the right of a row take from its label.
        wide: its width where there is room.
        longest: the length of the longest entry of its legend, 0 without a legend.
    """

    spec: Spec
    columns: int
    narrowest: int
    axis: int
    reserve: int
    wide: int
    longest: int


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
    spec, longest = _specification(chart, legend)
    return Plot(spec, 1, 0, axis, reserve, wide, longest)


def beside(left: Any, right: Any, wide: int) -> Plot:
    """Two plots of the same rows side by side; where there is little room, one below the other."""
    spec, _ = _specification(alt.hconcat(left, right, spacing=GAP).resolve_scale(shape="independent"), "")
    return Plot(spec, 2, 260, 0, 0, wide, 0)


def grid(chart: Any, columns: int, narrowest: int, *, legend: str = "", axis: int = 0, reserve: int = 0) -> Plot:
    """Small multiples of `study.report.parts.marks.small_multiples`; see `panel` and `Plot`."""
    spec, longest = _specification(chart, legend)
    headings = spec["facet"]["sort"]
    # A heading that is too long for its plot goes on several lines, of so many characters.
    most = "max(8, floor(child_width / 8))"
    pieces = "replace(datum.label, regexp(' · ', 'g'), '\\n')"
    lines = f"split(trim(replace({pieces}, regexp('(.{{1,' + {most} + '}})(\\\\s+|$)', 'g'), '$1\\n')), '\\n')"
    fits = f"{max(map(len, headings), default=0)} <= {most}"
    header = {"labelLimit": {"expr": "child_width"}, "labelExpr": f"{fits} ? (datum.label) : {lines}"}
    spec["facet"] |= {"header": header}
    wide = WIDE if len(headings) > 1 else 560
    return Plot(spec, min(columns, len(headings)), narrowest, axis, reserve, wide, longest)


def laid_out(plot: Plot, width: int) -> Spec:
    """The specification at a width in pixels."""
    for columns in range(plot.columns, 0, -1):
        taken = 16 + (columns - 1) * GAP
        if columns == 1 or width >= columns * plot.narrowest + taken:
            break
    inner = (width - taken - columns * plot.axis) // columns
    narrow = inner < 330
    room = max(inner // 2, inner - (min(plot.reserve, 80) if narrow else plot.reserve))
    params = [{"name": "narrow", "value": narrow}, {"name": "alone", "value": columns == 1}]
    spec = plot.spec | {"params": [*params, {"name": ROOM, "value": room}]}
    if "facet" in spec:
        return spec | {"columns": columns, "spec": spec["spec"] | {"width": inner}}
    if "hconcat" in spec:
        rows = [one | {"width": inner} for one in spec.pop("hconcat")]
        return spec | {"hconcat" if columns > 1 else "vconcat": rows}
    return spec | {"width": inner}


def _specification(chart: Any, legend: str) -> tuple[Spec, int]:
    """The chart's, free of Altair's own configuration, and the length of its legend's longest entry."""
    spec: Spec = chart.to_dict(validate=False)
    spec.pop("config", None)
    return spec, _let_legend(spec, legend) if legend else 0


def _let_legend(part: Any, field: str) -> int:
    """Leave the legend of `field` to the configuration, which no other field has; the length of its longest entry."""
    if isinstance(part, list):
        return max((_let_legend(item, field) for item in part), default=0)
    if not isinstance(part, dict):
        return 0
    longest = 0
    if part.get("field") == field and part.get("legend", "") is None:
        del part["legend"]
        longest = max(map(len, part["scale"]["domain"]), default=0)
    return max([longest, *(_let_legend(value, field) for value in part.values())])
