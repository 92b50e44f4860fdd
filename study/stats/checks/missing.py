"""Runs that are missing from the full factorial, and what they could have changed at worst."""

from typing import Any

import numpy as np

from study.stats.layout import outcome_grid
from study.stats.table import RunTable


def missing(table: RunTable) -> dict[str, Any] | None:
    """Count missing runs and bound the contrasts over what they might have been.

    A full table has one run for each cell and block, where a factor that is constant within every block takes no other
    level there. A run that diverged is not missing: it is an outcome without a
    number. None without a block: the runs of the table are all that were planned. The bounds are on the deciding scale:
    every missing run of one side is set to the worst outcome of the whole table, as if it had collapsed, every one of
    the other side to its cell's mean.

    Returns:
        planned, runs, missing; scale, worst (the outcome that stands for a collapse); bounds: rows {level, control,
        estimate, at_worst, at_best}: the arm's missing runs at the worst outcome, and the control's.
    """
    if table.block is None:
        return None
    diverged = table.diverged()
    values = np.where(diverged, np.nan, table.values(table.scale))
    lost = (_places(table) & np.isnan(outcome_grid(table, np.zeros(len(values))).values)).sum(axis=2)
    grid = outcome_grid(table, values)
    present = np.isfinite(grid.values)
    count, filled = present.sum(axis=2), np.where(present, grid.values, 0.0).sum(axis=2)
    worst = float(np.nanmin(grid.values) if table.higher_is_better else np.nanmax(grid.values))
    # A cell in which nothing has a number can only have been the worst.
    means = np.where(count > 0, filled / np.maximum(count, 1), worst)
    pessimistic = np.where(count > 0, (filled + lost * worst) / np.maximum(count + lost, 1), worst).mean(axis=1)
    neutral = means.mean(axis=1)
    return {
        "planned": len(values) + int(lost.sum()),
        "runs": len(values),
        "missing": int(lost.sum()),
        "scale": table.scale,
        "worst": worst,
        "bounds": [
            {
                "level": grid.arms[arm],
                "control": table.control,
                "estimate": float(neutral[arm] - neutral[0]),
                "at_worst": float(pessimistic[arm] - neutral[0]),
                "at_best": float(neutral[arm] - pessimistic[0]),
            }
            for arm in range(1, len(grid.arms))
        ],
    }


def _places(table: RunTable) -> np.ndarray:
    """Where a run may be, shape (arms, cells, blocks)."""
    block = table.block_index()
    places = np.ones((*table.shape, int(block.max()) + 1), dtype=bool)
    for axis, factor in enumerate(table.factors):
        codes = table.frame[factor].cat.codes.to_numpy()
        has = np.zeros((table.shape[axis], places.shape[-1]), dtype=bool)
        has[codes, block] = True
        if (has.sum(axis=0) == 1).all():
            shape = [1] * places.ndim
            shape[axis], shape[-1] = has.shape
            places &= has.reshape(shape)
    return places.reshape(table.shape[0], -1, places.shape[-1])
