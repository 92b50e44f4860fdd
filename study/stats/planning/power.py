"""How many seeds: what a planned study can detect, and how many seeds a given effect needs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from study.errors import StudyError
from study.stats.effects.power import (
    detectable_effect,
    power_of_equivalence,
    power_of_settling,
    power_of_t,
    sd_interval,
    seeds_needed,
)
from study.stats.layout import OutcomeGrid, outcome_grid
from study.stats.sequential.power import stopping
from study.stats.table import RunTable


@dataclass(frozen=True)
class PlanningTarget:
    """What a study is planned for.

    Attributes:
        seeds: planned seeds (blocks).
        margin: the smallest effect that matters, in percentage points (pp), or the response's unit; 0: none.
        effects: effects to be told the seeds for, same unit.
        contrasts: how many arms are compared with the control; alpha is shared by Bonferroni, a little more strictly
            than the analysis does.
        alpha: two-sided level of the family of contrasts.
        power: the wanted probability of finding a real effect.
        looks: the numbers of seeds at which a sequential design looks, the last its budget; (): a fixed design alone.
        stop: when it gives a contrast no more seeds, see `study.stats.effects.labels.settled`.
    """

    seeds: int = 20
    margin: float = 0.1
    effects: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3)
    contrasts: int = 4
    alpha: float = 0.05
    power: float = 0.8
    looks: tuple[int, ...] = ()
    stop: str = "settled"


def plan_from_assumptions(
    run_sd: float, error_rate: float, trials: int, cells: int, target: PlanningTarget
) -> dict[str, Any]:
    """Plan a study of paired runs without data.

    Args:
        run_sd: standard deviation between runs of true quality, on log odds of error, beyond the block's own.
        error_rate: the control's share of errors (0 to 1).
        trials: test images; their binomial noise, 1 / (trials p (1 - p)) on log odds, is added to the run's variance.
        cells: combinations of the other factors, over which a main contrast averages.
        target: what is planned for.

    Returns:
        As `plan_from_pilot`, with `source` "assumption" and no uncertainty (the low and high fields are None).
    """
    slope = error_rate * (1 - error_rate)  # of the error rate in its log odds
    variance = 2.0 * (100.0 * slope) ** 2 * (run_sd**2 + 1.0 / (trials * slope))
    return {
        **_head("assumption", "pp", target, True, cells),
        "error_rate": error_rate,
        "trials": trials,
        "run_sd": run_sd,
        "main": _part(np.sqrt(variance / cells), None, target, True, error_rate),
        "cell": _part(np.sqrt(variance), None, target, True, error_rate),
    }


def plan_from_pilot(table: RunTable, target: PlanningTarget) -> dict[str, Any]:
    """Plan from a pilot's variances, with their uncertainty.

    Args:
        table: the pilot's runs; needs at least two seeds. All runs count, collapsed ones too.
        target: what is planned for.

    Returns:
        source ("pilot"), unit ("pp" or "response"), paired, alpha, contrasts, alpha_per_contrast, power,
        planned_seeds, cells, margin, error_rate (the control's; None without counts), trials, run_sd (None);
        main (contrast averaged over the cells of the other factors) and cell (contrast in one cell), each:
          sd_difference (of one seed's difference, in the unit), df, sd_low, sd_high (chi-square interval at 95 %),
          detectable {effect, low, high} with the planned seeds; seeds_for: rows {effect, seeds, low, high, settled},
          the seeds whose interval excludes 0, and those that settle the contrast against the margin (None without
          one); equivalence {margin, seeds, low, high, power_at_planned}: seeds whose interval lies inside the margin
          when the true difference is 0; None without margin; sequential: rows {effect, expected, median, q90,
          settled}, the seeds that a sequential design spends on a contrast (see `stopping`), for no difference and for
          each effect; None without looks or pairs.
        low and high carry the pilot's uncertainty about sd. `seeds` is None beyond 100,000, or for more improvement
        than there are errors. The variance is the mean over arms, with blocks - 1 degrees of freedom (the arms share
        the control, so they do not add up).

    Raises:
        StudyError: no variance can be estimated.
    """
    grid = outcome_grid(table, table.values(table.scale))
    error_rate = None
    if table.counts:
        control = (table.frame[table.focus] == table.control).to_numpy()
        successes = table.frame[table.successes].to_numpy()[control]
        trials = table.frame[table.trials].to_numpy()[control]
        error_rate = float((trials.sum() - successes.sum() + 0.5) / (trials.sum() + 1))
    parts = {}
    for name, spread in (("main", _main_spread), ("cell", _cell_spread)):
        variance, df = spread(grid)
        parts[name] = _part(float(np.sqrt(variance)), df, target, grid.paired, error_rate)
    return {
        **_head("pilot", table.scale, target, grid.paired, len(grid.cells)),
        "error_rate": error_rate,
        "trials": int(np.median(table.frame[table.trials])) if table.counts else None,
        "run_sd": None,
        **parts,
    }


def _head(source: str, unit: str, target: PlanningTarget, paired: bool, cells: int) -> dict[str, Any]:
    return {
        "source": source,
        "unit": unit,
        "paired": paired,
        "alpha": target.alpha,
        "contrasts": target.contrasts,
        "alpha_per_contrast": target.alpha / target.contrasts,
        "power": target.power,
        "planned_seeds": target.seeds,
        "cells": cells,
        "margin": target.margin,
        "looks": list(target.looks),
    }


def _part(
    sd: float, df: float | None, target: PlanningTarget, paired: bool, error_rate: float | None
) -> dict[str, Any]:
    alpha, margin, wanted = target.alpha / target.contrasts, target.margin, target.power
    low, high = sd_interval(sd, df) if df is not None and sd > 0 else (None, None)

    def with_interval(name: str, function: Callable[[float], Any]) -> dict[str, Any]:
        """`function` of the sd, at its estimate and at the ends of its interval."""
        return {
            name: function(sd),
            "low": None if low is None else function(low),
            "high": None if high is None else function(high),
        }

    def seeds_for(effect: float) -> dict[str, Any]:
        row: dict[str, Any] = {"effect": effect}
        if error_rate is not None and effect >= 100.0 * error_rate:
            return row | dict.fromkeys(("seeds", "low", "high", "settled"))
        settled = None
        if margin > 0:
            settled = seeds_needed(lambda n: power_of_settling(effect, sd, n, alpha, margin, paired), wanted)
        found = with_interval(
            "seeds", lambda s: seeds_needed(lambda n: power_of_t(effect, s, n, alpha, paired), wanted)
        )
        return row | found | {"settled": settled}

    def equivalence() -> dict[str, Any]:
        def needed(s: float) -> int | None:
            return seeds_needed(lambda n: power_of_equivalence(margin, s, n, alpha, paired), wanted)

        planned = power_of_equivalence(margin, sd, target.seeds, alpha, paired)
        return {"margin": margin, **with_interval("seeds", needed), "power_at_planned": planned}

    def sequential(effect: float) -> dict[str, Any]:
        found = stopping(effect, sd, margin, target.looks, target.alpha, target.contrasts, target.stop)
        return {"effect": effect, **asdict(found)}

    return {
        "sd_difference": sd,
        "df": df,
        "sd_low": low,
        "sd_high": high,
        "detectable": with_interval("effect", lambda s: detectable_effect(s, target.seeds, alpha, wanted, paired)),
        "seeds_for": [seeds_for(effect) for effect in target.effects],
        "equivalence": equivalence() if margin > 0 else None,
        "sequential": [sequential(effect) for effect in (0.0, *target.effects)] if target.looks and paired else None,
    }


def _main_spread(grid: OutcomeGrid) -> tuple[float, float]:
    """Variance of one seed's difference averaged over the cells, mean over arms, and its df."""
    if not grid.paired:
        variance, df = _cell_spread(grid)
        return variance / len(grid.cells), df
    effects = np.array([grid.block_differences(arm) for arm in range(1, len(grid.arms))])
    variance, _ = _mean_variance(effects)
    return variance, float((~np.isnan(effects)).sum(axis=1).max() - 1)


def _cell_spread(grid: OutcomeGrid) -> tuple[float, float]:
    """Variance of one seed's difference in one cell, mean over arms and cells, and its df."""
    if grid.paired:
        differences = grid.values[1:] - grid.values[0]
        variance, _ = _mean_variance(differences.reshape(-1, differences.shape[2]))
        return variance, float((~np.isnan(differences)).sum(axis=2).max() - 1)
    control, df_control = _mean_variance(grid.values[0])
    arms = [_mean_variance(arm) for arm in grid.values[1:]]
    return control + float(np.mean([v for v, _ in arms])), float(df_control + min(df for _, df in arms))


def _mean_variance(samples: np.ndarray) -> tuple[float, int]:
    """Mean of the samples' variances, and their degrees of freedom together; rows (samples, values), NaN left out.

    Raises:
        StudyError: no sample has two values.
    """
    df = (~np.isnan(samples)).sum(axis=1) - 1
    if not (df > 0).any():
        raise StudyError("the pilot has no two runs that differ by chance alone; a variance needs at least two seeds")
    return float(np.nanvar(samples[df > 0], axis=1, ddof=1).mean()), int(df[df > 0].sum())
