"""Figures as files for papers and slides: light, opaque, with fonts that every system has, at a width fit for print."""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert

from study import files
from study.report import theme
from study.report.charts.figure import Figure, Panel
from study.report.payload import records

PANEL_WIDTH, GRID_WIDTH = 560, 960
"""Width in pixels of one plot, and of a grid of small multiples."""

SCALE = 2.25
"""A PNG's pixels for each of the picture's: a grid has 300 dots an inch on the 18 cm of a journal's two columns."""

GAP = 28
"""Pixels between small multiples."""

LEGEND = {"orient": "top", "title": None, "columns": 3, "labelLimit": 0, "symbolSize": 70, "symbolOpacity": 1}


def save(figures: Iterable[Figure], folder: Path) -> None:
    """Write each figure to `folder` as SVG and PNG, in the view that the page opens with, and remove all others."""
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for figure in figures:
        svg = drawn(figure)
        files.write_text(folder / f"{figure.key}.svg", svg)
        with files.replacing(folder / f"{figure.key}.png") as temporary:
            temporary.write_bytes(vl_convert.svg_to_png(svg, scale=SCALE))
        written |= {f"{figure.key}.svg", f"{figure.key}.png"}
    for path in folder.iterdir():
        if path.suffix in {".svg", ".png"} and path.name not in written:
            path.unlink()


def drawn(figure: Figure) -> str:
    """The figure as SVG, its panels side by side."""
    data = {name: records(_still(table)) for name, table in figure.data.items()}
    panels = next(iter(figure.variants.values()))
    images = [vl_convert.vegalite_to_svg(_fitted(figure, panel, data)) for panel in panels]
    if len(images) == 1:
        return images[0]
    found = [re.findall(r' (?:width|height)="([\d.]+)"', image)[:2] for image in images]
    sizes = [[math.ceil(float(size)) for size in pair] for pair in found]
    width, height = sum(size[0] for size in sizes), max(size[1] for size in sizes)
    left, parts = 0, [f'<rect width="{width}" height="{height}" fill="{theme.LIGHT["paper"]}"/>']
    for image, size in zip(images, sizes, strict=True):
        parts.append(image.replace("<svg", f'<svg x="{left}"', 1))
        left += size[0]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )


def _fitted(figure: Figure, panel: Panel, data: dict[str, Any]) -> dict[str, Any]:
    """The panel's specification with its data, at its width in print; page.js does the like for any width."""
    spec: dict[str, Any] = json.loads(json.dumps(panel.spec))
    spec["datasets"] = spec.get("datasets", {}) | data
    spec["config"] = theme.export_config()
    if panel.title:
        spec["title"] = {"text": panel.title, "anchor": "start", "fontSize": 13}
    width = GRID_WIDTH if panel.facets > 1 else PANEL_WIDTH
    if panel.facets:
        columns = min(panel.columns, panel.facets)
        inner = (width - 16 - (columns - 1) * GAP) // columns - panel.axis
        headings = [str(row.get(spec["facet"]["field"]) or "") for row in data[spec["data"]["name"]]]
        longest = max(map(len, headings), default=0)
        spec["columns"], spec["spec"]["width"] = columns, inner
        spec["facet"]["header"] = {"labelLimit": inner}
        most = max(8, inner // 8)
        if longest > most:
            pieces = "replace(datum.label, regexp(' · ', 'g'), '\\n')"
            lines = f"split(trim(replace({pieces}, regexp('(.{{1,{most}}})(\\\\s+|$)', 'g'), '$1\\n')), '\\n')"
            spec["facet"]["header"]["labelExpr"] = lines
    else:
        spec["width"] = inner = width - 14
    for parameter in spec["params"]:
        if parameter["name"] == "room":
            parameter["value"] = max(0.5 * inner, inner - (min(panel.reserve, 80) if inner < 400 else panel.reserve))
        if parameter["name"] == "narrow":
            parameter["value"] = inner < 400
    if figure.legend:
        _with_legend(spec, figure.legend_field)
    return spec


def _still(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn before a block is chosen: of bands and single runs the bands."""
    bands = table["kind"] == "band" if "kind" in table else pd.Series(False, index=table.index)
    return table[bands] if bands.any() else table


def _with_legend(part: Any, field: str) -> None:
    """Legends for the encodings of `field`, in place: the page's stands above the panels, a picture carries its own."""
    if isinstance(part, list):
        for item in part:
            _with_legend(item, field)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name == "datasets":
                continue
            if isinstance(value, dict) and value.get("field") == field and value.get("legend", "") is None:
                value["legend"] = LEGEND
            _with_legend(value, field)
