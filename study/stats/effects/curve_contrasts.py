"""The contrasts after each epoch, with bands that hold over all epochs and arms at once."""

from typing import Any

import numpy as np
import pandas as pd

from study.stats.effects.sign_flip import critical_value
from study.stats.layout import at_runs, outcome_grid
from study.stats.table import RunTable, on_scale


def curve_contrasts(
    table: RunTable, curves: pd.DataFrame, rng: np.random.Generator, alpha: float = 0.05
) -> list[dict[str, Any]]:
    """Each arm minus the control after each epoch, averaged over the other factors, on the table's last scale.

    The band is mean +- c standard errors over blocks; c is the 1 - alpha quantile of the largest |t| over all epochs
    and arms under sign flips of whole blocks (centred). Single epochs are not tested: read the band.

    Args:
        table: the runs, with a block.
        curves: one row for each run and epoch: the factors, the block, `epoch`, and the counts `successes` and `trials`
            or the `response`.
        rng: draws the sign patterns.

    Returns:
        Rows {level, control, scale, epoch, blocks, estimate, se, ci_low, ci_high}; no rows if fewer than two blocks
        have a curve for every arm and epoch.
    """
    epochs = sorted(int(epoch) for epoch in curves["epoch"].unique())
    columns, labels = [], []
    scale = table.scale
    for epoch in epochs:
        here = curves[curves["epoch"] == epoch]
        grid = outcome_grid(table, at_runs(table, here, on_scale(here, scale, "successes", "trials", "response")))
        for arm in range(1, len(grid.arms)):
            columns.append(grid.block_differences(arm))
            labels.append((grid.arms[arm], epoch))
    differences = np.column_stack(columns)
    differences = differences[np.isfinite(differences).all(axis=1)]
    n = len(differences)
    if n < 2:
        return []
    critical = critical_value(differences, alpha, rng)
    means, errors = differences.mean(axis=0), differences.std(axis=0, ddof=1) / np.sqrt(n)
    return [
        {
            "level": level,
            "control": table.control,
            "scale": scale,
            "epoch": epoch,
            "blocks": n,
            "estimate": float(mean),
            "se": float(error),
            "ci_low": float(mean - critical * error),
            "ci_high": float(mean + critical * error),
        }
        for (level, epoch), mean, error in zip(labels, means, errors, strict=True)
    ]
