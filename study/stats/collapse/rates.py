"""Collapse as an outcome of its own: how often a run fails outright, and whether an arm fails more than the control."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from study.stats.multiplicity import holm
from study.stats.table import RunTable


def collapse(table: RunTable, threshold: float | None, alpha: float = 0.05) -> dict[str, Any] | None:
    """Rates of failure, by collapsing or by diverging, and comparisons of each arm with the control.

    Args:
        table: the runs. All of them count; none is dropped.
        threshold: see `RunTable.failed`. None: a run fails by diverging alone, and where none did the result is None.
        alpha: 1 - the level of the intervals.

    Returns:
        threshold, alpha; rates are shares of 1.
        arms: level, runs, failed, collapsed, diverged (no run is both), rate (of failures), ci_low, ci_high (Clopper &
            Pearson 1934; over blocks instead of runs where the runs of each block agree); blocks, failed_blocks: the
            blocks, and those with a failed run; None where runs of a block disagree, or without a block.
        cells: levels, runs, failed, collapsed, diverged, rate.
        comparisons: level, control, rate_difference (arm - control), p (two-sided, exact), p_adjusted (Holm over the
            arms), p_smallest (the smallest p that so many blocks can give; None without a block). p is by flips of
            whole blocks: the difference of a block, arm minus control in the same cells, changes its sign at random;
            this allows any dependence within a block, and with one pair a block it is McNemar's test. Without a block
            the runs are independent and p is Fisher's.
    """
    failed = table.failed(threshold)
    if threshold is None and not failed.any():
        return None
    return {
        "threshold": None if threshold is None else float(threshold),
        "alpha": float(alpha),
        "arms": [_arm(table, failed, level, alpha) for level in table.levels(table.focus)],
        "cells": _cells(table, failed),
        "comparisons": _comparisons(table, failed),
    }


def _arm(table: RunTable, failed: np.ndarray, level: str, alpha: float) -> dict[str, Any]:
    here = (table.frame[table.focus] == level).to_numpy()
    events, runs, blocks = _count(table, failed, here), int(here.sum()), None
    if table.block is not None:
        shares = pd.Series(failed[here]).groupby(table.block_index()[here]).mean()
        blocks = len(shares) if shares.isin((0.0, 1.0)).all() and len(shares) < runs else None
        failed_blocks = int(shares.sum())
    counted = (failed_blocks, blocks) if blocks else (events["failed"], runs)
    low, high = proportion_confint(*counted, alpha, method="beta")
    return {
        "level": level,
        "runs": runs,
        **events,
        "rate": events["failed"] / runs,
        "ci_low": float(low),
        "ci_high": float(high),
        "blocks": blocks,
        "failed_blocks": failed_blocks if blocks else None,
    }


def _count(table: RunTable, failed: np.ndarray, here: np.ndarray) -> dict[str, int]:
    events, diverged = int(failed[here].sum()), int(table.diverged()[here].sum())
    return {"failed": events, "collapsed": events - diverged, "diverged": diverged}


def _cells(table: RunTable, failed: np.ndarray) -> list[dict[str, Any]]:
    """The cells that have runs, in the order of the levels."""
    cell = table.cell_index()
    return [
        {
            "levels": levels,
            "runs": int(here.sum()),
            **_count(table, failed, here),
            "rate": float(failed[here].mean()),
        }
        for position, levels in enumerate(table.cells())
        if (here := cell == position).any()
    ]


def _comparisons(table: RunTable, failed: np.ndarray) -> list[dict[str, Any]]:
    level_of = table.frame[table.focus].astype(str).to_numpy()
    control = failed[level_of == table.control]
    rows: list[dict[str, Any]] = []
    for level in table.arms:
        arm = failed[level_of == level]
        smallest = None
        if table.block is None:
            counts = [[side.sum(), len(side) - side.sum()] for side in (arm, control)]
            p = float(stats.fisher_exact(counts).pvalue)
        else:
            differences = _block_differences(table, failed, level)
            p, smallest = _sign_flip_p(differences), min(1.0, 2.0 ** (1 - len(differences)))
        difference = arm.sum() / len(arm) - control.sum() / len(control)
        row = {"level": level, "control": table.control, "rate_difference": float(difference), "p": p}
        rows.append(row | {"p_smallest": smallest})
    adjusted, _ = holm(np.array([row["p"] for row in rows]))
    return [{**row, "p_adjusted": float(p)} for row, p in zip(rows, adjusted, strict=True)]


def _block_differences(table: RunTable, failed: np.ndarray, level: str) -> np.ndarray:
    """Failed runs of the arm minus those of the control in the cells that have both, shape (blocks,)."""
    keys = [str(table.block), *table.other_factors]
    index = pd.MultiIndex.from_frame(table.frame[[*keys, table.focus]].astype({table.focus: str}))
    wide = pd.Series(failed.astype(int), index).unstack()[[level, table.control]].dropna()
    return (wide[level] - wide[table.control]).astype(int).groupby(level=0).sum().to_numpy()


def _sign_flip_p(differences: np.ndarray) -> float:
    """Two-sided exact p of the sum of whole numbers whose signs are flipped at random, by convolution."""
    observed = abs(int(differences.sum()))
    sizes = np.abs(differences[differences != 0])
    total = int(sizes.sum())
    weights = np.zeros(2 * total + 1)
    weights[total] = 1.0
    for size in sizes:
        weights = 0.5 * (np.roll(weights, size) + np.roll(weights, -size))
    return min(1.0, float(weights[np.abs(np.arange(-total, total + 1)) >= observed].sum()))
