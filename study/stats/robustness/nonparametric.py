"""Tests of paired differences by their ranks or their middle, and Friedman's test of several arms."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.stats.layout import without_rounding

# R's and scipy's limit for the exact distribution of the signed ranks.
_MOST_EXACT = 50
_TRIM = 0.2


@dataclass(frozen=True)
class Location:
    """A location of paired differences, its test against 0 and its 1 - alpha interval. None: does not exist."""

    estimate: float
    se: float | None
    df: float | None
    statistic: float | None
    p: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of k arms in n blocks.

    Attributes:
        mean_ranks: of each arm, 1 the smallest value, shape (k,).
        chi2, df, p: Friedman (1937), corrected for ties.
        critical_difference: of mean ranks at level alpha (Nemenyi 1963): arms farther apart differ.
    """

    mean_ranks: np.ndarray
    chi2: float
    df: int
    p: float
    critical_difference: float


def wilcoxon(differences: np.ndarray, alpha: float = 0.05) -> Location:
    """Wilcoxon's (1945) signed-rank test, exact up to 50 differences without ties and zeros, as in R's `wilcox.test`.

    The estimate is Hodges & Lehmann's (1963) median of the averages of pairs; the interval inverts the test. The
    statistic is R's V, the sum of the ranks of the positive differences.
    """
    d = without_rounding(np.asarray(differences, dtype=float))
    n = len(d)
    if not np.any(d != 0):
        return Location(0.0, None, None, None, 1.0, 0.0, 0.0)
    ranks = stats.rankdata(np.abs(d[d != 0]))
    exact = len(ranks) == n <= _MOST_EXACT and len(np.unique(ranks)) == n
    test = stats.wilcoxon(d, method="exact") if exact else stats.wilcoxon(d, correction=True, method="approx")
    i, j = np.triu_indices(n)
    averages = np.sort((d[i] + d[j]) / 2)
    if n <= _MOST_EXACT:
        rank = max(_signed_rank_quantile(alpha / 2, n), 1)
    else:
        spread = np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        rank = max(int(np.floor(n * (n + 1) / 4 + stats.norm.ppf(alpha / 2) * spread)), 1)
    return Location(
        estimate=float(np.median(averages)),
        se=None,
        df=None,
        statistic=float(ranks[d[d != 0] > 0].sum()),
        p=float(test.pvalue),
        ci_low=float(averages[rank - 1]),
        ci_high=float(averages[len(averages) - rank]),
    )


def trimmed_t(differences: np.ndarray, alpha: float = 0.05) -> Location:
    """t test of a trimmed mean by the winsorised variance (Tukey & McLaughlin 1963; Yuen 1974 for pairs).

    The smallest and the largest fifth of the differences are left out; df = number left - 1.
    """
    d = np.sort(np.asarray(differences, dtype=float))
    n = len(d)
    cut = int(np.floor(_TRIM * n))
    kept = d[cut : n - cut]
    estimate = float(kept.mean())
    se = float(np.clip(d, kept[0], kept[-1]).std(ddof=1)) / ((1 - 2 * _TRIM) * np.sqrt(n))
    return t_interval(estimate, float(se), float(len(kept) - 1), alpha)


def t_interval(estimate: float, se: float, df: float, alpha: float) -> Location:
    """The t test of an estimate against 0 and its interval; without variation p is 0 or 1, the limits."""
    if df <= 0 or not np.isfinite(se):
        return Location(estimate, None, None, None, None, None, None)
    if se == 0:
        return Location(estimate, se, df, None, 1.0 if estimate == 0 else 0.0, estimate, estimate)
    width = float(stats.t.isf(alpha / 2, df)) * se
    p = 2 * float(stats.t.sf(abs(estimate / se), df))
    return Location(estimate, se, df, estimate / se, p, estimate - width, estimate + width)


def friedman(values: np.ndarray, alpha: float = 0.05) -> Friedman:
    """Friedman's test on `values`, shape (blocks, arms), at least 2 by 2 and no NaN."""
    n, k = values.shape
    ranks = stats.rankdata(without_rounding(values), axis=1)
    mean_ranks = ranks.mean(axis=0)
    centred = ranks - (k + 1) / 2
    total = float((centred**2).sum())
    chi2 = n * n * (k - 1) * float(((mean_ranks - (k + 1) / 2) ** 2).sum()) / total if total else 0.0
    critical = float(stats.studentized_range.isf(alpha, k, np.inf)) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))
    return Friedman(mean_ranks, chi2, k - 1, float(stats.chi2.sf(chi2, k - 1)), critical)


def _signed_rank_quantile(probability: float, n: int) -> int:
    """The smallest v with P(V <= v) >= probability, V the signed-rank statistic of n differences without an effect."""
    counts = np.ones(1)
    for rank in range(1, n + 1):
        longer = np.zeros(len(counts) + rank)
        longer[: len(counts)] += counts
        longer[rank:] += counts
        counts = longer
    # R's qsignrank forgives rounding of the same size.
    return int(np.searchsorted(np.cumsum(counts) / 2.0**n, probability * (1 - 1e-14)))
