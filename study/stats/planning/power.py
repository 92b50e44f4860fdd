"""How many seeds: what a planned study can detect, and how many seeds a given effect needs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special

from study.errors import StudyError
from study.stats.effects.power import detectable_effect, power_of_equivalence, power_of_t, sd_interval, seeds_needed
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
            than Holm does.
        alpha: two-sided level of the family of contrasts; also the level of the equivalence test.
        power: the wanted probability of finding a real effect.
        looks: the numbers of seeds at which a sequential design looks, the last its budget; (): a fixed design alone.
    """

    seeds: int = 20
    margin: float = 0.1
    effects: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3)
    contrasts: int = 4
    alpha: float = 0.05
    power: float = 0.8
    looks: tuple[int, ...] = ()


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
    variance = 2.0 * (run_sd**2 + 1.0 / (trials * error_rate * (1 - error_rate)))
    to_pp = 100.0 * error_rate * (1 - error_rate)
    parts = {
        name: _part(_Spread(np.sqrt(v), np.sqrt(v) * to_pp, None), _Unit(error_rate), target, True)
        for name, v in (("main", variance / cells), ("cell", variance))
    }
    return {
        **_head("assumption", "pp", target, True, cells),
        "error_rate": error_rate,
        "trials": trials,
        "run_sd": run_sd,
        **parts,
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
          sd_difference (of one seed's difference, on log odds or the response's unit), df, sd_low, sd_high (chi-square
          interval at 95 %), detectable {effect, low, high} with the planned seeds in `unit`, seeds_for: rows {effect,
          seeds, low, high}, equivalence {margin, seeds, low, high, power_at_planned}: seeds to show that two equal
          arms differ by less than the margin (TOST, power at a true difference of 0); None without margin; sequential:
          rows {effect, expected, median, q90, settled}, the seeds that a sequential design spends on a contrast (see
          `stopping`), for no difference and for each effect; None without looks or pairs.
        low and high carry the pilot's uncertainty about sd. `seeds` is None beyond 100,000. The variance is the mean
        over arms, with blocks - 1 degrees of freedom (the arms share the control, so they do not add up).

        With counts, effects in pp are improvements on the control's error rate, tested on log odds; equivalence is
        tested in pp.

    Raises:
        StudyError: no variance can be estimated.
    """
    first = outcome_grid(table, table.values(table.scales()[0]))
    last = outcome_grid(table, table.values(table.scales()[-1]))
    error_rate = None
    if table.counts:
        control = (table.frame[table.focus] == table.control).to_numpy()
        successes = table.frame[table.successes].to_numpy()[control]
        trials = table.frame[table.trials].to_numpy()[control]
        error_rate = float((trials.sum() - successes.sum() + 0.5) / (trials.sum() + 1))
    parts = {}
    for name, spread in (("main", _main_spread), ("cell", _cell_spread)):
        variance, df = spread(first)
        in_unit, _ = spread(last)
        parts[name] = _part(_Spread(np.sqrt(variance), np.sqrt(in_unit), df), _Unit(error_rate), target, first.paired)
    return {
        **_head("pilot", "pp" if table.counts else "response", target, first.paired, len(first.cells)),
        "error_rate": error_rate,
        "trials": int(np.median(table.frame[table.trials])) if table.counts else None,
        "run_sd": None,
        **parts,
    }


@dataclass(frozen=True)
class _Spread:
    """Standard deviation of one seed's difference on the scale of the test, in the unit of effects, and its df."""

    sd: float
    sd_in_unit: float
    df: float | None


@dataclass(frozen=True)
class _Unit:
    """Effects in pp, improvements on an error rate tested on log odds of error; without a rate, the response's unit."""

    error_rate: float | None

    def to_test(self, effect: float) -> float | None:
        """The effect on the scale of the test; None if there are not that many errors to remove."""
        if self.error_rate is None:
            return effect
        left = self.error_rate - effect / 100.0
        return float(special.logit(self.error_rate) - special.logit(left)) if left > 0.0 else None

    def of_test(self, difference: float) -> float:
        """The effect, in the unit, that a difference on the scale of the test stands for."""
        if self.error_rate is None:
            return difference
        return float(100.0 * (self.error_rate - special.expit(special.logit(self.error_rate) - difference)))


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


def _part(spread: _Spread, unit: _Unit, target: PlanningTarget, paired: bool) -> dict[str, Any]:
    alpha = target.alpha / target.contrasts
    low: float | None = None
    high: float | None = None
    if spread.df is not None and spread.sd > 0:
        low, high = (end / spread.sd for end in sd_interval(spread.sd, spread.df))

    def with_interval(name: str, function: Callable[[float], Any]) -> dict[str, Any]:
        """`function` of the factor by which the sd is multiplied: at the estimate and at the ends of its interval."""
        return {
            name: function(1.0),
            "low": None if low is None else function(low),
            "high": None if high is None else function(high),
        }

    def seeds_for(effect: float) -> dict[str, Any]:
        difference = unit.to_test(effect)

        def needed(factor: float) -> int | None:
            if difference is None:
                return None
            sd = spread.sd * factor
            return seeds_needed(lambda n: power_of_t(difference, sd, n, alpha, paired), target.power) if sd > 0 else 2

        return {"effect": effect, **with_interval("seeds", needed)}

    def seeds_to_equate(factor: float) -> int | None:
        sd = spread.sd_in_unit * factor
        return seeds_needed(lambda n: power_of_equivalence(target.margin, sd, n, target.alpha, paired), target.power)

    def equivalence() -> dict[str, Any]:
        planned = power_of_equivalence(target.margin, spread.sd_in_unit, target.seeds, target.alpha, paired)
        return {"margin": target.margin, **with_interval("seeds", seeds_to_equate), "power_at_planned": planned}

    def sequential(effect: float) -> dict[str, Any]:
        found = stopping(effect, spread.sd_in_unit, target.margin, target.looks, target.alpha, target.contrasts)
        return {"effect": effect, **asdict(found)}

    def detectable(factor: float) -> float:
        return unit.of_test(detectable_effect(spread.sd * factor, target.seeds, alpha, target.power, paired))

    return {
        "sd_difference": float(spread.sd),
        "df": spread.df,
        "sd_low": None if low is None else float(spread.sd * low),
        "sd_high": None if high is None else float(spread.sd * high),
        "detectable": with_interval("effect", detectable),
        "seeds_for": [seeds_for(effect) for effect in target.effects],
        "equivalence": equivalence() if target.margin > 0 else None,
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
