"""Checks of what the tests assume. They inform the reader and never choose a test."""

from typing import Any

import numpy as np
from scipy import stats

from study.stats.checks.duplicate_runs import seeding
from study.stats.layout import OutcomeGrid, block_means, outcome_grid
from study.stats.table import RunTable

MOST_QQ_POINTS = 200
LARGEST_SHAPIRO = 5000  # beyond this many runs the p value's approximation is not known to hold


def diagnostics(table: RunTable, collapse_below: float | None = None, alpha: float = 0.05) -> dict[str, Any]:
    """Residuals, spread, correlation within blocks, influence and seeding, on the table's first scale.

    Args:
        table: the runs; all of them count.
        collapse_below: see `collapse`; collapsed runs may be alike in different blocks without fault.
        alpha: 1 - the level of the intervals.

    Returns:
        scale, alpha, model ("cell + block" or "cell": what the residuals are left from), residual_sd.
        qq: rows of level, theoretical (normal quantiles), observed (residuals / residual_sd); at most 200 points a
            level, the extremes always among them.
        levene: statistic, df1, df2, p of the Brown-Forsythe test (medians) over the cells with two runs or more.
        shapiro: statistic, p of the residuals; None beyond 5,000 runs.
        arm_sd: rows of level, sd (of runs about their cell's mean, pooled), ratio (to the control's).
        block_correlation: icc, ci_low, ci_high (from F; may be negative), F, df1, df2, p: how much runs of one block
            have in common, the cells' means removed; None without block.
        pairing: rows of level, correlation (arm with control over blocks, of the block means), variance_ratio (variance
            of the difference / what unpaired runs would give: below 1 the pairing helps); None without block.
        influence: rows of level, estimate, se, blocks (rows of block, estimate, p without that block), cells (rows of
            levels, estimate, p without that cell; empty if there is one cell), largest_block, largest_change (of the
            estimate, in se), sign_changes (whether leaving out one block turns the sign), p_low, p_high (over blocks);
            from paired t tests of the blocks' means; None without block.
        seeding: see `seeding`.
    """
    values = table.values(table.scales()[0])
    grid = outcome_grid(table, values)
    flat = grid.values.reshape(-1, grid.values.shape[2])
    residuals, df = _residuals(flat, grid.paired)
    present = ~np.isnan(residuals)
    sd = float(np.sqrt(np.nansum(residuals**2) / df)) if df > 0 else 0.0
    by_arm = residuals.reshape(len(grid.arms), -1)
    return {
        "scale": table.scales()[0],
        "alpha": alpha,
        "model": "cell + block" if grid.paired else "cell",
        "residual_sd": sd,
        "qq": [{"level": level, **_qq(row, sd)} for level, row in zip(grid.arms, by_arm, strict=True)],
        "levene": _levene(flat),
        "shapiro": _shapiro(residuals[present]),
        "arm_sd": _arm_sd(grid),
        "block_correlation": _block_correlation(flat, df, alpha) if grid.paired else None,
        "pairing": [_pairing(grid, arm) for arm in range(1, len(grid.arms))] if grid.paired else None,
        "influence": [_influence(grid, arm) for arm in range(1, len(grid.arms))] if grid.paired else None,
        "seeding": seeding(table, collapse_below),
    }


def _residuals(flat: np.ndarray, blocks: bool) -> tuple[np.ndarray, int]:
    """Residuals (cells, blocks) of least squares on cells, and blocks if wanted, with NaN where there is no run; df.

    The blocks are eliminated from the normal equations, so a system of the cells' size is solved.
    """
    present = ~np.isnan(flat)
    filled = np.where(present, flat, 0.0)
    per_cell, per_block = present.sum(axis=1), present.sum(axis=0)
    if not blocks:
        means = filled.sum(axis=1) / per_cell
        return np.where(present, flat - means[:, None], np.nan), int(present.sum() - len(flat))
    filled = filled - filled.sum() / present.sum() * present
    share = present / per_block
    reduced = np.diag(per_cell.astype(float)) - share @ present.T
    right = filled.sum(axis=1) - share @ filled.sum(axis=0)
    cell, _, rank, _ = np.linalg.lstsq(reduced, right, rcond=1e-10)
    block = (filled - present * cell[:, None]).sum(axis=0) / per_block
    return np.where(present, filled - cell[:, None] - block, np.nan), int(present.sum() - rank - flat.shape[1])


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
    result = stats.shapiro(residuals)
    return {"statistic": float(result.statistic), "p": float(result.pvalue)}


