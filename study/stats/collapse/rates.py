"""Collapse as an outcome of its own: how often a run fails outright, and whether an arm fails more than the control."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from study.stats.collapse.firth import FirthFit, firth_logistic
from study.stats.collapse.proportions import (
    clopper_pearson,
    jeffreys,
    mantel_haenszel,
    mcnemar_exact,
    sign_flip_of_counts,
)
from study.stats.table import RunTable

# Boschloo's test tabulates every pair of counts; beyond this many pairs Fisher's test stands in for it.
LARGEST_BOSCHLOO_TABLE = 250_000


def collapse(table: RunTable, threshold: float | None, alpha: float = 0.05) -> dict[str, Any] | None:
    """Rates of collapse and comparisons of each arm with the control.

    A run has collapsed if it is worse than `threshold` or its status is "diverged".

    Args:
        table: the runs. All of them count; none is dropped.
        threshold: a share of successes (0 to 1), or a number in the response's own unit if `table` has no counts. None:
            a run collapses by diverging alone, and where none did the result is None.
        alpha: 1 - the level of every interval, and the level of the headline's "more than the control".

    Returns:
        threshold, side ("below" or "above" it runs are worse), alpha.
        headline: `collapsing` (levels with at least one collapsed run, control included), `more_than_control` and
            `less_than_control` (levels whose Holm-adjusted p is below alpha, with that direction).
        arms: level, runs, collapsed, diverged, rate, ci_low, ci_high (Clopper-Pearson), jeffreys_low, jeffreys_high,
            rule_of_three (3 / runs, the 95 % bound when nothing collapsed, otherwise None), in_words.
        cells: levels, runs, collapsed, rate, ci_low, ci_high (Clopper-Pearson).
        comparisons: level, control, rate_difference (arm - control), test ("boschloo", or "fisher" for very large
            arms), p, p_adjusted (Holm over the arms), p_fisher;
            matched: pairs (same block and cell), arm_only, control_only (pairs where just that one collapsed),
            p_mcnemar (exact; pairs independent), p_blocks (exact sign flips of whole blocks; allows dependence within
            a block; equal to McNemar with one pair a block), p_blocks_adjusted (Holm); None without a block;
            mantel_haenszel: odds_ratio, p (exact conditional), p_cmh (chi-square with continuity correction),
            strata (the cells of the other factors); None without other factors;
            firth: log_odds_ratio, se, p, ci_low, ci_high from the model with the arms alone.
        model: the Firth model with the main effects of all factors: rows of factor, level, reference, log_odds_ratio,
            se, p, ci_low, ci_high; empty if no run or every run collapsed.
        sensitivity: the counts at other thresholds, rows of threshold and arms (level -> collapsed); empty without
            counts.
        note: what the tests assume.

        Rates are shares of 1. Two-sided p values throughout. p, p_fisher and firth take runs as independent; p_blocks
        does not.
    """
    collapsed = collapsed_runs(table, threshold)
    if threshold is None and not collapsed.any():
        return None
    comparisons = _comparisons(table, collapsed, alpha)
    arms = _arm_rates(table, collapsed, alpha)
    return {
        "threshold": None if threshold is None else float(threshold),
        "side": "below" if table.higher_is_better else "above",
        "alpha": float(alpha),
        "headline": {
            "collapsing": [arm["level"] for arm in arms if arm["collapsed"]],
            "more_than_control": [
                row["level"] for row in comparisons if row["p_adjusted"] < alpha and row["rate_difference"] > 0
            ],
            "less_than_control": [
                row["level"] for row in comparisons if row["p_adjusted"] < alpha and row["rate_difference"] < 0
            ],
        },
        "arms": arms,
        "cells": _cell_rates(table, collapsed, alpha),
        "comparisons": comparisons,
        "model": _factor_model(table, collapsed, alpha),
        "sensitivity": _sensitivity(table, threshold),
        "note": (
            "p, p_fisher and the Firth model take runs as independent; p_mcnemar takes matched pairs as independent; "
            "p_blocks flips whole blocks and allows any dependence within a block."
        ),
    }


def collapsed_runs(table: RunTable, threshold: float | None) -> np.ndarray:
    """Which runs collapsed, shape (runs,): worse than `threshold` (share of successes, or response) or diverged."""
    diverged = diverged_runs(table)
    if threshold is None:
        return diverged
    level = 100.0 * threshold if table.counts else threshold
    values = table.values(table.scales()[-1])
    return diverged | (values < level if table.higher_is_better else values > level)


def diverged_runs(table: RunTable) -> np.ndarray:
    """Which runs have the status "diverged", shape (runs,); none if the table has no `status`."""
    if "status" not in table.frame:
        return np.zeros(len(table.frame), dtype=bool)
    return (table.frame["status"].astype(str) == "diverged").to_numpy()


def _arm_rates(table: RunTable, collapsed: np.ndarray, alpha: float) -> list[dict[str, Any]]:
    diverged = diverged_runs(table)
    rows = []
    for level in table.levels(table.focus):
        here = (table.frame[table.focus] == level).to_numpy()
        runs, events = int(here.sum()), int(collapsed[here].sum())
        low, high = clopper_pearson(events, runs, alpha)
        jeffreys_low, jeffreys_high = jeffreys(events, runs, alpha)
        rows.append(
            {
                "level": level,
                "runs": runs,
                "collapsed": events,
                "diverged": int(diverged[here].sum()),
                "rate": events / runs,
                "ci_low": low,
                "ci_high": high,
                "jeffreys_low": jeffreys_low,
                "jeffreys_high": jeffreys_high,
                "rule_of_three": min(1.0, 3.0 / runs) if events == 0 else None,
                "in_words": _in_words(events, runs, low, high, alpha),
            }
        )
    return rows


def _in_words(events: int, runs: int, low: float, high: float, alpha: float) -> str:
    if events == 0:
        bound = min(100.0, 300.0 / runs)
        return f"none of {runs} runs: with 95 % confidence the rate is below {bound:.2g} % (rule of three)"
    rate, low, high = 100 * events / runs, 100 * low, 100 * high
    return f"{events} of {runs} runs: {rate:.1f} % ({100 * (1 - alpha):g} % interval {low:.1f} to {high:.1f} %)"


def _cell_rates(table: RunTable, collapsed: np.ndarray, alpha: float) -> list[dict[str, Any]]:
    rows = []
    for levels, counts in _events_by(table, collapsed, table.factors):
        low, high = clopper_pearson(counts[0], counts[1], alpha)
        rows.append(
            {
                "levels": levels,
                "runs": counts[1],
                "collapsed": counts[0],
                "rate": counts[0] / counts[1],
                "ci_low": low,
                "ci_high": high,
            }
        )
    return rows


def _events_by(
    table: RunTable, collapsed: np.ndarray, factors: tuple[str, ...]
) -> list[tuple[dict[str, str], tuple[int, int]]]:
    """(levels, (collapsed, runs)) of each observed combination of the factors' levels, in the order of the levels."""
    frame = table.frame[list(factors)].assign(collapsed=collapsed)
    grouped = frame.groupby(list(factors), observed=True, sort=True)["collapsed"].agg(["sum", "count"])
    rows = []
    for key, (events, runs) in zip(grouped.index, grouped.to_numpy(), strict=True):
        names = key if isinstance(key, tuple) else (key,)
        rows.append(({f: str(v) for f, v in zip(factors, names, strict=True)}, (int(events), int(runs))))
    return rows


