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
from study.report.parts import theme
from study.report.parts.figure import STILL, Figure, Panel, laid_out

SIZE = re.compile(r' (?:width|height)="([\d.]+)"')


def save(figures: Iterable[Figure], folder: Path) -> None:
    """Write each figure to `folder` as SVG and PNG, in the view that the page opens with, and remove all others."""
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for figure in figures:
        svg = drawn(figure)
        files.write_text(folder / f"{figure.key}.svg", svg)
        with files.replacing(folder / f"{figure.key}.png") as temporary:
            temporary.write_bytes(vl_convert.svg_to_png(svg, scale=theme.SCALE))
        written |= {f"{figure.key}.svg", f"{figure.key}.png"}
    for path in folder.iterdir():
        if path.suffix in {".svg", ".png"} and path.name not in written:
            path.unlink()


def drawn(figure: Figure) -> str:
    """The figure as SVG, its panels side by side."""
    data = {name: _records(table) for name, table in figure.data.items()}
    panels = next(iter(figure.variants.values()))
    images = [vl_convert.vegalite_to_svg(_printed(panel, data)) for panel in panels]
    if len(images) == 1:
        return images[0]
    sizes = [[math.ceil(float(size)) for size in SIZE.findall(image)[:2]] for image in images]
    width, height = sum(size[0] for size in sizes), max(size[1] for size in sizes)
    left, parts = 0, [f'<rect width="{width}" height="{height}" fill="{theme.LIGHT["paper"]}"/>']
    for image, size in zip(images, sizes, strict=True):
        parts.append(image.replace("<svg", f'<svg x="{left}"', 1))
        left += size[0]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(table.to_json(orient="records", double_precision=15))


def _printed(panel: Panel, data: dict[str, Any]) -> dict[str, Any]:
    """The panel's specification with its data, at its width in print."""
    spec = laid_out(panel, panel.printed) | {"config": theme.export_config()}
    spec["datasets"] = spec.get("datasets", {}) | data
    spec["params"] = [one | {"value": True} if one["name"] == STILL else one for one in spec["params"]]
    if panel.title:
        spec["title"] = {"text": panel.title, "anchor": "start", "fontSize": 13}
    return spec
