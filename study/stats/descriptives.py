"""What the runs look like before any inference: the cells of the design and the learning curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from study.stats.table import RunTable, on_scale
from study.words import level_text

QUANTILES = {"q10": 0.1, "median": 0.5, "q90": 0.9}


def cells(table: RunTable, collapse_below: float | None) -> list[dict[str, Any]]:
    """Describe each cell that has runs, in the order of the factors' levels.

    Args:
        table: the runs.
        collapse_below: see `RunTable.failed`.

    Returns:
        One dict a cell: `levels` (factor -> level), `runs`, `diverged`, `collapsed`, and `mean`, `median`, `sd`
        (divisor n - 1; None for one run), `min`, `max` of the accuracy in per cent, or of the response in its own unit,
        over the runs that did not diverge, collapsed ones too; None in a cell without any.
    """
    values = table.values(table.scale)
    diverged = table.diverged()
    collapsed = table.failed(collapse_below) & ~diverged
    rows = []
    for levels, index in _cells_of(table.frame, table.factors):
        here = values[index]
        here = here[np.isfinite(here) & ~diverged[index]]
        rows.append(
            {
                "levels": levels,
                "runs": len(index),
                "diverged": int(diverged[index].sum()),
                "collapsed": int(collapsed[index].sum()),
                "mean": float(here.mean()) if len(here) else None,
                "median": float(np.median(here)) if len(here) else None,
                "sd": float(here.std(ddof=1)) if len(here) > 1 else None,
                "min": float(here.min()) if len(here) else None,
                "max": float(here.max()) if len(here) else None,
            }
        )
    return rows


def curve_bands(curves: pd.DataFrame, factors: Sequence[str], scale: str) -> list[dict[str, Any]]:
    """Quantiles over runs of the outcome after each epoch, cell by cell.

    Args:
        curves: one row a run and epoch, with the factors' columns, `epoch`, and the counts `successes` and `trials` or
            the `response`. Rows without a number are left out.
        factors: the factor columns.
        scale: "pp" (the accuracy in per cent) or "response".

    Returns:
        One dict a cell and epoch: `levels` (factor -> level), `epoch`, `runs` (that have a value there), and `q10`,
        `median`, `q90` (linear interpolation between order statistics). They are pointwise: 80 % of runs lie between
        q10 and q90 at one epoch, not over all epochs at once.
    """
    rows = []
    for levels, index in _cells_of(curves, factors):
        cell = curves.iloc[index]
        values = on_scale(cell, scale, "successes", "trials", "response")
        for epoch, here in pd.Series(values, index=cell.index).dropna().groupby(cell["epoch"]):
            quantiles = np.quantile(here.to_numpy(), list(QUANTILES.values()))
            rows.append(
                {
                    "levels": levels,
                    "epoch": int(epoch),
                    "runs": len(here),
                    **{name: float(value) for name, value in zip(QUANTILES, quantiles, strict=True)},
                }
            )
    return rows


def _cells_of(frame: pd.DataFrame, factors: Sequence[str]) -> list[tuple[dict[str, str], np.ndarray]]:
    """The observed cells in the order of the levels (of first appearance unless categorical), with their rows."""
    columns = []
    for factor in factors:
        column = frame[factor]
        if not isinstance(column.dtype, pd.CategoricalDtype):
            names = [level_text(value) for value in column]
            column = pd.Series(pd.Categorical(names, categories=list(dict.fromkeys(names))), index=frame.index)
        columns.append(column)
    codes = np.column_stack([column.cat.codes.to_numpy() for column in columns])
    distinct, inverse = np.unique(codes, axis=0, return_inverse=True)
    return [
        (
            {
                factor: str(column.cat.categories[code])
                for factor, column, code in zip(factors, columns, combination, strict=True)
            },
            np.flatnonzero(inverse == position),
        )
        for position, combination in enumerate(distinct)
    ]
