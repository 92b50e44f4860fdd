"""What a figure is. Charts map and scale results; they compute no statistic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

PARAMETERS = {"highlight": None, "room": 400, "narrow": False}
"""What the page tells every chart: the block to highlight (null for none), the width in pixels that is left for a row's
label, and whether the chart is narrow."""

HIGHLIGHT, ROOM = "highlight", "room"
LIT = f"{HIGHLIGHT} === null || datum.block === {HIGHLIGHT}"
DRAWING = ("at", "from", "to", "drawn", "place", "lane", "state", "words", "short", "kind", "zoomed", "zoomed_state")
"""Columns that only say how to draw; they are left out of downloads."""


@dataclass(frozen=True)
class Panel:
    """One chart. `title` stands above it when a figure has more than one.

    Attributes:
        facets: number of small multiples, 0 if it is one plot.
        columns: the most small multiples side by side.
        narrowest: the width in pixels below which a small multiple would rather wrap.
        axis: the width in pixels that a small multiple's own y axis takes.
        reserve: the width in pixels that the words at the right of a row take from its label.
        widest: the width in pixels beyond which it does not grow, 0 for none.
    """

    spec: dict[str, Any]
    title: str = ""
    facets: int = 0
    columns: int = 1
    narrowest: int = 240
    axis: int = 0
    reserve: int = 0
    widest: int = 0


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
        tables: the names of the datasets that the panels read.
        download: the dataset that is offered as CSV.
        data: the datasets, by name.
        legend: what stands above the panels; a saved picture gets a legend of `legend_field` instead.
    """

    key: str
    title: str
    caption: str
    alternative: str
    variants: Mapping[str, tuple[Panel, ...]]
    data: Mapping[str, pd.DataFrame]
    download: str
    legend: tuple[Legend, ...] = ()
    legend_field: str = ""
    legend_title: str = ""
    blocks: bool = field(default=False)
    """Whether a highlighted block shows in it."""

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(self.data)


def finished(chart: Any, **layout: Any) -> Panel:
    """The chart as a panel, its specification free of Altair's own configuration, with the page's parameters."""
    spec = chart.to_dict(validate=False)
    spec.pop("config", None)
    spec["params"] = [{"name": name, "value": value} for name, value in PARAMETERS.items()]
    return Panel(spec=spec, **layout)
