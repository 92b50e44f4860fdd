"""What a figure is, and how its panels are laid out. Charts map and scale results; they compute no statistic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

GAP = 28
"""Pixels between small multiples."""

HIGHLIGHT, ROOM, STILL = "highlight", "room", "still"
LIT = f"{HIGHLIGHT} === null || datum.block === {HIGHLIGHT}"
DRAWING = ("at", "from", "to", "drawn", "place", "lane", "state", "words", "short", "kind", "zoomed", "zoomed_state")
"""Columns that only say how to draw; they are left out of downloads."""


@dataclass(frozen=True)
class Panel:
    """One chart. `title` stands above it when a figure has more than one.

    Attributes:
        steps: how its plots stand in a given width: the first of them whose `from` is no wider has so many `columns`;
            a plot is (width - `taken`) / `columns` pixels wide, rounded down.
        printed: its width in pixels in a picture.
        widest: the width in pixels beyond which it does not grow, 0 for none.
    """

    spec: dict[str, Any]
    title: str
    steps: tuple[Mapping[str, int], ...]
    printed: int
    widest: int


@dataclass(frozen=True)
class Legend:
    """One entry: words and the position of its colour and shape; `plain` for a shape in the text's colour."""

    label: str
    position: int
    plain: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure with all that a reader needs.

    Attributes:
        key: its name in file names and anchors.
        caption: what is drawn and how to read it.
        alternative: what it shows, with the numbers, for readers who do not see it.
        variants: the panels to draw, by the name of the view; a switch appears if there is more than one.
        data: the datasets that the panels read, by name.
        download: the dataset that is offered as CSV; the first one if it is not named.
        legend: what stands above the panels; a saved picture has a legend of its own.
        blocks: whether a highlighted block shows in it.
    """

    key: str
    title: str
    caption: str
    alternative: str
    variants: Mapping[str, tuple[Panel, ...]]
    data: Mapping[str, pd.DataFrame]
    download: str = ""
    legend: tuple[Legend, ...] = ()
    legend_title: str = ""
    blocks: bool = False

    @property
    def csv(self) -> str:
        """The name of the dataset that is offered as CSV."""
        return self.download or next(iter(self.data))


def panel(chart: Any, title: str = "", *, legend: str = "", reserve: int = 0, widest: int = 0) -> Panel:
    """One plot, as wide as the page.

    Args:
        legend: the field of the picture's legend.
        reserve: the width in pixels that the words at the right of a row take from its label.
    """
    spec = _specification(chart, "width", legend, reserve)
    return Panel(spec, title, ({"from": 0, "columns": 1, "taken": 14},), 560, widest)


def grid(chart: Any, columns: int, narrowest: int, *, legend: str = "", axis: int = 0, reserve: int = 0) -> Panel:
    """Small multiples of `study.report.parts.marks.small_multiples`, which wrap in a narrow page.

    Args:
        columns: the most that stand side by side.
        narrowest: the width in pixels below which one would rather wrap.
        legend, reserve: see `panel`.
        axis: the width in pixels that a small multiple's own y axis takes.
    """
    spec = _specification(chart, "child_width", legend, reserve)
    headings = spec["facet"]["sort"]
    # A heading that is too long for its plot goes on several lines, of so many characters.
    most = "max(8, floor(child_width / 8))"
    pieces = "replace(datum.label, regexp(' · ', 'g'), '\\n')"
    lines = f"split(trim(replace({pieces}, regexp('(.{{1,' + {most} + '}})(\\\\s+|$)', 'g'), '$1\\n')), '\\n')"
    fits = f"{max(map(len, headings), default=0)} <= {most}"
    header = {"labelLimit": {"expr": "child_width"}, "labelExpr": f"{fits} ? (datum.label) : {lines}"}
    spec["facet"] |= {"header": header}
    steps = [
        {"from": count * narrowest + gaps if count > 1 else 0, "columns": count, "taken": gaps + count * axis}
        for count in range(min(columns, len(headings)), 0, -1)
        for gaps in [16 + (count - 1) * GAP]
    ]
    return Panel(spec, "", tuple(steps), 960 if len(headings) > 1 else 560, 0)


def laid_out(panel: Panel, width: int) -> dict[str, Any]:
    """The specification at a width in pixels; the page's script does the like."""
    step = next(step for step in panel.steps if width >= step["from"])
    inner = (width - step["taken"]) // step["columns"]
    if "facet" not in panel.spec:
        return panel.spec | {"width": inner}
    return panel.spec | {"columns": step["columns"], "spec": panel.spec["spec"] | {"width": inner}}


def _specification(chart: Any, width: str, legend: str, reserve: int) -> dict[str, Any]:
    """The chart's, free of Altair's own configuration, with what every chart can be told."""
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("config", None)
    kept = f"{width} - (narrow ? {min(reserve, 80)} : {reserve})"
    spec["params"] = [
        {"name": HIGHLIGHT, "value": None},
        # A picture is still: nothing in it answers to a pointer.
        {"name": STILL, "value": False},
        {"name": "narrow", "expr": f"{width} < 400"},
        # What is left for a row's label.
        {"name": ROOM, "expr": f"max(0.5 * {width}, {kept})"},
    ]
    if legend:
        _let_legend(spec, legend)
    return spec


def _let_legend(part: Any, field: str) -> None:
    """Leave the legend of `field` to the configuration: the page has none, a picture has one."""
    if isinstance(part, list):
        for item in part:
            _let_legend(item, field)
    elif isinstance(part, dict):
        if part.get("field") == field and part.get("legend", "") is None:
            del part["legend"]
        for value in part.values():
            _let_legend(value, field)