def _comparisons(table: RunTable, collapsed: np.ndarray, alpha: float) -> list[dict[str, Any]]:
    counts = {levels[table.focus]: n for levels, n in _events_by(table, collapsed, (table.focus,))}
    firth = _arm_model(table, counts, alpha)
    control_events, control_runs = counts[table.control]
    rows: list[dict[str, Any]] = []
    for position, level in enumerate(table.arms):
        events, runs = counts[level]
        two_by_two = [[events, control_events], [runs - events, control_runs - control_events]]
        p_fisher = float(stats.fisher_exact(two_by_two).pvalue)
        small = (runs + 1) * (control_runs + 1) <= LARGEST_BOSCHLOO_TABLE
        rows.append(
            {
                "level": level,
                "control": table.control,
                "rate_difference": events / runs - control_events / control_runs,
                "test": "boschloo" if small else "fisher",
                "p": _boschloo(two_by_two, p_fisher) if small else p_fisher,
                "p_fisher": p_fisher,
                "matched": _matched(table, collapsed, level),
                "mantel_haenszel": _mantel_haenszel(table, collapsed, level),
                "firth": _firth_row(firth, position + 1),
            }
        )
    for row, adjusted in zip(rows, _holm([row["p"] for row in rows]), strict=True):
        row["p_adjusted"] = adjusted
    matched = [row["matched"] for row in rows if row["matched"] is not None]
    for part, adjusted in zip(matched, _holm([part["p_blocks"] for part in matched]), strict=True):
        part["p_blocks_adjusted"] = adjusted
    return rows


