"""How much is luck: what a few runs would have shown, given what many runs show."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from study.stats.effects.contrasts import Effect, cell_parts, compare_with_control, effects
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


def luck(
    table: RunTable,
    margin: float,
    rng: np.random.Generator,
    *,
    alpha: float = 0.05,
    replicates: int = 1000,
) -> dict[str, Any]:
    """What chance could have done to someone with fewer runs.

    Args:
        table: the runs; all of them count, collapsed ones too.
        margin: smallest difference that matters, in percentage points (pp) for counts, else in the response's unit;
            0: none.
        rng: draws every resample.
        alpha: 1 - the level of intervals; shared by the arms where stated.
        replicates: resamples behind an interval, and a fourth of the draws behind each `data` of several runs.

    Returns:
        paired (False: no block, runs are independent and differences are between random runs of one cell), blocks,
        unit ("pp" or "response"), margin, alpha.
        variance_shares: scale -> result of `variance_shares`, for each of the table's scales.
        contrasts: one a level:
          level, control;
          grid (a replicate is a whole block: every cell once), single_run (a replicate is one run of the arm and one of
          the control in the same block and cell; mean over cells) and cells (rows with `levels`, the same for one cell
          with its own effect), each:
            scale, estimate, sd_difference (of one replicate), replicates (how many there are),
            wrong_way: rows {runs, model, low, high, data}: the chance that the mean difference of that many replicates
              has the sign opposite to `estimate`; model Phi(-|estimate| / sd sqrt(runs)), low and high from the
              estimate's t interval; data: the share among resampled replicates (exact for one), ties half;
            false_headline: rows {runs, model, data}: chance of a difference beyond the margin, either way, if there
              were no effect; None without margin;
            better (not in cells): P(arm better than control), the fields of `Improvement`;
          matters: the probability that the true effect is better than the margin, on the last scale; None without se;
          almost_stochastic_order: of block means: arm_over_control and control_over_arm, each violation, eps_min, level
            (alpha / arms spent), see `almost_stochastic_order`;
          seeds_enough: grid, cell: seeds that find the estimate with a probability of 80 % at alpha / arms, were it the
            true effect (None beyond 100,000 or without an estimate): an underestimate when the estimate is lucky.
        best_of_k: unit, runs (K, the smallest cell's), arms: rows {level, expected (list for k = 1 ... K, mean over
          cells of the expected best of k runs)}.

        Effects, sd and the model's chances are on the table's first scale (log odds of error for counts: negative is
        better); false_headline, better, almost_stochastic_order and best_of_k on its last (pp). A block that lacks some
        cells is represented by those it has, corrected for the cells' means.
    """
    first, last = table.scales()[0], table.scales()[-1]
    grids = {scale: outcome_grid(table, table.values(scale)) for scale in table.scales()}
    grid = grids[first]
    higher = table.higher_is_better
    whole = {s: compare_with_control(table, s, alpha=alpha) for s in table.scales()}
    inside = effects(table, cell_parts(table), first, alpha=alpha)
    setting = _Setting(margin, alpha, higher, replicates, len(table.arms), rng)
    contrasts = []
    for arm, level in enumerate(table.arms, start=1):
        per_cell = [effect for effect in inside if effect.level == level]
        overall = whole[first][arm - 1], whole[last][arm - 1]
        contrasts.append(_contrast(arm, grid, grids[last], overall, per_cell, setting))
    return {
        "paired": grid.paired,
        "blocks": len(grid.blocks) if grid.paired else None,
        "unit": "pp" if table.counts else "response",
        "margin": margin,
        "alpha": alpha,
        "variance_shares": {
            scale: variance_shares(found, table.factors, table.shape, table.block, rng, replicates, alpha)
            for scale, found in grids.items()
        },
        "contrasts": contrasts,
        "best_of_k": _best_of_k(grids[last], "pp" if table.counts else "response", higher),
    }


@dataclass(frozen=True)
class _Setting:
    margin: float
    alpha: float
    higher: bool
    replicates: int
    arms: int
    rng: np.random.Generator


@dataclass(frozen=True)
class _Replicates:
    """Replicates of one comparison: (differences,) if paired, else (values of the arm, values of the control)."""

    part: tuple[np.ndarray, ...]

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


def _contrast(
    arm: int,
    grid: OutcomeGrid,
    last: OutcomeGrid,
    effects: tuple[Effect, Effect],
    per_cell: Sequence[Effect],
    setting: _Setting,
) -> dict[str, Any]:
    """`effects` are those over all cells, on the first scale and on the last."""
    overall, in_unit = effects
    blocks, blocks_last = _block_replicates(grid, arm), _block_replicates(last, arm)
    cells, cells_last = _cell_replicates(grid, arm), _cell_replicates(last, arm)
    orientation = 1.0 if setting.higher else -1.0
    block_values = [orientation * block_means(last.values[a]) for a in (arm, 0)]
    cell_values = [orientation * last.values[a] for a in (arm, 0)]
    rows: dict[str, Any] = {
        "grid": {
            **_chances(overall, [blocks], [blocks_last], setting),
            "better": _better(block_values[0][None], block_values[1][None], grid.paired, setting),
        },
        "single_run": {
            **_chances(overall, cells, cells_last, setting),
            "better": _better(cell_values[0], cell_values[1], grid.paired, setting),
        },
        "cells": [
            {"levels": effect.cell, **_chances(effect, [here], [here_last], setting)}
            for effect, here, here_last in zip(per_cell, cells, cells_last, strict=True)
        ],
    }
    alpha = setting.alpha / setting.arms
    sds = {"grid": rows["grid"]["sd_difference"], "cell": rows["single_run"]["sd_difference"]}
    return {
        "level": overall.level,
        "control": overall.control,
        **rows,
        "matters": _matters(in_unit, orientation, setting.margin),
        "almost_stochastic_order": _stochastic_order(block_values, grid.paired, setting),
        "seeds_enough": {name: _seeds_enough(overall.estimate, sd, alpha, grid.paired) for name, sd in sds.items()},
    }


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


def _chances(
    effect: Effect, parts: list[_Replicates], parts_in_unit: list[_Replicates], setting: _Setting
) -> dict[str, Any]:
    """What one, three, five or all replicates would show; several parts are alternatives of equal chance."""
    parts = [part for part in parts if part.size > 0]
    parts_in_unit = [part for part in parts_in_unit if part.size > 0]
    sd = float(np.sqrt(np.nanmean([part.variance for part in parts]))) if any(p.size > 1 for p in parts) else None
    size = max((part.size for part in parts), default=0)
    counts = sorted({*(k for k in FEW if k <= size), size} - {0})
    return {
        "scale": effect.scale,
        "estimate": effect.estimate,
        "sd_difference": sd,
        "replicates": size,
        "wrong_way": [_wrong_way(effect, sd, parts, k, setting) for k in counts],
        "false_headline": [_false_headline(parts_in_unit, k, setting) for k in counts] if setting.margin > 0 else None,
    }


def _wrong_way(
    effect: Effect, sd: float | None, parts: list[_Replicates], runs: int, setting: _Setting
) -> dict[str, Any]:
    sign = 1.0 if effect.estimate >= 0 else -1.0
    share = []
    for part in parts:
        means = sign * part.means(runs, 4 * setting.replicates, setting.rng)
        share.append(float((means < 0).mean() + 0.5 * (means == 0).mean()))
    model: float | None = None
    low: float | None = None
    high: float | None = None
    if sd:
        model = float(special.ndtr(-abs(effect.estimate) / sd * np.sqrt(runs)))
        if effect.se is not None and effect.df is not None:
            half = float(stats.t.ppf(1 - setting.alpha / 2, effect.df)) * effect.se
            ends = (abs(effect.estimate) + np.array([half, -half])) / sd
            low, high = (float(end) for end in special.ndtr(-ends * np.sqrt(runs)))
    return {"runs": runs, "model": model, "low": low, "high": high, "data": float(np.mean(share))}


def _false_headline(parts: list[_Replicates], runs: int, setting: _Setting) -> dict[str, Any]:
    """Differences centred on their own mean, so that there is no effect."""
    share, variances = [], []
    for part in parts:
        centred = _Replicates(tuple(side - side.mean() for side in part.part))
        means = centred.means(runs, 4 * setting.replicates, setting.rng)
        share.append(float((np.abs(means) > setting.margin).mean()))
        variances.append(part.variance)
    variance = float(np.nanmean(variances)) if np.isfinite(variances).any() else float("nan")
    model = None
    if variance > 0:
        model = float(2 * special.ndtr(-setting.margin / np.sqrt(variance / runs)))
    elif variance == 0:
        model = 0.0
    return {"runs": runs, "model": model, "data": float(np.mean(share))}


def _better(arm: np.ndarray, control: np.ndarray, paired: bool, setting: _Setting) -> dict[str, Any]:
    return asdict(
        probability_better(arm, control, setting.rng, paired=paired, alpha=setting.alpha, replicates=setting.replicates)
    )


def _matters(effect: Effect, orientation: float, margin: float) -> float | None:
    """The posterior probability that the effect is better than the margin: given the data it is estimate + se * t_df.

    That is so under the Jeffreys prior p(mean, sd) ~ 1 / sd of a paired t test (Benavoli et al. 2017, with correlation
    0; the margin is the end of their region of practical equivalence).
    """
    if effect.estimate is None or effect.se is None or effect.df is None:
        return None
    beyond = margin - orientation * effect.estimate
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
                comparisons=setting.arms,
                alpha=setting.alpha,
                replicates=setting.replicates,
            )
        )
        for name, one, other in (("arm_over_control", arm, control), ("control_over_arm", control, arm))
    }


def _seeds_enough(estimate: float, sd: float | None, alpha: float, paired: bool) -> int | None:
    if not sd or estimate == 0.0:
        return None
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
