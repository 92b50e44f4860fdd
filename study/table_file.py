"""The one way in for tables: CSV, TSV and Parquet files of a sane size, read with budgets on what they unpack to."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from study.errors import StudyError
from study.reading import MEBIBYTE, one_line, read_bytes, unpack

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet")
# 100,000 runs with a bit for each of 10,000 examples are 130 MiB; the values are rows times columns.
MOST_BYTES, MOST_VALUES = 1024 * MEBIBYTE, 50_000_000
# What an empty number looks like in a text file. Not used for levels: "None", "NA" and "null" are good names of levels.
_NO_NUMBER = ["", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-nan", "-NaN"]
_NO_LEVEL = ["", "nan", "NaN", "<NA>"]


def read_frame(path: Path | str, levels: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV, TSV or Parquet file. In the columns `levels`, words such as "None" or "NA" stay words.

    Raises:
        StudyError: no such file, an unknown type, one too large, or a content that cannot be parsed.
    """
    path = Path(path)
    if not path.name.lower().endswith(SUFFIXES):
        raise StudyError(f"{path}: unknown file type; a table ends in {', '.join(SUFFIXES)}")
    content = read_bytes(path, MOST_BYTES)
    if path.suffix.lower() == ".gz":
        content = unpack(path, content, MOST_BYTES)
    try:
        with warnings.catch_warnings():
            # A warning of the parser says that it guessed.
            warnings.simplefilter("error")
            return _parquet(content) if path.suffix.lower() == ".parquet" else _text(path, content, levels)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None
    except Exception as error:  # whatever the parser meets in a foreign file is the file's fault
        why = one_line(error) or type(error).__name__
        raise StudyError(f"{path}: damaged: it cannot be read as a table ({why})") from None


def _parquet(content: bytes) -> pd.DataFrame:
    import pyarrow.parquet as pq

    about = pq.read_metadata(io.BytesIO(content))
    _check_size(about.num_rows, about.num_columns)
    unpacked = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    if unpacked > MOST_BYTES:
        raise StudyError(f"unpacks to {unpacked:,} bytes; allowed: {MOST_BYTES:,}")
    return pd.read_parquet(io.BytesIO(content))


def _text(path: Path, content: bytes, levels: Sequence[str]) -> pd.DataFrame:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    head = pd.read_csv(io.BytesIO(content), sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False)
    names = [str(name).strip("\ufeff") for name in head.iloc[0]]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise StudyError(f"column {twice!r} occurs twice; names of columns must be unique")
    _check_size(content.count(b"\n"), len(names))
    return pd.read_csv(
        io.BytesIO(content),
        sep=separator,
        index_col=False,
        keep_default_na=False,
        na_values={name: _NO_LEVEL if name in levels else _NO_NUMBER for name in names},
        low_memory=False,
    )


def _check_size(rows: int, columns: int) -> None:
    if rows * columns > MOST_VALUES:
        raise StudyError(f"{rows:,} rows of {columns:,} columns; allowed: {MOST_VALUES:,} values")
