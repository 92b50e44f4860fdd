"""Estimated marginal means of a mixed model and comparisons between them (Searle, Speed & Milliken 1980)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from study.stats.effects.equivalence import tost
from study.stats.effects.factorial_terms import marginal_means
from study.stats.effects.max_t import MaxT
from study.stats.mixed.inference import Estimates, MixedInference
from study.stats.mixed.studentised_range import dunnettx_quantile, dunnettx_sf, tukey_quantile, tukey_sf

ADJUSTMENTS = ("none", "holm", "tukey", "dunnettx", "mvt")


@dataclass(frozen=True)
class MarginalMean:
    """The mean over the cells with these levels, each cell weighted alike, on the model's scale."""

    levels: dict[str, str]
    estimate: float
    se: float
    df: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Comparison:
    """One level's marginal mean minus another's, inside the levels of `cell`.

    p_adjusted and the interval are of one adjustment; p_equivalence is None without a margin.
    """

    factor: str
    level: str
    reference: str
    cell: dict[str, str]
    estimate: float
    se: float
    df: float
    statistic: float
    p: float
    p_adjusted: float
    ci_low: float
    ci_high: float
    p_equivalence: float | None


def estimated_means(
    inference: MixedInference, kept: Sequence[str], *, ddf: str = "kenward-roger", alpha: float = 0.05
) -> list[MarginalMean]:
    """Marginal means of every combination of the levels of the `kept` factors, averaged over the others."""
    model = inference.model
    found = inference.estimates(marginal_means(model.factors, model.shape, kept), ddf)
    half = stats.t.isf(alpha / 2.0, found.df) * found.se
    factors = [factor for factor in model.factors if factor in kept]
    levels = product(*[model.levels[model.factors.index(factor)] for factor in factors])
    return [
        MarginalMean(
            levels=dict(zip(factors, combination, strict=True)),
            estimate=float(found.estimate[i]),
            se=float(found.se[i]),
            df=float(found.df[i]),
            ci_low=float(found.estimate[i] - half[i]),
            ci_high=float(found.estimate[i] + half[i]),
        )
        for i, combination in enumerate(levels)
    ]


def compare(
    inference: MixedInference,
    factor: str,
    *,
    control: str | None = None,
    by: Sequence[str] = (),
    ddf: str = "kenward-roger",
    adjust: str = "none",
    alpha: float = 0.05,
    margin: float | None = None,
) -> list[Comparison]:
    """Compare the levels of `factor` with `control`, or all pairs where it is None, inside each level of `by`.

    Each combination of the levels of `by` is a family of its own. `adjust` is "none"; "holm" (with Bonferroni
    intervals, since Holm's procedure has none); "tukey" (pairs: the studentised range); or, against a control, "mvt"
    (the exact multivariate t) or "dunnettx" (emmeans' approximation to it). p and interval are of one adjustment.
    `margin`, in the scale's unit, adds the p value of equivalence (two one-sided tests, not adjusted).

    Raises ValueError for an unknown adjustment or one that does not fit the comparisons.
    """
    if adjust not in ADJUSTMENTS:
        raise ValueError(f"unknown adjustment {adjust!r}; one of {', '.join(ADJUSTMENTS)}")
    if (adjust == "tukey" and control is not None) or (adjust == "dunnettx" and control is None):
        raise ValueError(f"the adjustment {adjust!r} does not fit these comparisons")
    model = inference.model
    levels = model.levels[model.factors.index(factor)]
    if control is None:
        pairs = list(combinations(range(len(levels)), 2))
    else:
        pairs = [(i, levels.index(control)) for i, level in enumerate(levels) if level != control]
    means = marginal_means(model.factors, model.shape, [factor, *by])
    kept = [name for name in model.factors if name == factor or name in by]
    grid = list(product(*[model.levels[model.factors.index(name)] for name in kept]))
    place = kept.index(factor)
    cells = [dict(zip(kept, point, strict=True)) for point in grid if point[place] == levels[0]]
    comparisons = []
    for cell in cells:
        rows = [means[grid.index(tuple({**cell, factor: level}[name] for name in kept))] for level in levels]
        found = inference.estimates(np.array([rows[i] - rows[j] for i, j in pairs]), ddf)
        p, p_adjusted, critical = _adjust(found, adjust, len(levels), alpha)
        for k, (i, j) in enumerate(pairs):
            estimate, se, df = float(found.estimate[k]), float(found.se[k]), float(found.df[k])
            comparisons.append(
                Comparison(
                    factor=factor,
                    level=levels[i],
                    reference=levels[j],
                    cell={name: level for name, level in cell.items() if name != factor},
                    estimate=estimate,
                    se=se,
                    df=df,
                    statistic=estimate / se,
                    p=float(p[k]),
                    p_adjusted=float(p_adjusted[k]),
                    ci_low=estimate - float(critical[k]) * se,
                    ci_high=estimate + float(critical[k]) * se,
                    p_equivalence=None if margin is None else tost(estimate, se, df, margin),
                )
            )
    return comparisons


def _adjust(found: Estimates, adjust: str, levels: int, alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plain and adjusted p values, and the half widths of the intervals in standard errors, each (k,)."""
    t = np.abs(found.estimate / found.se)
    count = len(t)
    p = 2.0 * stats.t.sf(t, found.df)
    each = list(zip(t, found.df, strict=True))
    if adjust == "none":
        return p, p, stats.t.isf(alpha / 2.0, found.df)
    if adjust == "holm":
        return p, multipletests(p, method="holm")[1], stats.t.isf(alpha / (2.0 * count), found.df)
    if adjust == "tukey":
        p_adjusted = [tukey_sf(np.sqrt(2.0) * ti, levels, df) for ti, df in each]
        quantiles = {df: tukey_quantile(alpha, levels, df) for df in set(found.df)}
        return p, np.array(p_adjusted), np.array([quantiles[df] for df in found.df]) / np.sqrt(2.0)
    if adjust == "dunnettx":
        quantiles = {df: dunnettx_quantile(alpha, count, df) for df in set(found.df)}
        return p, np.array([dunnettx_sf(ti, count, df) for ti, df in each]), np.array([quantiles[d] for d in found.df])
    if not np.isfinite(t).all():
        return p, np.full(count, np.nan), np.full(count, np.nan)
    largest = MaxT(found.covariance / np.outer(found.se, found.se))
    return (
        p,
        np.array([largest.sf(ti, df) for ti, df in each]),
        np.array([largest.critical(alpha, df) for df in found.df]),
    )