def _arm_sd(grid: OutcomeGrid) -> list[dict[str, Any]]:
    deviations = grid.values - np.nanmean(grid.values, axis=2, keepdims=True)
    df = (~np.isnan(grid.values)).sum(axis=2) - 1
    pooled = [
        float(np.sqrt(np.nansum(arm**2) / free.sum())) if free.sum() > 0 else None
        for arm, free in zip(deviations, df, strict=True)
    ]
    control = pooled[0]
    return [
        {"level": level, "sd": sd, "ratio": sd / control if sd is not None and control else None}
        for level, sd in zip(grid.arms, pooled, strict=True)
    ]


def _block_correlation(flat: np.ndarray, df: int, alpha: float) -> dict[str, Any] | None:
    """Intraclass correlation from the mean squares of blocks (after cells) and residual.

    (F - 1) / (F + k - 1) with k runs a block; the interval puts the F quantiles around F (Shrout & Fleiss 1979). With
    holes k is the effective number, so that the expected mean square of blocks is var_residual + k var_block.
    """
    present = ~np.isnan(flat)
    cell_only, df_cell = _residuals(flat, blocks=False)
    both, _ = _residuals(flat, blocks=True)
    df_block = df_cell - df
    if df <= 0 or df_block <= 0 or not np.nansum(both**2) > 0:
        return None
    mean_square = np.nansum(both**2) / df
    F = float((np.nansum(cell_only**2) - np.nansum(both**2)) / df_block / mean_square)
    k = float(present.sum() - (present / present.sum(axis=1, keepdims=True)).sum()) / df_block

    def icc(ratio: float) -> float:
        return (ratio - 1) / (ratio + k - 1)

    return {
        "icc": icc(F),
        "ci_low": icc(F / float(stats.f.ppf(1 - alpha / 2, df_block, df))),
        "ci_high": icc(F / float(stats.f.ppf(alpha / 2, df_block, df))),
        "F": F,
        "df1": df_block,
        "df2": df,
        "p": float(stats.f.sf(F, df_block, df)),
    }


def _pairing(grid: OutcomeGrid, arm: int) -> dict[str, Any]:
    one, other = block_means(grid.values[arm]), block_means(grid.values[0])
    both = ~np.isnan(one) & ~np.isnan(other)
    row: dict[str, Any] = {"level": grid.arms[arm], "correlation": None, "variance_ratio": None}
    if both.sum() > 2 and one[both].std() > 0 and other[both].std() > 0:
        unpaired = one[both].var(ddof=1) + other[both].var(ddof=1)
        row["correlation"] = float(np.corrcoef(one[both], other[both])[0, 1])
        row["variance_ratio"] = float((one - other)[both].var(ddof=1) / unpaired)
    return row


def _influence(grid: OutcomeGrid, arm: int) -> dict[str, Any]:
    means = grid.block_differences(arm)
    kept = np.flatnonzero(~np.isnan(means))
    estimate, se, _ = _paired_t(means[kept])
    blocks: list[dict[str, Any]] = []
    for b in kept if len(kept) > 2 else []:
        value, _, p = _paired_t(means[kept[kept != b]])
        blocks.append({"block": grid.blocks[b], "estimate": value, "p": p})
    cells: list[dict[str, Any]] = []
    for c in range(len(grid.cells)) if len(grid.cells) > 1 else ():
        rest = block_means(np.delete(grid.values[arm], c, axis=0)) - block_means(np.delete(grid.values[0], c, axis=0))
        value, _, p = _paired_t(rest[~np.isnan(rest)])
        cells.append({"levels": grid.cells[c], "estimate": value, "p": p})
    largest = max(blocks, key=lambda row: abs(row["estimate"] - estimate), default=None)
    p_values = [row["p"] for row in blocks if row["p"] is not None]
    return {
        "level": grid.arms[arm],
        "estimate": estimate,
        "se": se,
        "blocks": blocks,
        "cells": cells,
        "largest_block": largest["block"] if largest else None,
        "largest_change": (largest["estimate"] - estimate) / se if largest and se else None,
        "sign_changes": any(row["estimate"] * estimate < 0 for row in blocks),
        "p_low": min(p_values, default=None),
        "p_high": max(p_values, default=None),
    }


def _paired_t(differences: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """Mean, its standard error and two-sided p; what does not exist is None."""
    n = len(differences)
    if n == 0:
        return None, None, None
    mean = float(differences.mean())
    if n == 1:
        return mean, None, None
    se = float(differences.std(ddof=1) / np.sqrt(n))
    if se == 0.0:
        return mean, se, 1.0 if mean == 0.0 else 0.0
    return mean, se, float(2 * stats.t.sf(abs(mean) / se, n - 1))
