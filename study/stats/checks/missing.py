"""Runs that are missing from the full factorial, and what they could have changed at worst."""

from typing import Any

import numpy as np

from study.stats.layout import outcome_grid
from study.stats.table import RunTable


def missing(table: RunTable) -> dict[str, Any] | None:
    """Count missing outcomes and bound the contrasts over what they might have been.

    With a block, a full table has one run for each cell and block; without one, the runs of the table are all that were
    planned. A run that diverged without a number has no outcome either. None where there is nothing to miss: no block,
    and an outcome of every run. The bounds are on the table's last scale (percentage points for counts): every missing
    run of one side is set to the worst outcome of the whole table, as if it had collapsed, every one of the other side
    to its cell's mean.

    Returns:
        planned, runs, missing; scale, worst (the outcome that stands for a collapse); bounds: rows {level, control,
        estimate, at_worst, at_best}: the arm's missing runs at the worst outcome, and the control's.
    """
    scale = table.scale
    values = table.values(scale)
    if table.block is None and np.isfinite(values).all():
        return None
    grid = outcome_grid(table, values)
    present = np.isfinite(grid.values)
    places = np.ones_like(present)
    if table.block is None:
        places = np.isfinite(outcome_grid(table, np.zeros(len(values))).values)
    # A cell in which nothing has a number can only have been the worst.
    filled = np.where(present, grid.values, 0.0).sum(axis=2)
    count = present.sum(axis=2)
    worst = float(np.nanmin(grid.values) if table.higher_is_better else np.nanmax(grid.values))
    means = np.where(count > 0, filled / np.maximum(count, 1), worst)
    lost = (places & ~present).sum(axis=2)
    pessimistic = ((filled + lost * worst) / places.sum(axis=2)).mean(axis=1)
    neutral = means.mean(axis=1)
    bounds = []
    for arm in range(1, len(grid.arms)):
        bounds.append(
            {
                "level": grid.arms[arm],
                "control": table.control,
                "estimate": float(neutral[arm] - neutral[0]),
                "at_worst": float(pessimistic[arm] - neutral[0]),
                "at_best": float(neutral[arm] - pessimistic[0]),
            }
        )
    return {
        "planned": int(places.sum()),
        "runs": int(present.sum()),
        "missing": int(lost.sum()),
        "scale": scale,
        "worst": worst,
        "bounds": bounds,
    }
