"""Contrasts of the levels of the focus factor with the control: estimate, interval, label.

The model has one mean for each cell of the factorial design and no other assumption; standard errors are cluster-robust
(CR2) by block. Where runs are missing the blocks enter the model too, so that the comparison stays within blocks.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from study.stats.effects import within_blocks
from study.stats.effects.cluster_robust import ROUNDING, ClusterFit, estimate, fit
from study.stats.effects.estimates import Estimates
from study.stats.effects.labels import Label, label
from study.stats.effects.simultaneous import Simultaneous
from study.stats.table import RunTable
from study.words import unit

_CUT = "the interval is cut at what is possible"


@dataclass(frozen=True)
class Effect:
    """One contrast: a level of the focus factor minus the control.

    `cell` holds the levels of the other factors; it is empty when the contrast is the average over all of them, each
    cell with the same weight. `p_adjusted`, `ci_low`, `ci_high` and the label hold for the whole family at once. A
    number that does not exist is None, and `note` says why.

    Attributes:
        p: two-sided, of this contrast alone.
        runs: those in the contrast's cells.
        pairs: the blocks that hold runs of both sides, of `blocks` that hold runs of either; None without a block.
    """

    factor: str
    level: str
    control: str
    cell: dict[str, str]
    scale: str
    estimate: float | None
    se: float | None
    df: float | None
    statistic: float | None
    p: float | None
    p_adjusted: float | None
    ci_low: float | None
    ci_high: float | None
    label: Label
    runs: int
    pairs: int | None
    blocks: int | None
    note: str


@dataclass(frozen=True)
class CellMeans:
    """The saturated model: one mean for each cell that has runs.

    Attributes:
        fit: the least squares fit of the cell means.
        within: the fit with blocks as effects, where runs are missing; None where none is, or without a block.
        count: the number of runs of each cell, shape (cells,).
        variance, freedom: the variance of each cell's runs and its degrees of freedom, shape (cells,); those of all
            cells together where a cell has one run. None if runs of one block are alike, so that a cell's own variance
            does not tell the error of a contrast.
        resolution: differences and errors up to this size are rounding.
    """

    fit: ClusterFit
    within: within_blocks.Within | None
    count: np.ndarray
    variance: np.ndarray | None
    freedom: np.ndarray | None
    resolution: float

    def estimate(self, contrasts: np.ndarray) -> Estimates:
        """Estimate contrasts (q, cells); the estimate is NaN where a weight falls on an empty cell.

        With blocks by CR2, within blocks if the blocks tell of the contrast; with independent runs each cell has its
        own variance, and the degrees of freedom are Welch's and Satterthwaite's: (sum v_i)^2 / sum (v_i^2 / df_i),
        v_i = c_i^2 s_i^2 / n_i (Welch 1947).
        """
        contrasts = np.atleast_2d(contrasts)
        seen = self.count > 0
        known = contrasts[:, seen]
        empty = (contrasts[:, ~seen] != 0).any(axis=1)
        if self.variance is not None and self.freedom is not None:
            each = np.divide(self.variance, self.count, out=np.zeros(len(seen)), where=seen)
            parts = contrasts**2 * each
            share = np.divide(parts**2, self.freedom, out=np.zeros_like(parts), where=self.freedom > 0).sum(axis=1)
            df = np.divide(parts.sum(axis=1) ** 2, share, out=np.full(len(contrasts), np.nan), where=share > 0)
            found = Estimates(known @ self.fit.coefficients, (contrasts * each) @ contrasts.T, df)
        elif self.within is None:
            found = estimate(self.fit, known)
        else:
            found = self._within_where_possible(self.within, known)
        return Estimates(np.where(empty, np.nan, found.estimate), found.covariance, found.df)

    def _within_where_possible(self, within: within_blocks.Within, contrasts: np.ndarray) -> Estimates:
        paired = within.estimable(contrasts)
        inner, outer = estimate(within.model, contrasts @ within.basis), estimate(self.fit, contrasts)
        scores = np.where(paired, within.model.scores @ (contrasts @ within.basis).T, self.fit.scores @ contrasts.T)
        return Estimates(
            np.where(paired, inner.estimate, outer.estimate), scores.T @ scores, np.where(paired, inner.df, outer.df)
        )


@dataclass(frozen=True)
class Part:
    """Contrasts of all arms in one part of the design.

    Attributes:
        matrix: shape (arms, cells), arms in the order of `table.arms`.
        cell: what the effects are labelled with.
    """

    matrix: np.ndarray
    cell: dict[str, str]


def compare_with_control(
    table: RunTable,
    scale: str | None = None,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    furthest: float | None = None,
) -> list[Effect]:
    """Contrasts of every level of the focus factor with the control, averaged over the cells of the other factors.

    See `effects` for the arguments; one `Effect` a level.
    """
    return effects(table, [average_part(table)], scale, margin=margin, alpha=alpha, furthest=furthest)


def effects(
    table: RunTable,
    family: list[Part],
    scale: str | None = None,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    furthest: float | None = None,
) -> list[Effect]:
    """Estimate and label a family of contrasts; intervals and adjusted p values hold for all of them at once.

    With blocks the standard error is CR2 by block with Satterthwaite degrees of freedom: the paired t test over blocks
    where no run is missing; where some are, see `within_blocks`. Without a block each cell has its own variance, as in
    Welch's t test. See `Simultaneous` for the adjustment; the parts of the family are taken as independent, which is
    conservative.

    Args:
        table: the runs.
        family: the contrasts.
        scale: one of `table.scales()`; the deciding one by default.
        margin: the smallest difference that matters, in the scale's unit; 0 for none.
        alpha: 1 - the level of the intervals.
        furthest: how far apart two outcomes can be, where the table does not know; intervals end there.
    """
    scale = scale or table.scale
    model = fit_cell_means(table, scale)
    matrix = np.concatenate([part.matrix for part in family])
    found = model.estimate(matrix)
    pairs = within_blocks.count_pairs(matrix, table.cell_index(), table.block_index()) if table.block else None
    errors = _standard_errors(model, matrix, found, pairs)
    value = np.where(np.abs(found.estimate) <= model.resolution, 0.0, found.estimate)
    statistics = np.divide(value, errors, out=np.full(len(errors), np.nan), where=errors > 0)
    p = _p_values(value, errors, statistics, found.df)
    p_adjusted, quantile = _adjusted(p, errors, found, [len(part.matrix) for part in family], alpha)
    low, high = value - quantile * errors, value + quantile * errors
    reach = (furthest or table.furthest(scale)) * np.maximum(matrix, 0.0).sum(axis=1)
    cut = (low < -reach) | (high > reach)
    low, high = np.maximum(low, -reach), np.minimum(high, reach)
    higher, replicate = table.better_is_higher(scale), unit(table.block)
    notes = [
        _note(model, weights, float(errors[row]), float(value[row]), pairs[row] if pairs else None, replicate)
        for row, weights in enumerate(matrix)
    ]
    results = []
    for row, (level, part) in enumerate((level, part) for part in family for level in table.arms):
        ends = _number(low[row]), _number(high[row])
        results.append(
            Effect(
                factor=table.focus,
                level=level,
                control=table.control,
                cell=part.cell,
                scale=scale,
                estimate=_number(value[row]),
                se=_number(errors[row]),
                df=_number(found.df[row]) if np.isfinite(errors[row]) else None,
                statistic=_number(statistics[row]),
                p=_number(p[row]),
                p_adjusted=_number(p_adjusted[row]),
                ci_low=ends[0],
                ci_high=ends[1],
                label=label(*ends, margin, higher),
                runs=int(model.count[matrix[row] != 0].sum()),
                pairs=None if pairs is None else int(pairs[row].shared),
                blocks=None if pairs is None else int(pairs[row].either),
                note="; ".join(filter(None, (notes[row], _CUT if cut[row] else ""))),
            )
        )
    return results


def average_part(table: RunTable) -> Part:
    """The arms against the control, averaged over the cells of the other factors."""
    others = int(np.prod(table.shape[1:]))
    return Part(np.kron(_differences(table), np.full((1, others), 1.0 / others)), {})


def cell_parts(table: RunTable) -> list[Part]:
    """The arms against the control in each cell of the other factors."""
    others = np.eye(int(np.prod(table.shape[1:])))
    cells = [{name: cell[name] for name in table.other_factors} for cell in table.cells()[: len(others)]]
    return [Part(np.kron(_differences(table), row[None]), cell) for row, cell in zip(others, cells, strict=True)]


def level_parts(table: RunTable, factor: str) -> list[Part]:
    """The arms against the control at each level of another factor, averaged over the rest."""
    return [
        Part(_at(table, factor, row), {factor: level})
        for level, row in zip(table.levels(factor), np.eye(len(table.levels(factor))), strict=True)
    ]


def change_parts(table: RunTable, factor: str) -> list[Part]:
    """How the arms' contrasts change between any two levels of another factor: that at the later minus the earlier."""
    levels = table.levels(factor)
    each = np.eye(len(levels))
    return [
        Part(_at(table, factor, each[later] - each[first]), {factor: f"{levels[later]} - {levels[first]}"})
        for first, later in combinations(range(len(levels)), 2)
    ]


