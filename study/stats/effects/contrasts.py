"""Contrasts of cell means against the control, with cluster-robust (CR2) errors by block.

The model has one mean for each cell of the factorial design and no other assumption.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.stats.effects.cluster_robust import ROUNDING, ClusterFit, estimate, fit
from study.stats.effects.equivalence import Verdict, log_odds_margin, tost, verdict
from study.stats.effects.estimates import Estimates
from study.stats.effects.max_t import MaxT
from study.stats.multiplicity import holm
from study.stats.table import RunTable


@dataclass(frozen=True)
class Effect:
    """One contrast: a level of the focus factor minus the control.

    `cell` holds the levels of the other factors; it is empty when the contrast is the average over all of them, each
    cell with the same weight. `p_adjusted`, `ci_low` and `ci_high` come from one adjustment over the family. A number
    that does not exist is None, and `note` says why.
    """

    factor: str
    level: str
    control: str
    cell: dict[str, str]
    scale: str
    estimate: float
    se: float | None
    df: float | None
    statistic: float | None
    p: float | None
    p_adjusted: float | None
    ci_low: float | None
    ci_high: float | None
    margin: float
    p_equivalence: float | None
    verdict: Verdict
    runs: int
    note: str


@dataclass(frozen=True)
class CellMeans:
    """The saturated model: one mean for each cell that has runs.

    Attributes:
        fit: the least squares fit of the cell means.
        count: the number of runs of each cell, shape (cells,).
        variance: the variance of each cell's runs, shape (cells,), 0 for a cell with one run; None if runs of one block
            are alike, so that a cell's own variance does not tell the error of a contrast.
    """

    fit: ClusterFit
    count: np.ndarray
    variance: np.ndarray | None

    def estimate(self, contrasts: np.ndarray) -> Estimates:
        """Estimate contrasts (q, cells); the estimate is NaN where a weight falls on an empty cell.

        With blocks by CR2; with independent runs each cell has its own variance, and the degrees of freedom are Welch's
        and Satterthwaite's: (sum v_i)^2 / sum (v_i^2 / (n_i - 1)), v_i = c_i^2 s_i^2 / n_i (Welch 1947).
        """
        contrasts = np.atleast_2d(contrasts)
        seen = self.count > 0
        found = estimate(self.fit, contrasts[:, seen])
        if self.variance is not None:
            each = np.divide(self.variance, self.count, out=np.zeros(len(seen)), where=seen)
            parts = contrasts**2 * each
            share = np.divide(parts**2, self.count - 1, out=np.zeros_like(parts), where=self.count > 1).sum(axis=1)
            df = np.divide(parts.sum(axis=1) ** 2, share, out=np.full(len(contrasts), np.nan), where=share > 0)
            found = Estimates(found.estimate, (contrasts * each) @ contrasts.T, df)
        value = np.where((contrasts[:, ~seen] != 0).any(axis=1), np.nan, found.estimate)
        return Estimates(value, found.covariance, found.df)


@dataclass(frozen=True)
class Part:
    """Contrasts of all arms in one part of the design.

    Attributes:
        matrix: shape (arms, cells), arms in the order of `table.arms`.
        cell: what the effects are labelled with.
        within: levels of other factors; the control's error rate there translates the margin.
    """

    matrix: np.ndarray
    cell: dict[str, str]
    within: dict[str, str]


def compare_with_control(
    table: RunTable,
    scale: str,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    within_cells: bool = False,
    adjust: str = "max-t",
) -> list[Effect]:
    """Contrasts of every level of the focus factor with the control, on one scale.

    With `within_cells` inside each cell of the other factors (one family over all cells), else averaged over them, each
    cell with the same weight. See `effects` for the other arguments and the methods.

    Returns:
        One `Effect` for each level, and with `within_cells` for each cell, cells in the table's order.
    """
    family = cell_parts(table) if within_cells else [average_part(table)]
    return effects(table, scale, family, margin=margin, alpha=alpha, adjust=adjust)


def effects(
    table: RunTable,
    scale: str,
    family: list[Part],
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    adjust: str = "max-t",
) -> list[Effect]:
    """Estimate and test a family of contrasts.

    The standard error is CR2 by block with Satterthwaite degrees of freedom (see `cluster_robust`); for a balanced
    table this is the paired t test over blocks. Without a block each cell has its own variance, as in Welch's t test.

    Args:
        table: the runs.
        scale: one of `table.scales()`.
        family: the contrasts; p values and intervals are adjusted over all of them.
        margin: the smallest effect that matters, in percentage points for counts (also on the log odds, where it is
            translated at the control's mean error rate), in the response's unit otherwise. 0: no margin.
        alpha: level of tests and 1 - level of intervals.
        adjust: "max-t" (single step, by the multivariate t distribution with the estimated correlation; each contrast
            uses its own df, as in Hasler & Hothorn 2008), or "holm" (the interval's level is that at which Holm's
            procedure tests the contrast, so that it excludes 0 exactly when p_adjusted < alpha; the coverage is not
            simultaneous).
    """
    model = fit_cell_means(table, scale)
    matrix = np.concatenate([part.matrix for part in family])
    found = model.estimate(matrix)
    errors = _standard_errors(model, matrix, found)
    value = np.where(np.abs(found.estimate) <= ROUNDING * model.fit.size, 0.0, found.estimate)
    statistics = np.divide(value, errors, out=np.full(len(errors), np.nan), where=errors > 0)
    p = _p_values(value, errors, statistics, found.df)
    p_adjusted, quantile = _adjusted(p, statistics, errors, found, family, alpha, adjust)
    low, high = value - quantile * errors, value + quantile * errors
    higher = table.better_is_higher(scale)
    results = []
    for row, (level, part) in enumerate((level, part) for part in family for level in table.arms):
        own_margin, p_equivalence = margin, None
        if scale == "log_odds":
            own_margin = log_odds_margin(margin, _control_error_rate(table, part.within))
        if margin > 0 and np.isfinite(errors[row]):
            p_equivalence = tost(float(value[row]), float(errors[row]), float(found.df[row]), own_margin)
        results.append(
            Effect(
                factor=table.focus,
                level=level,
                control=table.control,
                cell=part.cell,
                scale=scale,
                estimate=float(value[row]),
                se=_number(errors[row]),
                df=_number(found.df[row]) if np.isfinite(errors[row]) else None,
                statistic=_number(statistics[row]),
                p=_number(p[row]),
                p_adjusted=_number(p_adjusted[row]),
                ci_low=_number(low[row]),
                ci_high=_number(high[row]),
                margin=float(own_margin),
                p_equivalence=p_equivalence,
                verdict=verdict(
                    float(value[row]), float(low[row]), float(high[row]), p_equivalence, own_margin, alpha, higher
                ),
                runs=int(model.count[matrix[row] != 0].sum()),
                note=_note(model, matrix[row], float(errors[row]), float(value[row])),
            )
        )
    return results


def average_part(table: RunTable) -> Part:
    """The arms against the control, averaged over the cells of the other factors."""
    others = int(np.prod(table.shape[1:]))
    return Part(np.kron(_differences(table), np.full((1, others), 1.0 / others)), {}, {})


def cell_parts(table: RunTable) -> list[Part]:
    """The arms against the control in each cell of the other factors."""
    others = np.eye(int(np.prod(table.shape[1:])))
    cells = [{name: cell[name] for name in table.other_factors} for cell in table.cells()[: len(others)]]
    return [Part(np.kron(_differences(table), row[None]), cell, cell) for row, cell in zip(others, cells, strict=True)]


def interaction_parts(table: RunTable, factor: str) -> list[Part]:
    """How the arms' contrasts change from the first level of another factor to each later one."""
    first, *later = table.levels(factor)
    parts = []
    for position, level in enumerate(later, start=1):
        row = np.ones((1, 1))
        for name, levels in zip(table.other_factors, table.shape[1:], strict=True):
            change = (
                np.eye(levels)[[position]] - np.eye(levels)[[0]] if name == factor else np.full((1, levels), 1 / levels)
            )
            row = np.kron(row, change)
        parts.append(Part(np.kron(_differences(table), row), {factor: f"{level} - {first}"}, {}))
    return parts


def fit_cell_means(table: RunTable, scale: str) -> CellMeans:
    """Fit one mean to each cell of the table, on one scale."""
    cells, y = table.cell_index(), table.values(scale)
    count = np.bincount(cells, minlength=int(np.prod(table.shape)))
    variance = None
    if table.block is None:
        mean = np.bincount(cells, weights=y, minlength=len(count)) / np.maximum(count, 1)
        squares = np.bincount(cells, weights=(y - mean[cells]) ** 2, minlength=len(count))
        variance = squares / np.maximum(count - 1, 1)
    return CellMeans(fit(y, np.eye(len(count))[cells][:, count > 0], table.block_index()), count, variance)


def _standard_errors(model: CellMeans, matrix: np.ndarray, found: Estimates) -> np.ndarray:
    """Square roots of the variances; 0 where only rounding is left; NaN where one side has no cell with two runs."""
    errors = np.sqrt(np.maximum(np.diag(found.covariance), 0.0))
    errors[errors <= ROUNDING * model.fit.size] = 0.0
    errors[np.isnan(found.estimate)] = np.nan
    for row, weights in enumerate(matrix):
        for side in (weights > 0, weights < 0):
            if side.any() and model.count[side].max() < 2:
                errors[row] = np.nan
    return errors


def _p_values(value: np.ndarray, errors: np.ndarray, statistics: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p values; without variation 0 for a difference and 1 for none, the limits of the t test."""
    p = 2 * stats.t.sf(np.abs(statistics), df)
    return np.where(errors == 0, np.where(value == 0, 1.0, 0.0), p)


def _adjusted(
    p: np.ndarray,
    statistics: np.ndarray,
    errors: np.ndarray,
    found: Estimates,
    family: list[Part],
    alpha: float,
    adjust: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The adjusted p values, and the intervals' half widths in standard errors."""
    p_adjusted, factors = holm(p)
    quantile = np.zeros(len(p))
    tested = np.flatnonzero(errors > 0)
    if adjust == "holm":
        quantile[tested] = stats.t.isf(alpha / factors[tested] / 2, found.df[tested])
    elif adjust == "max-t":
        maxt = _family_distribution(found.covariance, errors, [len(part.matrix) for part in family])
        for i in tested:
            p_adjusted[i] = maxt.sf(statistics[i], found.df[i])
            quantile[i] = maxt.critical(alpha, found.df[i])
    else:
        raise ValueError(f"unknown adjustment {adjust!r}; max-t or holm")
    return p_adjusted, quantile


def _family_distribution(covariance: np.ndarray, errors: np.ndarray, sizes: list[int]) -> MaxT:
    """The max-T distribution of a family.

    The parts of the family are taken as independent. That is conservative (Royen's Gaussian correlation inequality, of
    which Sidak's is a case), and does not rest on a correlation matrix of more contrasts than there are blocks.
    """
    groups = []
    start = 0
    for size in sizes:
        rows = [row for row in range(start, start + size) if errors[row] > 0]
        start += size
        if rows:
            groups.append(np.clip(covariance[np.ix_(rows, rows)] / np.outer(errors[rows], errors[rows]), -1.0, 1.0))
    return MaxT(*groups)


def _differences(table: RunTable) -> np.ndarray:
    """Each arm minus the control among the levels of the focus factor, shape (arms, levels)."""
    levels = table.levels(table.focus)
    control = levels.index(table.control)
    difference = np.delete(np.eye(len(levels)), control, axis=0)
    difference[:, control] = -1.0
    return difference


def _control_error_rate(table: RunTable, cell: dict[str, str]) -> float:
    """The control's mean error rate, each cell with the same weight; at least half an error in its trials."""
    frame = table.frame
    rows = (frame[table.focus] == table.control).to_numpy(copy=True)
    for factor, level in cell.items():
        rows &= (frame[factor] == level).to_numpy()
    n = frame[table.trials].to_numpy(dtype=float)[rows]
    wrong = 1.0 - frame[table.successes].to_numpy(dtype=float)[rows] / n
    where = table.cell_index()[rows]
    rate = float(np.mean([wrong[where == k].mean() for k in np.unique(where)]))
    smallest = 0.5 / (n.sum() + 1.0)
    return min(max(rate, smallest), 1.0 - smallest)


def _note(model: CellMeans, weights: np.ndarray, error: float, value: float) -> str:
    single = int((model.count[weights != 0] == 1).sum())
    if np.isnan(value):
        return "in a cell no run has a number: there is nothing to compare"
    if np.isnan(error):
        return "one run in a cell: its variation cannot be estimated, so there is no test"
    if error == 0:
        what = "no difference" if value == 0 else "a difference"
        return f"{what}, the same in every block: there is no variation to test against, the p value is a limit"
    if single:
        return f"{single} of the cells have one run; their variation is not in the standard error"
    return ""


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
