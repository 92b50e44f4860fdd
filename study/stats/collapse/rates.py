"""Collapse as an outcome of its own: how often a run fails outright, and whether an arm fails more than the control."""

from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from study.stats.multiplicity import holm
from study.stats.table import RunTable


def collapse(table: RunTable, threshold: float | None, alpha: float = 0.05) -> dict[str, Any] | None:
    """Rates of collapse and comparisons of each arm with the control.

    Args:
        table: the runs. All of them count; none is dropped.
        threshold: see `RunTable.collapsed`. None: a run collapses by diverging alone, and where none did the result is
            None.
        alpha: 1 - the level of the intervals.

    Returns:
        threshold, alpha; rates are shares of 1.
        arms: level, runs, collapsed, diverged, rate, ci_low, ci_high (Clopper & Pearson 1934).
        cells: levels, runs, collapsed, rate.
        comparisons: level, control, rate_difference (arm - control), p (two-sided, exact), p_adjusted (Holm over the
            arms). p is by flips of whole blocks: the difference of a block, arm minus control in the same cells,
            changes its sign at random; this allows any dependence within a block, and with one pair a block it is
            McNemar's test. Without a block the runs are independent and p is Fisher's.
    """
    collapsed = table.collapsed(threshold)
    if threshold is None and not collapsed.any():
        return None
    return {
        "threshold": None if threshold is None else float(threshold),
        "alpha": float(alpha),
        "arms": [_arm(table, collapsed, level, alpha) for level in table.levels(table.focus)],
        "cells": _cells(table, collapsed),
        "comparisons": _comparisons(table, collapsed),
    }


def _arm(table: RunTable, collapsed: np.ndarray, level: str, alpha: float) -> dict[str, Any]:
    here = (table.frame[table.focus] == level).to_numpy()
    runs, events = int(here.sum()), int(collapsed[here].sum())
    low, high = proportion_confint(events, runs, alpha, method="beta")
    return {
        "level": level,
        "runs": runs,
        "collapsed": events,
        "diverged": int(table.diverged()[here].sum()),
        "rate": events / runs,
        "ci_low": float(low),
        "ci_high": float(high),
    }


def _cells(table: RunTable, collapsed: np.ndarray) -> list[dict[str, Any]]:
    """The cells that have runs, in the order of the levels."""
    cell = table.cell_index()
    rows = []
    for position, levels in enumerate(table.cells()):
        here = collapsed[cell == position]
        if len(here):
            rows.append({"levels": levels, "runs": len(here), "collapsed": int(here.sum()), "rate": float(here.mean())})
    return rows


def _comparisons(table: RunTable, collapsed: np.ndarray) -> list[dict[str, Any]]:
    level_of = table.frame[table.focus].astype(str).to_numpy()
    control = collapsed[level_of == table.control]
    rows: list[dict[str, Any]] = []
    for level in table.arms:
        arm = collapsed[level_of == level]
        if table.block is None:
            counts = [[side.sum(), len(side) - side.sum()] for side in (arm, control)]
            p = float(stats.fisher_exact(counts).pvalue)
        else:
            p = _sign_flip_p(_block_differences(table, collapsed, level))
        difference = arm.sum() / len(arm) - control.sum() / len(control)
        rows.append({"level": level, "control": table.control, "rate_difference": float(difference), "p": p})
    adjusted, _ = holm(np.array([row["p"] for row in rows]))
    return [{**row, "p_adjusted": float(p)} for row, p in zip(rows, adjusted, strict=True)]


def _block_differences(table: RunTable, collapsed: np.ndarray, level: str) -> np.ndarray:
    """Collapsed runs of the arm minus those of the control in the cells that have both, shape (blocks,)."""
    keys = [str(table.block), *table.other_factors]
    frame = table.frame[keys].assign(arm=table.frame[table.focus].astype(str), collapsed=collapsed.astype(int))
    wide = frame.pivot(index=keys, columns="arm", values="collapsed")[[level, table.control]].dropna()
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