def _at(table: RunTable, factor: str, weights: np.ndarray) -> np.ndarray:
    """The arms against the control with `weights` on the levels of one other factor, averaged over the rest."""
    row = np.ones((1, 1))
    for name, levels in zip(table.other_factors, table.shape[1:], strict=True):
        row = np.kron(row, weights[None] if name == factor else np.full((1, levels), 1 / levels))
    return np.kron(_differences(table), row)


def fit_cell_means(table: RunTable, scale: str) -> CellMeans:
    """Fit one mean to each cell of the table, on one scale. Outcomes are taken from the control's mean."""
    cells, y = table.cell_index(), table.values(scale)
    exact = 8 * np.finfo(float).eps * float(np.abs(y).max())  # what doubles resolve at this size
    control = y[(table.frame[table.focus] == table.control).to_numpy()]
    y = y - (control if len(control) else y).mean()
    count = np.bincount(cells, minlength=int(np.prod(table.shape)))
    block = table.block_index()
    variance = freedom = within = None
    if table.block is None:
        variance, freedom = _cell_variances(y, cells, count)
    elif not within_blocks.complete(cells, block):
        place = np.cumsum(count > 0) - 1  # among the cells that have runs
        within = within_blocks.fit(y, place[cells], block, int((count > 0).sum()))
    model = fit(y, np.eye(len(count))[cells][:, count > 0], block)
    return CellMeans(model, within, count, variance, freedom, max(exact, ROUNDING * model.size))


