"""Runs that are missing from the full factorial, and what they could have changed at worst."""

from typing import Any

import numpy as np

from study.stats.outcome_grid import outcome_grid
from study.stats.table import RunTable


def missing(table: RunTable, higher_is_better: bool = True) -> dict[str, Any] | None:
    """Count missing runs by arm and bound the contrasts over what they might have been; None without a block.

    A full table has one run for each cell and block. The bounds are on the table's last scale (percentage points for
    counts): every missing run of one side is set to the worst outcome of the whole table, as if it had collapsed, every
    one of the other side to its cell's mean.

    Returns:
        planned, runs, missing, blocks, blocks_complete; arms: rows {level, planned, runs, missing}; scale, worst (the
        outcome that stands for a collapse); bounds: rows {level, control, estimate, low, high}, low with the arm's
        missing runs at the worst outcome, high with the control's (the other way round if lower is better).
    """
    if table.block is None:
        return None
    scale = table.scales()[-1]
    grid = outcome_grid(table, table.values(scale))
    present = np.isfinite(grid.values)
    means = np.nanmean(grid.values, axis=2)
    worst = float(np.nanmin(grid.values) if higher_is_better else np.nanmax(grid.values))
    pessimistic = np.where(present, grid.values, worst).mean(axis=2).mean(axis=1)
    neutral = means.mean(axis=1)
    planned = present[0].size
    counts = present.sum(axis=(1, 2))
    bounds = []
    for arm in range(1, len(grid.arms)):
        ends = sorted([float(pessimistic[arm] - neutral[0]), float(neutral[arm] - pessimistic[0])])
        bounds.append(
            {
                "level": grid.arms[arm],
                "control": table.control,
                "estimate": float(neutral[arm] - neutral[0]),
                "low": ends[0],
                "high": ends[1],
            }
        )
    return {
        "planned": int(present.size),
        "runs": int(present.sum()),
        "missing": int((~present).sum()),
        "blocks": present.shape[2],
        "blocks_complete": int(present.all(axis=(0, 1)).sum()),
        "arms": [
            {"level": level, "planned": planned, "runs": int(count), "missing": int(planned - count)}
            for level, count in zip(grid.arms, counts, strict=True)
        ],
        "scale": scale,
        "worst": worst,
        "bounds": bounds,
    }
