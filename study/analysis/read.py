"""Tables of runs and of learning curves, read for an analysis."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from study.analysis.tracker_export import ended_runs
from study.design.response import AnalysisSpec
from study.errors import StudyError
from study.stats.table import RunTable, build_table
from study.table_file import read_frame


def run_table(frame: pd.DataFrame, spec: AnalysisSpec, whole: bool = True) -> RunTable:
    """The checked table of runs that `spec` describes; see `study.stats.table.build_table` for `whole` and errors."""
    return build_table(
        frame,
        factors=list(spec.factors),
        control=spec.control,
        block=spec.block,
        successes=spec.successes,
        trials=spec.trials,
        response=spec.response,
        whole=whole,
        higher_is_better=spec.better == "higher",
    )


def read_runs(
    path: Path,
    spec: AnalysisSpec,
    names: Mapping[str, str] | None = None,
    status: str | None = None,
    whole: bool = True,
) -> tuple[RunTable, dict[str, Any]]:
    """Read a file of runs; with the table, what `ended_runs` counts.

    Args:
        names: by column of the file, the factor or block it holds; None if the columns bear these names.
        status: the column that says how a run ended, see `ended_runs`.
        whole: whether every cell must hold a run.

    Raises:
        StudyError: the file cannot be read, or does not fit `spec`.
    """
    names = names or _own_names(spec)
    frame = read_frame(path, levels=list(names))
    try:
        frame, ended = ended_runs(frame, status, spec.response, list(names))
        return run_table(_renamed(frame, names), spec, whole), ended
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None


def read_curves(path: Path | None, spec: AnalysisSpec, names: Mapping[str, str] | None = None) -> pd.DataFrame | None:
    """Read a file with one row a run and epoch; None if there is none."""
    if path is None:
        return None
    names = names or _own_names(spec)
    return _renamed(read_frame(path, levels=list(names)), names)


def _own_names(spec: AnalysisSpec) -> dict[str, str]:
    return {name: name for name in (*spec.factors, spec.block) if name}


def _renamed(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The table with columns that have a role under the names of their roles."""
    # A column that has such a name already, and no role, would be there twice.
    taken = [name for name in names.values() if name in frame and name not in names]
    return frame.drop(columns=taken).rename(columns=dict(names))
