"""Figures drawn: for the page, whose colors they take, and as files for papers and slides."""

import html
import json
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert

from study import files
from study.report.parts import theme
from study.report.parts.figure import NARROW, Figure, laid_out, longest_entry

SHARED = 1200, 630
"""The pixels of the picture that links to a page are shown with."""
_VARIABLE = re.compile(r"var\(--([\w-]+)\)")
# What Vega writes for a live page: roles, the labels that it makes up, those that it hides, empty grounds.
_NOISE = re.compile(
    r'<text[^>]* opacity="0"[^>]*>.*?</text>'
    r'| (?:role|aria-roledescription|aria-hidden|pointer-events|xmlns:xlink|version|class)="[^"]*"'
    r'| aria-label="(?!tip\|)[^"]*"|<path[^>]* d=""[^>]*/>| opacity="1"'
)
# Where a mark is: digits that no eye can see. Never a text.
_PLACE = re.compile(r' (?:transform|d|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_DIGITS = re.compile(r"(\.\d\d)\d+")


def both(figure: Figure) -> tuple[str, str]:
    """The figure as SVG, as it is on a screen and on a phone.

    Its colors are CSS variables, and `data-tip` says what a mark is.
    """
    data = {name: _records(table) for name, table in figure.data.items()}
    return _drawn(figure, figure.plot.wide, data), _drawn(figure, NARROW, data)


def _drawn(figure: Figure, width: int, data: dict[str, list[dict[str, Any]]]) -> str:
    plot = figure.plot
    spec = laid_out(plot, width)
    spec |= {"config": theme.config(longest_entry(spec), width)}
    spec["datasets"] = spec.get("datasets", {}) | data
    # The tests validate every specification; here it would take as long as all the rest.
    svg = _NOISE.sub("", vl_convert.vegalite_to_svg(spec))
    svg = _PLACE.sub(lambda found: _DIGITS.sub(r"\1", found[0]), svg)
    # Names must be unique in a page with many pictures.
    return re.sub(r"\bclip(\d+)\b", rf"{figure.key}-{width}-\1", svg).replace('aria-label="tip|', 'data-tip="')


def published(svg: str) -> str:
    """A drawing as a file of its own: light and opaque."""
    width, height = re.findall(r'(?:width|height)="([\d.]+)"', svg)[:2]
    ground = f'<rect width="{width}" height="{height}" fill="var(--paper)"/>'
    whole = svg.replace(">", f">{ground}", 1)
    return _VARIABLE.sub(lambda found: theme.LIGHT[found[1]], whole)


def share(question: str, answer: str, drawing: str, folder: Path) -> None:
    """Write `share.png` to `folder`: question, answer and first figure as a picture to send."""
    width, height = SHARED
    left, top = 50, 75
    parts: list[str] = []
    for text, size, most, look in ((question, 40, 2, "font-weight='bold'"), (answer, 24, 4, "")):
        lines = textwrap.wrap(text, int((width - 2 * left) / (0.49 * size)), max_lines=most, placeholder=" …")
        for line in lines:
            parts.append(
                f"<text x='{left}' y='{top}' font-size='{size}' font-family='{theme.FONT}' fill='var(--ink)' {look}>"
                f"{html.escape(line)}</text>"
            )
            top += int(1.3 * size)
    across, down = (float(number) for number in re.findall(r'(?:width|height)="([\d.]+)"', drawing)[:2])
    scale = min((width - 2 * left) / across, (height - top - 15) / down)
    place = f"<g transform='translate({left},{top - 10}) scale({scale:.3f})'>{drawing}</g>"
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    with files.replacing(folder / "share.png") as temporary:
        temporary.write_bytes(vl_convert.svg_to_png(published(f"{opening}{''.join(parts)}{place}</svg>"), scale=1))


def save(drawings: Iterable[tuple[Figure, str]], folder: Path) -> None:
    """Write each figure with its drawing to `folder` as SVG, PNG and CSV, and remove all others."""
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for figure, svg in drawings:
        picture = published(svg)
        files.write_text(folder / f"{figure.key}.svg", picture)
        files.write_text(folder / f"{figure.key}.csv", figure.csv)
        with files.replacing(folder / f"{figure.key}.png") as temporary:
            temporary.write_bytes(vl_convert.svg_to_png(picture, scale=theme.SCALE))
        written |= {f"{figure.key}.{kind}" for kind in ("svg", "png", "csv")}
    for path in folder.iterdir():
        if path.suffix in {".svg", ".png", ".csv"} and path.name not in {*written, "share.png"}:
            path.unlink()


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(table.to_json(orient="records", double_precision=15))
