"""The files of an analysis, each a result. docs/analysis-files.md describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study.errors import StudyError
from study.files import replacing, write_json
from study.store.tables import write_table


def check_folder(folder: Path) -> None:
    """Refuse what results cannot be written to, before the time to make them is spent.

    Raises:
        StudyError: the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder}: is a file, a folder is needed; name another with --out")


def write(results: Mapping[str, Any], folder: Path | str) -> None:
    """Write each result as NAME.json, and each that is a list of rows as NAME.csv too; a table of runs as Parquet.

    A file of an earlier analysis that has no result now is removed: files of two analyses do not lie side by side.

    Raises:
        StudyError: the folder cannot be written to.
    """
    folder = Path(folder)
    for name, value in results.items():
        _write(value, folder / name)


def _write(value: Any, path: Path) -> None:
    if isinstance(value, pd.DataFrame):
        write_table(value, path.with_suffix(".parquet"))
    elif value is None:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.with_suffix(".csv").unlink(missing_ok=True)
    else:
        write_json(path.with_suffix(".json"), value)
        if isinstance(value, list):
            with replacing(path.with_suffix(".csv")) as temporary:
                _as_columns(value).to_csv(temporary, index=False, lineterminator="\n")


def plain(value: Any) -> Any:
    """Values that JSON knows, or a table: dataclasses become objects, arrays lists, infinite numbers and NaN None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int, pd.DataFrame)):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, np.ndarray)):
        return [plain(item) for item in value]
    raise TypeError(f"no JSON for {type(value).__name__}")


def _as_columns(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table. An object inside a row becomes one column for each key, "field.key" if a field has that name."""
    fields = {name for row in rows for name in row}
    flat = []
    for row in rows:
        columns: dict[str, Any] = {}
        for name, value in row.items():
            entries = value.items() if isinstance(value, dict) else [(name, value)]
            columns |= {key if key == name or key not in fields else f"{name}.{key}": entry for key, entry in entries}
        flat.append(columns)
    return pd.DataFrame(flat, dtype=object)
