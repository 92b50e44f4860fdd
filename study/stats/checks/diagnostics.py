"""Checks of what the tests assume. They inform the reader and never choose a test."""

from typing import Any

import numpy as np
from scipy import stats

from study.stats.checks.duplicate_runs import seeding
from study.stats.layout import OutcomeGrid, block_means, outcome_grid, residuals
from study.stats.table import RunTable

MOST_QQ_POINTS = 200
LARGEST_SHAPIRO = 5000  # beyond this many runs the p value's approximation is not known to hold


def diagnostics(table: RunTable, collapse_below: float | None = None) -> dict[str, Any]:
    """Residuals, spread, pairing, influence and seeding, on the table's first scale.

    Args:
        table: the runs; all of them count.
        collapse_below: see `RunTable.failed`; collapsed runs may be alike in different blocks without fault.

    Returns:
        scale, model ("cell + block" or "cell": what the residuals are left from), residual_sd.
        qq: rows of level, theoretical (normal quantiles), observed (residuals / residual_sd); at most 200 points a
            level, the extremes always among them.
        levene: statistic, df1, df2, p of the Brown-Forsythe test (medians) over the cells with two runs or more.
        shapiro: statistic, p of the residuals; None beyond 5,000 runs.
        pairing: rows of level, variance_ratio (variance of the difference / what unpaired runs would give: below 1 the
            pairing helps); None without block.
        influence: rows of level, estimate, se, blocks (rows of block, estimate without that block), cells (rows of
            levels, estimate without that cell; empty if there is one cell), largest_block, largest_change (of the
            estimate, in se), sign_changes (whether leaving out one block turns the sign); from the blocks' means; None
            without block.
        seeding: see `seeding`.
    """
    values = table.values(table.scale)
    grid = outcome_grid(table, values)
    flat = grid.values.reshape(-1, grid.values.shape[2])
    left, df = residuals(flat, grid.paired)
    sd = float(np.sqrt(np.nansum(left**2) / df)) if df > 0 else 0.0
    by_arm = left.reshape(len(grid.arms), -1)
    return {
        "scale": table.scale,
        "model": "cell + block" if grid.paired else "cell",
        "residual_sd": sd,
        "qq": [{"level": level, **_qq(row, sd)} for level, row in zip(grid.arms, by_arm, strict=True)],
        "levene": _levene(flat),
        "shapiro": _shapiro(left[~np.isnan(left)]),
        "pairing": [_pairing(grid, arm) for arm in range(1, len(grid.arms))] if grid.paired else None,
        "influence": [_influence(grid, arm) for arm in range(1, len(grid.arms))] if grid.paired else None,
        "seeding": seeding(table, collapse_below),
    }


def _qq(row: np.ndarray, sd: float) -> dict[str, list[float]]:
    observed = np.sort(row[~np.isnan(row)])
    n = len(observed)
    theoretical = stats.norm.ppf((np.arange(1, n + 1) - 0.5) / n)
    shown = np.unique(np.round(np.linspace(0, n - 1, min(n, MOST_QQ_POINTS))).astype(int))
    scale = sd if sd > 0 else 1.0
    return {
        "theoretical": [float(x) for x in theoretical[shown]],
        "observed": [float(x) for x in observed[shown] / scale],
    }


def _levene(flat: np.ndarray) -> dict[str, float] | None:
    """Analysis of variance of the distances from the cell's median (Brown & Forsythe 1974)."""
    cells = [runs for row in flat if len(runs := row[~np.isnan(row)]) > 1]
    if len(cells) < 2:
        return None
    df1, df2 = len(cells) - 1, sum(len(runs) for runs in cells) - len(cells)
    distances = [np.abs(runs - np.median(runs)) for runs in cells]
    within = sum(float(((d - d.mean()) ** 2).sum()) for d in distances)
    if within == 0.0:
        return None
    result = stats.levene(*cells, center="median")
    return {"statistic": float(result.statistic), "df1": df1, "df2": df2, "p": float(result.pvalue)}


def _shapiro(residuals: np.ndarray) -> dict[str, float] | None:
    if not 3 <= len(residuals) <= LARGEST_SHAPIRO or np.ptp(residuals) == 0.0:
        return None
    # SciPy takes a range below 1e-19 for none. A power of two changes no digit.
    result = stats.shapiro(np.ldexp(residuals, -int(np.frexp(np.ptp(residuals))[1])))
    return {"statistic": float(result.statistic), "p": float(result.pvalue)}


def _pairing(grid: OutcomeGrid, arm: int) -> dict[str, Any]:
    one, other = block_means(grid.values[arm]), block_means(grid.values[0])
    both = ~np.isnan(one) & ~np.isnan(other)
    row: dict[str, Any] = {"level": grid.arms[arm], "variance_ratio": None}
    if both.sum() > 2 and one[both].std() > 0 and other[both].std() > 0:
        unpaired = one[both].var(ddof=1) + other[both].var(ddof=1)
        row["variance_ratio"] = float((one - other)[both].var(ddof=1) / unpaired)
    return row


def _influence(grid: OutcomeGrid, arm: int) -> dict[str, Any]:
    means = grid.block_differences(arm)
    kept = np.flatnonzero(~np.isnan(means))
    estimate = _mean(means)
    se = float(means[kept].std(ddof=1) / np.sqrt(len(kept))) if len(kept) > 1 else None
    blocks: list[dict[str, Any]] = [
        {"block": grid.blocks[b], "estimate": float(means[kept[kept != b]].mean())}
        for b in (kept if len(kept) > 2 else [])
    ]
    cells = []
    for c in range(len(grid.cells)) if len(grid.cells) > 1 else ():
        rest = block_means(np.delete(grid.values[arm], c, axis=0)) - block_means(np.delete(grid.values[0], c, axis=0))
        cells.append({"levels": grid.cells[c], "estimate": _mean(rest)})
    largest = max(blocks, key=lambda row: abs(row["estimate"] - estimate), default=None)
    return {
        "level": grid.arms[arm],
        "estimate": estimate,
        "se": se,
        "blocks": blocks,
        "cells": cells,
        "largest_block": largest["block"] if largest else None,
        "largest_change": (largest["estimate"] - estimate) / se if largest and se else None,
        "sign_changes": any(row["estimate"] * estimate < 0 for row in blocks),
    }


def _mean(values: np.ndarray) -> float | None:
    """The mean of the values that are not NaN, None if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
