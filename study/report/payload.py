"""What the page's script reads: the figures' specifications and data, as JSON inside the page."""

import json
from typing import Any

import numpy as np
import pandas as pd

from study.report.parts import theme
from study.report.parts.figure import DRAWING, Figure
from study.report.results import Results


def payload(results: Results, figures: list[Figure]) -> dict[str, Any]:
    """All that the script needs, as plain values."""
    tables = {name: table for figure in figures for name, table in figure.data.items()}
    runs = results.runs
    tables["runs_table"] = runs[[name for name in runs if pd.api.types.infer_dtype(runs[name]) != "bytes"]]
    return {
        "name": results.name,
        "drawing": DRAWING,
        "config": {"page": theme.page_config(), "export": theme.export_config(), "scale": theme.SCALE},
        "datasets": {name: columnar(table) for name, table in tables.items()},
        "figures": {
            figure.key: {
                "tables": tuple(figure.data),
                "download": figure.csv,
                "variants": {name: [vars(panel) for panel in panels] for name, panels in figure.variants.items()},
            }
            for figure in figures
        },
    }


def embedded(value: Any) -> str:
    """JSON that can stand inside a script element whatever text it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def columnar(table: pd.DataFrame) -> dict[str, Any]:
    """The table as lists by column; repeated words as a list of words and their positions."""
    columns: dict[str, Any] = {}
    for name in table.columns:
        values = _plain(table[name])
        words = list(dict.fromkeys(values))
        if any(isinstance(v, str) for v in words) and len(words) * 2 < len(values):
            positions = {word: i for i, word in enumerate(words)}
            columns[str(name)] = {"words": words, "codes": [positions[v] for v in values]}
        else:
            columns[str(name)] = values
    return columns


def _plain(column: pd.Series) -> list[Any]:
    """The values as JSON knows them: None for what is missing or not finite."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column):
        return column.tolist()
    if pd.api.types.is_float_dtype(column):
        return [float(v) if np.isfinite(v) else None for v in column.to_numpy(dtype=float)]
    return [None if pd.isna(v) else str(v) for v in column]
