"""Colours, shapes and the look of every chart: one palette for the page, light and dark, and for exported pictures."""

from typing import Any

from study.report.parts.figure import GAP

# After Okabe and Ito's palette for colour-blind readers, darkened (light page) or lightened (dark page) until every
# colour has a contrast of at least 3 with the paper. The first is the control's: neutral. Shapes tell the same apart.
PALETTE = {
    "paper": ("#ffffff", "#14171c"),
    "wash": ("#f5f6f8", "#1d2128"),
    "ink": ("#1b1f24", "#e9ecef"),
    "soft": ("#56606c", "#a3adb8"),
    "rule": ("#c9cfd6", "#454d57"),
    "grid": ("#e8ebee", "#282e36"),
    "band": ("#e3ebf2", "#22303c"),
    "accent": ("#005a8f", "#7fc1ee"),
    "good": ("#1c7a54", "#5ccf9f"),
    "bad": ("#b3380f", "#ff9468"),
    "even": ("#56606c", "#a3adb8"),
    "unsure": ("#8a6100", "#e8bd5a"),
    "series-0": ("#3a414b", "#d3d9e0"),
    "series-1": ("#0072b2", "#4a9fe8"),
    "series-2": ("#d55e00", "#ff8340"),
    "series-3": ("#3f9c74", "#3fc08f"),
    "series-4": ("#c25ba6", "#dd86c4"),
    "series-5": ("#6b5200", "#f2c14e"),
    "series-6": ("#4a35b8", "#9d8dff"),
    "series-7": ("#7a2020", "#d0a3a3"),
}
"""Colours on light and on dark paper, by name."""

LIGHT = {name: pair[0] for name, pair in PALETTE.items()}
DARK = {name: pair[1] for name, pair in PALETTE.items()}
SERIES = tuple(name for name in LIGHT if name.startswith("series-"))
HEXAGON = "M0,-1L0.87,-0.5L0.87,0.5L0,1L-0.87,0.5L-0.87,-0.5Z"
BAR = "M-0.5,-1L0.5,-1L0.5,1L-0.5,1Z"
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", HEXAGON, BAR)
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""Fonts as wide as those that measure the words when a figure is drawn."""
SCALE = 2.25
"""A PNG's pixels for each of the picture's: a grid has 300 dots an inch on the 18 cm of a journal's two columns."""


def stylesheet() -> str:
    """The palette as CSS custom properties; print is always light."""
    return (
        f":root{{color-scheme:light dark;{_properties(LIGHT)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_properties(DARK)}}}}}\n"
    )


def config(longest: int = 0, width: int = 0) -> dict[str, Any]:
    """Vega's configuration. Colours are CSS variables, so a drawing follows the page.

    Args:
        longest: the length of the longest entry of the legend.
        width: the width in pixels that the drawing has.
    """
    entry = 7 * longest + 40
    legend = {
        "orient": "top",
        "title": None,
        "columns": max(1, min(4, width // entry)),
        "labelLimit": max(width - 50, 0),
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "symbolSize": 70,
        "symbolOpacity": 1,
        "symbolFillColor": "var(--soft)",
        "symbolStrokeWidth": 0,
        "offset": 12,
        "columnPadding": 30,
        "layout": {"top": {"anchor": "start", "direction": "vertical"}},
    }
    return _looks() | {"legend": legend}


def swatch(position: int) -> str:
    """The swatch of the series at `position`, as SVG: shape and colour as in the charts."""
    colour = f"var(--{SERIES[position % len(SERIES)]})"
    return (
        '<svg class="swatch" viewBox="-1.3 -1.3 2.6 2.6" aria-hidden="true">'
        f'<path d="{_PATHS[position % len(SHAPES)]}" fill="{colour}"/></svg>'
    )


def _properties(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in palette.items())


def _looks() -> dict[str, Any]:
    ink, soft, rule, paper = (f"var(--{name})" for name in ("ink", "soft", "rule", "paper"))
    text = {"labelColor": soft, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    lines = {"domainColor": rule, "tickColor": rule, "gridColor": "var(--grid)"}
    header = {"labelColor": ink, "labelFontSize": 12, "labelFontWeight": 600, "labelAnchor": "start", "labelPadding": 6}
    return {
        "font": FONT,
        "background": "transparent",
        "padding": {"left": 2, "right": 10, "top": 4, "bottom": 2},
        "view": {"stroke": None},
        "axis": text | lines | {"titleFontWeight": "normal", "titlePadding": 8, "labelPadding": 4},
        "header": header,
        "facet": {"spacing": GAP},
        "range": {"category": [f"var(--{name})" for name in SERIES], "symbol": list(SHAPES)},
        "mark": {"color": soft},
        "rule": {"color": soft},
        "text": {"fontSize": 12, "color": ink},
        "style": {
            "value": {"color": soft},
            "halo": {"color": paper, "stroke": paper, "strokeWidth": 8, "strokeJoin": "round"},
            "faint": {"color": "var(--rule)"},
            "band": {"color": "var(--band)"},
            "zero": {"color": soft, "strokeWidth": 1.2},
            "median": {"color": ink, "opacity": 1},
        },
    }


_PATHS = (
    "M-1,0A1,1 0 1,1 1,0A1,1 0 1,1 -1,0Z",
    "M-0.9,-0.9H0.9V0.9H-0.9Z",
    "M0,-1.15L0.85,0L0,1.15L-0.85,0Z",
    "M0,-1L1.05,0.8H-1.05Z",
    "M-0.35,-1H0.35V-0.35H1V0.35H0.35V1H-0.35V0.35H-1V-0.35H-0.35Z",
    "M0,1L1.05,-0.8H-1.05Z",
    HEXAGON,
    BAR,
)
