"""How much is luck: what a few runs would have shown, given what many runs show."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from study.stats.effects.contrasts import Effect, compare_with_control
from study.stats.effects.power import power_of_t, seeds_needed
from study.stats.effects.probability_of_improvement import probability_better
from study.stats.layout import OutcomeGrid, block_means, outcome_grid
from study.stats.luck.best_of_k import expected_best
from study.stats.luck.stochastic_order import almost_stochastic_order
from study.stats.luck.variance_shares import variance_shares
from study.stats.table import RunTable

FEW = (1, 3, 5)
POWER = 0.8
MOST_PAIRS = 1_000_000  # more pairs of runs than these are sampled, not listed
NEAR_PP = 1.0  # a run this close to the control's mean did not fail, whatever the margin


def luck(
    table: RunTable,
    margin: float,
    rng: np.random.Generator,
    *,
    pooled: RunTable | None = None,
    alpha: float = 0.05,
    replicates: int = 1000,
) -> dict[str, Any]:
    """What chance could have done to someone with fewer runs; everything is on the deciding scale.

    Args:
        table: the runs that finished, in every cell.
        margin: smallest difference that matters, in the scale's unit; 0: none.
        rng: draws every resample.
        pooled: the runs that the variance shares are of; all by default.
        alpha: 1 - the level of intervals; shared by the arms where stated.
        replicates: resamples behind an interval, and a fourth of the draws behind each `data` of several runs.

    Returns:
        paired (False: no block, runs are independent and differences are between random runs of one cell), blocks,
        unit ("pp" or "response"), margin, alpha, variance_shares (see there).
        contrasts: one a level; one replicate is one run of the arm and one of the control in one cell, of one block
        where there is one:
          level, control;
          cells: rows {levels, estimate (of the cell itself), sd_difference, replicates, wrong_way, false_headline};
          wrong_way: rows {runs, model, lowest, highest, data}: the chance that the mean difference of that many
            replicates has the sign opposite to the cell's own effect, averaged over the cells, and in the cells where
            it is lowest and highest (not in `cells`); model Phi(-|estimate| / sd sqrt(runs)); data: the share among
            the replicates there are, or resampled ones for several, ties half;
          false_headline: rows {runs, model, data}: chance of a difference beyond the margin, either way, if there were
            no effect; None without margin;
          one_run_each: wrong_way (model, for one run; None without a spread), lowest_cell and highest_cell {cell,
            wrong_way}, lowest_run, highest_run (of the arm, worst and best values), near_control {runs, of, within}:
            how many of its runs are no further than `within` below their cell's mean of the control;
          better: P(arm better than control) for single runs, the fields of `Improvement`;
          matters: the probability that the true average effect is better than the margin; None without se;
          almost_stochastic_order: of block means: arm_over_control and control_over_arm, each violation, eps_min, level
            (alpha / arms spent), see `almost_stochastic_order`;
          seeds_enough: grid, cell: seeds that find the average effect with a probability of 80 % at alpha / arms, were
            it the true one (None beyond 100,000 or without an estimate): an underestimate when the estimate is lucky.
        best_of_k: unit, runs (K, the smallest cell's), arms: rows {level, expected (list for k = 1 ... K, mean over
          cells of the expected best of k runs)}.
    """
    grid = outcome_grid(table, table.values(table.scale))
    setting = _Setting(table, margin, alpha, replicates, rng)
    unit = "pp" if table.counts else "response"
    overall = compare_with_control(table, alpha=alpha)
    return {
        "paired": grid.paired,
        "blocks": len(grid.blocks) if grid.paired else None,
        "unit": unit,
        "margin": margin,
        "alpha": alpha,
        "variance_shares": _shares(pooled or table, setting),
        "contrasts": [_contrast(arm, grid, effect, setting) for arm, effect in enumerate(overall, start=1)],
        "best_of_k": _best_of_k(grid, unit, table.higher_is_better),
    }


@dataclass(frozen=True)
class _Setting:
    table: RunTable
    margin: float
    alpha: float
    replicates: int
    rng: np.random.Generator

    @property
    def up(self) -> float:
        """1 where higher is better, else -1."""
        return 1.0 if self.table.higher_is_better else -1.0


@dataclass(frozen=True)
class _Replicates:
    """Replicates of one comparison: (differences,) if paired, else (values of the arm, values of the control)."""

    part: tuple[np.ndarray, ...]

    @property
    def estimate(self) -> float:
        """The mean difference."""
        return float(self.part[0].mean() - (self.part[1].mean() if len(self.part) > 1 else 0.0))

    @property
    def size(self) -> int:
        return min(len(side) for side in self.part)

    @property
    def variance(self) -> float:
        """Of one replicate's difference."""
        return float(sum(side.var(ddof=1) for side in self.part)) if self.size > 1 else float("nan")

    def means(self, runs: int, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Mean differences of `runs` replicates: each pair there is for one replicate, else resampled."""
        if runs == 1 and len(self.part) == 1:
            return self.part[0]
        if runs == 1 and len(self.part[0]) * len(self.part[1]) <= MOST_PAIRS:
            return np.subtract.outer(*self.part).ravel()
        sides = [side[rng.integers(len(side), size=(draws, runs))].mean(axis=1) for side in self.part]
        return sides[0] if len(sides) == 1 else sides[0] - sides[1]


def _shares(table: RunTable, setting: _Setting) -> dict[str, Any] | None:
    grid = outcome_grid(table, table.values(table.scale))
    factors, shape, block = table.factors, table.shape, table.block
    return variance_shares(grid, factors, shape, block, setting.rng, setting.replicates, setting.alpha)


def _contrast(arm: int, grid: OutcomeGrid, overall: Effect, setting: _Setting) -> dict[str, Any]:
    parts = [part if part.size else None for part in _cell_replicates(grid, arm)]
    most = max((part.size for part in parts if part), default=0)
    counts = sorted({*(k for k in FEW if k <= most), most} - {0})
    cells = [
        {"levels": levels, **_chances(part, counts, setting)}
        for levels, part in zip(grid.cells, parts, strict=True)
        if part is not None
    ]
    values = [setting.up * grid.values[a] for a in (arm, 0)]
    block_values = [block_means(side) for side in values]
    wrong_way = [_over_cells(cells, "wrong_way", i) for i in range(len(counts))]
    headlines = [_over_cells(cells, "false_headline", i) for i in range(len(counts))] if setting.margin > 0 else None
    return {
        "level": overall.level,
        "control": overall.control,
        "cells": cells,
        "wrong_way": wrong_way,
        "false_headline": headlines,
        "one_run_each": _one_run_each(cells, values, setting),
        "better": _better(values, grid.paired, setting),
        "matters": _matters(overall, setting),
        "almost_stochastic_order": _stochastic_order(block_values, grid.paired, setting),
        "seeds_enough": {
            "grid": _seeds_enough(overall, [_block_replicates(grid, arm)], grid.paired, setting),
            "cell": _seeds_enough(overall, [part for part in parts if part], grid.paired, setting),
        },
    }


def _chances(part: _Replicates, counts: list[int], setting: _Setting) -> dict[str, Any]:
    """What one, three, five or all replicates of a cell would show."""
    counts = [min(runs, part.size) for runs in counts]
    return {
        "estimate": part.estimate,
        "sd_difference": float(np.sqrt(part.variance)) if part.size > 1 else None,
        "replicates": part.size,
        "wrong_way": [_wrong_way(part, runs, setting) for runs in counts],
        "false_headline": [_false_headline(part, runs, setting) for runs in counts] if setting.margin > 0 else None,
    }


def _wrong_way(part: _Replicates, runs: int, setting: _Setting) -> dict[str, Any]:
    sign = 1.0 if part.estimate >= 0 else -1.0
    means = sign * part.means(runs, 4 * setting.replicates, setting.rng)
    data = float((means < 0).mean() + 0.5 * (means == 0).mean())
    model: float | None = None
    if part.size > 1:
        sd, effect = float(np.sqrt(part.variance)), abs(part.estimate)
        model = float(special.ndtr(-effect / sd * np.sqrt(runs))) if sd > 0 else 0.0 if effect > 0 else 0.5
    return {"runs": runs, "model": model, "data": data}


def _false_headline(part: _Replicates, runs: int, setting: _Setting) -> dict[str, Any]:
    """Differences centred on their own mean, so that there is no effect."""
    centred = _Replicates(tuple(side - side.mean() for side in part.part))
    data = float((np.abs(centred.means(runs, 4 * setting.replicates, setting.rng)) > setting.margin).mean())
    model: float | None = None
    if part.size > 1:
        sd = float(np.sqrt(part.variance / runs))
        model = float(2 * special.ndtr(-setting.margin / sd)) if sd > 0 else 0.0
    return {"runs": runs, "model": model, "data": data}


def _over_cells(cells: list[dict[str, Any]], kind: str, position: int) -> dict[str, Any]:
    """The chances of all cells with so many runs: their average, and for a wrong sign the lowest and the highest."""
    rows = [cell[kind][position] for cell in cells]
    known = [row["model"] for row in rows if row["model"] is not None]
    ends = {"lowest": min(known, default=None), "highest": max(known, default=None)} if kind == "wrong_way" else {}
    return {
        "runs": max(row["runs"] for row in rows),
        "model": float(np.mean(known)) if known else None,
        **ends,
        "data": float(np.mean([row["data"] for row in rows])),
    }


def _one_run_each(cells: list[dict[str, Any]], values: list[np.ndarray], setting: _Setting) -> dict[str, Any]:
    """What one run of an arm and one of the control may show; `values` of both, (cells, blocks), up is better."""
    chances = [(cell["levels"], cell["wrong_way"][0]["model"]) for cell in cells]
    known = sorted(((levels, chance) for levels, chance in chances if chance is not None), key=lambda pair: pair[1])
    ends = [{"cell": levels, "wrong_way": chance} for levels, chance in known]
    arm, control = values
    runs = arm[np.isfinite(arm)]
    return {
        "wrong_way": float(np.mean([chance for _, chance in known])) if known else None,
        "lowest_cell": ends[0] if ends else None,
        "highest_cell": ends[-1] if ends else None,
        "lowest_run": setting.up * float(runs.min()) if len(runs) else None,
        "highest_run": setting.up * float(runs.max()) if len(runs) else None,
        "near_control": _near_control(arm, control, setting),
    }


def _near_control(arm: np.ndarray, control: np.ndarray, setting: _Setting) -> dict[str, Any] | None:
    both = np.isfinite(arm).any(axis=1) & np.isfinite(control).any(axis=1)
    if not both.any():
        return None
    means = np.nanmean(control[both], axis=1, keepdims=True)
    within = max(setting.margin, NEAR_PP) if setting.table.counts else setting.margin
    if not within:
        spread = control[both] - means
        within = float(np.sqrt(np.nanmean(spread**2)))
    runs = arm[both]
    present = np.isfinite(runs)
    return {"runs": int((runs - means > -within)[present].sum()), "of": int(present.sum()), "within": within}


def _block_replicates(grid: OutcomeGrid, arm: int) -> _Replicates:
    if grid.paired:
        means = grid.block_differences(arm)
        return _Replicates((means[~np.isnan(means)],))
    one, other = (block_means(grid.values[a]) for a in (arm, 0))
    return _Replicates((one[~np.isnan(one)], other[~np.isnan(other)]))


def _cell_replicates(grid: OutcomeGrid, arm: int) -> list[_Replicates]:
    if grid.paired:
        return [_Replicates((row[~np.isnan(row)],)) for row in grid.differences(arm)]
    pairs = zip(grid.values[arm], grid.values[0], strict=True)
    return [_Replicates((one[~np.isnan(one)], other[~np.isnan(other)])) for one, other in pairs]


def _better(values: list[np.ndarray], paired: bool, setting: _Setting) -> dict[str, Any]:
    arm, control = values
    return asdict(
        probability_better(arm, control, setting.rng, paired=paired, alpha=setting.alpha, replicates=setting.replicates)
    )


def _matters(effect: Effect, setting: _Setting) -> float | None:
    """The posterior probability that the effect is better than the margin: given the data it is estimate + se * t_df.

    That is so under the Jeffreys prior p(mean, sd) ~ 1 / sd of a paired t test (Benavoli et al. 2017, with correlation
    0; the margin is the end of their region of practical equivalence).
    """
    if effect.estimate is None or effect.se is None or effect.df is None:
        return None
    beyond = setting.margin - setting.up * effect.estimate
    return float(stats.t.sf(beyond / effect.se, effect.df)) if effect.se > 0.0 else float(beyond < 0.0)


def _stochastic_order(values: list[np.ndarray], paired: bool, setting: _Setting) -> dict[str, Any]:
    if paired:
        both = ~np.isnan(values[0]) & ~np.isnan(values[1])
        arm, control = values[0][both], values[1][both]
    else:
        arm, control = (side[~np.isnan(side)] for side in values)
    return {
        name: asdict(
            almost_stochastic_order(
                one,
                other,
                setting.rng,
                paired=paired,
                comparisons=len(setting.table.arms),
                alpha=setting.alpha,
                replicates=setting.replicates,
            )
        )
        for name, one, other in (("arm_over_control", arm, control), ("control_over_arm", control, arm))
    }


def _seeds_enough(effect: Effect, parts: list[_Replicates], paired: bool, setting: _Setting) -> int | None:
    variances = [part.variance for part in parts if part.size > 1]
    sd = float(np.sqrt(np.mean(variances))) if variances else 0.0
    if not sd or not effect.estimate:
        return None
    estimate, alpha = effect.estimate, setting.alpha / len(setting.table.arms)
    return seeds_needed(lambda n: power_of_t(estimate, sd, n, alpha, paired), POWER)


def _best_of_k(grid: OutcomeGrid, unit: str, higher: bool) -> dict[str, Any]:
    runs = int((~np.isnan(grid.values)).sum(axis=2).min())
    orientation = 1.0 if higher else -1.0
    curves = []
    for arm in grid.values:
        cells = [orientation * expected_best(orientation * row[~np.isnan(row)])[:runs] for row in arm]
        curves.append(np.mean(cells, axis=0))
    return {
        "unit": unit,
        "runs": runs,
        "arms": [
            {"level": level, "expected": [float(value) for value in curve]}
            for level, curve in zip(grid.arms, curves, strict=True)
        ],
    }