def _cell_variances(y: np.ndarray, cells: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = np.bincount(cells, weights=y, minlength=len(count)) / np.maximum(count, 1)
    squares = np.bincount(cells, weights=(y - mean[cells]) ** 2, minlength=len(count))
    freedom = np.maximum(count - 1, 0)
    pooled = squares.sum() / max(freedom.sum(), 1)
    own = freedom > 0
    return np.where(own, squares / np.maximum(freedom, 1), pooled), np.where(own, freedom, freedom.sum())


def _standard_errors(
    model: CellMeans, matrix: np.ndarray, found: Estimates, pairs: list[within_blocks.Pairs] | None
) -> np.ndarray:
    """Square roots of the variances; 0 where only rounding is left; NaN where nothing is replicated."""
    errors = np.sqrt(np.maximum(np.diag(found.covariance), 0.0))
    errors[errors <= model.resolution] = 0.0
    errors[np.isnan(found.estimate)] = np.nan
    for row, weights in enumerate(matrix):
        alone = any(side.any() and model.count[side].max() < 2 for side in (weights > 0, weights < 0))
        if (pairs is not None and (alone or pairs[row].shared == 1)) or model.count.max() < 2:
            errors[row] = np.nan
    return errors


def _p_values(value: np.ndarray, errors: np.ndarray, statistics: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p values; without variation 0 for a difference and 1 for none, the limits of the t test."""
    p = 2 * stats.t.sf(np.abs(statistics), df)
    return np.where(errors == 0, np.where(value == 0, 1.0, 0.0), p)


def _adjusted(
    p: np.ndarray, errors: np.ndarray, found: Estimates, sizes: list[int], alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """The adjusted p values, and the intervals' half widths in standard errors."""
    p_adjusted, quantile = p.copy(), np.zeros(len(p))
    groups = []
    for rows in np.split(np.arange(len(p)), np.cumsum(sizes)[:-1]):
        rows = rows[errors[rows] > 0]
        if len(rows):
            correlation = found.covariance[np.ix_(rows, rows)] / np.outer(errors[rows], errors[rows])
            groups.append((np.clip(correlation, -1.0, 1.0), found.df[rows]))
    if groups:
        family = Simultaneous(groups)
        level = family.level(alpha)
        for i in np.flatnonzero(errors > 0):
            p_adjusted[i] = family.adjusted(p[i])
            quantile[i] = stats.t.isf(level / 2, found.df[i])
    return p_adjusted, quantile


def _differences(table: RunTable) -> np.ndarray:
    """Each arm minus the control among the levels of the focus factor, shape (arms, levels)."""
    levels = table.levels(table.focus)
    control = levels.index(table.control)
    difference = np.delete(np.eye(len(levels)), control, axis=0)
    difference[:, control] = -1.0
    return difference


def _note(
    model: CellMeans, weights: np.ndarray, error: float, value: float, pairs: within_blocks.Pairs | None, replicate: str
) -> str:
    single = int((model.count[weights != 0] == 1).sum())
    if np.isnan(value):
        return "in a cell no run has a number: there is nothing to compare"
    if pairs is not None and pairs.shared == 1 and pairs.either > 1:
        return f"only one {replicate} has runs of both sides: their variation is unknown, so there is no interval"
    if np.isnan(error):
        return "one run in a cell: its variation cannot be estimated, so there is no interval"
    if error == 0:
        what = "no difference" if value == 0 else "a difference"
        return f"{what}, the same in every {replicate}: there is no variation to test against, the p value is a limit"
    if pairs is not None and pairs.shared == 0:
        return f"no {replicate} has runs of both sides: the comparison is unpaired"
    if pairs is not None and pairs.shared < pairs.either:
        return f"{pairs.shared} of {pairs.either} {replicate}s have runs of both sides and are compared with themselves"
    if single and model.variance is not None:
        return f"{single} of the cells have one run; their variance is that of the other cells together"
    if single:
        return f"{single} of the cells have one run; their variation is not in the standard error"
    return ""


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
