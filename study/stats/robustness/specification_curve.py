"""The specification table: the same contrasts under every defensible choice of analysis."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from study.errors import StudyError
from study.stats.effects import cluster_robust
from study.stats.effects.contrasts import average_part, fit_cell_means
from study.stats.effects.estimates import Estimates
from study.stats.effects.sign_flip import block_differences, sign_flip, sign_flip_interval
from study.stats.layout import at_runs, outcome_grid
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import fit_mixed
from study.stats.robustness.glmm import fit_binomial
from study.stats.robustness.nonparametric import Location, t_interval, trimmed_t, wilcoxon
from study.stats.table import RunTable, on_scale
from study.words import unit

ALL, CONDITIONAL, TRIMMED = "all runs", "not collapsed", "trimmed"
LAST, AREA = "last epoch", "area under the curve"
_TRIMMED_MEAN = "trimmed mean"
_BINOMIAL = "binomial GLMM"


@dataclass(frozen=True)
class Specification:
    """One contrast under one specification. p and interval are unadjusted.

    Attributes:
        scale: "log_odds", "pp" or "response".
        method: a key of `METHODS`; "binomial GLMM" on log odds at the last epoch alone, as it needs the counts.
        handling: of collapse: "all runs" (intention to treat), "not collapsed" (conditional: an arm that loses its
            worst runs looks better) or "trimmed" (the smallest and largest fifth of the blocks' differences left out).
        endpoint: "last epoch" (the table's outcome) or "area under the curve" (mean over epochs of the validation
            outcome).
        primary: whether the headline rests on it.
        note: why numbers are missing, if they are.
    """

    level: str
    control: str
    scale: str
    method: str
    handling: str
    endpoint: str
    estimate: float | None
    se: float | None
    df: float | None
    statistic: float | None
    p: float | None
    ci_low: float | None
    ci_high: float | None
    runs: int
    primary: bool
    note: str


@dataclass(frozen=True)
class Options:
    """What methods may need: the level of intervals, the mixed model's terms, and random draws."""

    alpha: float
    random: str | None
    rng: np.random.Generator


def specification_table(
    table: RunTable,
    rng: np.random.Generator,
    *,
    alpha: float = 0.05,
    collapse_below: float | None = None,
    random: str | None = None,
    curves: pd.DataFrame | None = None,
) -> list[Specification]:
    """Every contrast with the control, averaged over the other factors, by scale, method, handling and endpoint.

    Args:
        table: the runs.
        rng: for sign flips of more than 20 blocks.
        alpha: 1 - alpha is the level of the intervals.
        collapse_below: see `RunTable.failed`.
        random: the mixed model's random terms, see `fit_mixed`.
        curves: see `area_under_curve`; None: the last epoch is the only endpoint.
    """
    options = Options(alpha, random, rng)
    collapsed = table.failed(collapse_below)
    rows: list[Specification] = []
    for endpoint, scale, values in _outcomes(table, curves):
        tables = dict.fromkeys(METHODS, table.with_outcome(values)) | {_BINOMIAL: table}
        if not table.counts or (endpoint, scale) != (LAST, "log_odds"):
            del tables[_BINOMIAL]
        known = np.isfinite(values)
        everything = _all_methods(tables, known, options)
        conditional = _all_methods(tables, known & ~collapsed, options) if collapsed.any() else everything
        here = [
            replace(row, handling=TRIMMED if row.method == _TRIMMED_MEAN else handling)
            for handling, found in ((ALL, everything), (CONDITIONAL, conditional))
            for row in found
            if handling == ALL or row.method != _TRIMMED_MEAN
        ]
        rows += [replace(row, scale=scale, endpoint=endpoint) for row in here]
    first = table.scale
    return [
        replace(row, primary=(row.method, row.handling, row.endpoint, row.scale) == ("CR2", ALL, LAST, first))
        for row in rows
    ]


def area_under_curve(table: RunTable, curves: pd.DataFrame, scale: str) -> np.ndarray:
    """The mean over epochs of each run's outcome, shape (runs,); NaN for a run without a curve.

    Args:
        curves: one row for each run and epoch: the factors, the block, and the counts `successes` and `trials` or the
            `response`.
    """
    return at_runs(table, curves, on_scale(curves, scale, "successes", "trials", "response"))


def cr2(table: RunTable, options: Options) -> list[Location]:
    """The primary analysis: cell means, CR2 by block, Satterthwaite df."""
    return _contrast_locations(fit_cell_means(table, "response").estimate(_contrasts(table)), options)


def cr2_main_effects(table: RunTable, options: Options) -> list[Location]:
    """CR2 in a model of main effects alone: no interaction, so each run weighs the same."""
    columns = [np.ones(len(table.frame))]
    for factor, levels in zip(table.factors, table.shape, strict=True):
        codes = table.frame[factor].cat.codes.to_numpy()
        columns += [(codes == level).astype(float) for level in range(1, levels)]
    model = cluster_robust.fit(table.values("response"), np.column_stack(columns), table.block_index())
    return _contrast_locations(cluster_robust.estimate(model, np.eye(len(columns))[1 : table.shape[0]]), options)


def hc3(table: RunTable, options: Options) -> list[Location]:
    """Cell means with HC3 errors: what ignoring the blocks would give."""
    cell, y = table.cell_index(), table.values("response")
    count = np.bincount(cell).astype(float)
    mean = np.bincount(cell, weights=y) / count
    if count.min() < 2:
        raise StudyError("a cell has one run only")
    square = np.bincount(cell, weights=(y - mean[cell]) ** 2) / (count - 1) ** 2
    contrasts = _contrasts(table)
    errors = np.sqrt(contrasts**2 @ square)
    df = np.full(len(contrasts), float(len(y) - len(count)))
    return _locations(np.array([c @ mean for c in contrasts]), errors, df, options)


def repeated_measures(table: RunTable, options: Options) -> list[Location]:
    """The contrast in the repeated-measures analysis of variance: one error, arm x block, for all arms."""
    values = outcome_grid(table, table.values("response")).values
    complete = values[:, :, np.isfinite(values).all(axis=(0, 1))].mean(axis=1)
    arms, n = complete.shape
    if n < 2:
        raise StudyError(f"only {n} of {values.shape[2]} {unit(table.block)}s have a run in every cell")
    rest = complete - complete.mean(axis=0) - complete.mean(axis=1, keepdims=True) + complete.mean()
    df = (arms - 1) * (n - 1)
    se = float(np.sqrt(2 * (rest**2).sum() / df / n))
    differences = complete[1:].mean(axis=1) - complete[0].mean()
    return [t_interval(float(value), se, float(df), options.alpha) for value in differences]


def mixed_model(table: RunTable, options: Options) -> list[Location]:
    """The contrast in the mixed model, with Kenward and Roger's errors and df."""
    found = MixedInference(fit_mixed(table, "response", options.random)).estimates(_contrasts(table))
    return _locations(found.estimate, found.se, found.df, options)


def sign_flips(table: RunTable, options: Options) -> list[Location]:
    """The sign-flip test of the blocks' mean differences, with the interval of values it does not reject."""
    test = sign_flip(block_differences(table, table.values("response")), options.rng)
    locations = []
    for arm, d in enumerate(_differences(table)):
        low, high = sign_flip_interval(d, options.alpha, options.rng)
        statistic, p = float(test.statistic[arm]), float(test.p[arm])
        locations.append(Location(float(d.mean()), None, None, statistic, p, low, high))
    return locations


def wilcoxon_signed_rank(table: RunTable, options: Options) -> list[Location]:
    """Wilcoxon's signed-rank test of the blocks' differences, with Hodges and Lehmann's estimate."""
    return [wilcoxon(d, options.alpha) for d in _differences(table)]


def trimmed_mean(table: RunTable, options: Options) -> list[Location]:
    """The 20 % trimmed mean of the blocks' differences."""
    return [trimmed_t(d, options.alpha) for d in _differences(table)]


def binomial_glmm(table: RunTable, options: Options) -> list[Location]:
    """The contrast in a binomial mixed model of the counts with random intercepts of run and block; z tests.

    Where arms react to a block in their own ways its errors are too small: it has no term for that.
    """
    k, n = (table.frame[name].to_numpy(dtype=float) for name in (table.successes, table.trials))
    cell = table.cell_index()
    right, total = (np.bincount(cell, weights=x) for x in (k, n))
    if (right == 0).any() or (right == total).any():
        raise StudyError("a cell has no error or no success at all, so its log odds are infinite")
    if len(k) <= len(total):
        raise StudyError("no cell has two runs")
    fit = fit_binomial(k, n, cell, None if table.block is None else table.block_index())
    if not fit.converged:
        raise StudyError("the model did not converge")
    contrasts = -_contrasts(table)  # log odds of error
    covariance, normal = contrasts @ fit.covariance @ contrasts.T, np.full(len(contrasts), np.inf)
    found = _contrast_locations(Estimates(contrasts @ fit.cell_means, covariance, normal), options)
    return [replace(location, df=None) for location in found]


# Which methods need a block, or more than the focus factor, is decided in `_rows`.
METHODS: dict[str, Callable[[RunTable, Options], list[Location]]] = {
    "CR2": cr2,
    "CR2, main effects": cr2_main_effects,
    "repeated measures": repeated_measures,
    "mixed model": mixed_model,
    "sign flips": sign_flips,
    "Wilcoxon": wilcoxon_signed_rank,
    _TRIMMED_MEAN: trimmed_mean,
    _BINOMIAL: binomial_glmm,
    "HC3, no blocks": hc3,
}
_WITHOUT_BLOCK = ("CR2", "CR2, main effects", _BINOMIAL, "HC3, no blocks")


def _all_methods(tables: dict[str, RunTable], keep: np.ndarray, options: Options) -> list[Specification]:
    return [row for method, table in tables.items() for row in _rows(table.subset(keep), method, options)]


def _rows(table: RunTable, method: str, options: Options) -> list[Specification]:
    """The contrasts by one method; the labels are left to the caller."""
    full, short = _arms_with_all_cells(table)
    found: dict[str, Location] = {}
    note = ""
    if table.block is None and method not in _WITHOUT_BLOCK:
        note = "needs a block"
    elif not full:
        note = "a cell has no run left"
    else:
        try:
            reduced = table.only([table.control, *full])
            found = dict(zip(full, METHODS[method](reduced, options), strict=True))
        except StudyError as error:
            note = str(error)
    focus = table.frame[table.focus]
    rows = []
    for level in table.arms:
        location = found.get(level, Location(np.nan, None, None, None, None, None, None))
        rows.append(
            Specification(
                level=level,
                control=table.control,
                scale="",
                method=method,
                handling="",
                endpoint="",
                estimate=location.estimate if np.isfinite(location.estimate) else None,
                se=location.se,
                df=location.df,
                statistic=location.statistic,
                p=location.p,
                ci_low=location.ci_low,
                ci_high=location.ci_high,
                runs=int(focus.isin([level, table.control]).sum()),
                primary=False,
                note=note or ("a cell has no run left" if level in short else _lacking(location)),
            )
        )
    return rows


def _lacking(location: Location) -> str:
    """Why a location has no standard error, degrees of freedom, statistic or interval."""
    reasons = {
        "too few blocks for an interval at this level": location.ci_low is None,
        "nothing varies": location.se == 0 or (location.statistic is None and location.ci_low == location.ci_high),
        "the method has no standard error": location.se is None,
        "and no degrees of freedom" if location.se is None else "a normal distribution": location.df is None,
    }
    return ", ".join(reason for reason, holds in reasons.items() if holds)


def _outcomes(table: RunTable, curves: pd.DataFrame | None) -> list[tuple[str, str, np.ndarray]]:
    outcomes = [(LAST, scale, table.values(scale)) for scale in table.scales()]
    if curves is not None and table.block is not None:
        outcomes += [(AREA, scale, area_under_curve(table, curves, scale)) for scale in table.scales()]
    return outcomes


def _arms_with_all_cells(table: RunTable) -> tuple[list[str], list[str]]:
    """The arms that have runs in every cell, and those that have not; none is full if the control is not."""
    levels = table.levels(table.focus)
    counts = np.bincount(table.cell_index(), minlength=int(np.prod(table.shape))).reshape(len(levels), -1)
    full = dict(zip(levels, counts.min(axis=1) > 0, strict=True))
    if not full[table.control]:
        return [], list(table.arms)
    return [level for level in table.arms if full[level]], [level for level in table.arms if not full[level]]


def _contrasts(table: RunTable) -> np.ndarray:
    return average_part(table).matrix


def _contrast_locations(found: Estimates, options: Options) -> list[Location]:
    errors = np.sqrt(np.maximum(np.diag(found.covariance), 0.0))
    return _locations(found.estimate, errors, found.df, options)


def _locations(estimate: np.ndarray, se: np.ndarray, df: np.ndarray, options: Options) -> list[Location]:
    return [
        t_interval(float(value), float(error), float(degrees), options.alpha)
        for value, error, degrees in zip(estimate, se, df, strict=True)
    ]


def _differences(table: RunTable) -> list[np.ndarray]:
    """The blocks' differences of each arm, those that exist."""
    differences = [d[np.isfinite(d)] for d in block_differences(table, table.values("response")).T]
    if min(len(d) for d in differences) < 2:
        raise StudyError("fewer than two blocks have a run of the arm and of the control")
    return differences
