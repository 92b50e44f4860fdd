"""Reference results computed in R, and the tables they were computed from; see README.md here."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parent
TABLES = ("null", "interaction", "missing", "seedslope", "boundary")


def load(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table `name` (one row a run; for "images" one row an image of a run) and R's results for it."""
    frame = pd.read_csv(FOLDER / f"{name}.csv.gz")
    with gzip.open(FOLDER / f"{name}.json.gz", "rt", encoding="utf-8") as stream:
        return frame, json.load(stream)