def _boschloo(two_by_two: list[list[int]], p_fisher: float) -> float:
    """Boschloo's exact p; it is never above Fisher's. Columns are the arms."""
    if sum(two_by_two[0]) == 0 or sum(two_by_two[1]) == 0:
        return 1.0
    p = float(stats.boschloo_exact(two_by_two).pvalue)
    return min(p, p_fisher) if math.isfinite(p) else p_fisher


def _holm(p: list[float]) -> list[float]:
    return [float(value) for value in multipletests(p, method="holm")[1]] if p else []


def _matched(table: RunTable, collapsed: np.ndarray, level: str) -> dict[str, Any] | None:
    """Compare the arm with the control in the same block and cell; pairs with a missing run are left out."""
    if table.block is None:
        return None
    keys = [table.block, *table.other_factors]
    frame = table.frame[keys].assign(arm=table.frame[table.focus].astype(str), collapsed=collapsed.astype(int))
    wide = frame.pivot(index=keys, columns="arm", values="collapsed")[[level, table.control]].dropna()
    difference = (wide[level] - wide[table.control]).astype(int)
    arm_only, control_only = int((difference > 0).sum()), int((difference < 0).sum())
    by_block = difference.groupby(level=0).sum().to_numpy()
    return {
        "pairs": len(wide),
        "arm_only": arm_only,
        "control_only": control_only,
        "p_mcnemar": mcnemar_exact(arm_only, control_only),
        "p_blocks": sign_flip_of_counts(by_block),
    }


def _mantel_haenszel(table: RunTable, collapsed: np.ndarray, level: str) -> dict[str, Any] | None:
    """Arm against control within the cells of the other factors."""
    if not table.other_factors:
        return None
    counts = {tuple(levels.values()): n for levels, n in _events_by(table, collapsed, table.factors)}
    strata = [
        (*counts[(level, *cell)], *counts[(table.control, *cell)])
        for cell in dict.fromkeys(key[1:] for key in counts)
        if (level, *cell) in counts and (table.control, *cell) in counts
    ]
    return {**asdict(mantel_haenszel(*np.array(strata).T)), "strata": len(strata)}


def _arm_model(table: RunTable, counts: dict[str, tuple[int, int]], alpha: float) -> FirthFit:
    levels = (table.control, *table.arms)
    design = np.eye(len(levels))
    design[:, 0] = 1.0
    pairs = np.array([counts[level] for level in levels])
    return firth_logistic(design, pairs[:, 0], pairs[:, 1], alpha)


def _factor_model(table: RunTable, collapsed: np.ndarray, alpha: float) -> list[dict[str, Any]]:
    if not collapsed.any() or collapsed.all():
        return []
    cells = _events_by(table, collapsed, table.factors)
    columns, names = [np.ones(len(cells))], []
    for factor in table.factors:
        reference = table.control if factor == table.focus else table.levels(factor)[0]
        for level in table.levels(factor):
            if level != reference:
                columns.append(np.array([float(levels[factor] == level) for levels, _ in cells]))
                names.append({"factor": factor, "level": level, "reference": reference})
    pairs = np.array([counts for _, counts in cells])
    design = np.column_stack(columns)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return []
    fit = firth_logistic(design, pairs[:, 0], pairs[:, 1], alpha)
    return [{**name, **_firth_row(fit, position + 1)} for position, name in enumerate(names)]


def _firth_row(fit: FirthFit, column: int) -> dict[str, float | None]:
    return {
        "log_odds_ratio": float(fit.coefficients[column]),
        "se": float(fit.se[column]),
        "p": float(fit.p[column]),
        "ci_low": _finite(fit.ci_low[column]),
        "ci_high": _finite(fit.ci_high[column]),
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _sensitivity(table: RunTable, threshold: float | None) -> list[dict[str, Any]]:
    """Counts with the allowed share of errors times 5, 2, 1, 1/2 and 1/5."""
    if not table.counts or threshold is None:
        return []
    rows = []
    for factor in (5.0, 2.0, 1.0, 0.5, 0.2):
        other = round(1.0 - (1.0 - threshold) * factor, 12)
        if not 0.0 < other < 1.0:
            continue
        collapsed = pd.Series(collapsed_runs(table, other), index=table.frame.index)
        by_arm = collapsed.groupby(table.frame[table.focus], observed=True).sum()
        rows.append(
            {
                "threshold": other,
                "arms": {level: int(by_arm[level]) for level in table.levels(table.focus)},
            }
        )
    return rows
