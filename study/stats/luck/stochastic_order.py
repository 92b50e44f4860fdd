"""Almost stochastic order: how far one arm's outcomes are from beating another's at every quantile."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class StochasticOrder:
    """Result of `almost_stochastic_order`.

    Attributes:
        violation: the violation ratio of the samples: 0 if the first is at least as good at every quantile, 1 if it is
            worse at every quantile, 1/2 if the samples are equal.
        eps_min: its upper confidence bound, in [0, 1]. Below 0.5 the first almost stochastically dominates; Ulmer et
            al. advise 0.2.
        level: the level of the bound.
    """

    violation: float
    eps_min: float
    level: float


def almost_stochastic_order(
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
    *,
    paired: bool,
    comparisons: int = 1,
    alpha: float = 0.05,
    replicates: int = 1000,
) -> StochasticOrder:
    """Upper confidence bound of the violation ratio of "first dominates second" (larger is better).

    eps_min = eps - z_alpha' sd(eps*), the sd over bootstrap resamples (del Barrio, Cuesta-Albertos & Matran 2018; Dror,
    Shlomov & Reichart 2019; Ulmer, Hardmeier & Frellsen 2022). For m comparisons the level is 1 - alpha / m.

    Args:
        first, second: outcomes, shapes (n,) and (m,), n = m if paired.
        rng: draws the resamples.
        paired: whether the outcomes of one position belong to one block; blocks are then resampled together.
        comparisons: how many such comparisons share alpha.
    """
    level = 1.0 - alpha / comparisons
    violation = violation_ratio(first, second)
    draws = np.empty(replicates)
    for i in range(replicates):
        one = rng.integers(len(first), size=len(first))
        other = one if paired else rng.integers(len(second), size=len(second))
        draws[i] = violation_ratio(first[one], second[other])
    spread = float(np.sqrt(np.mean((draws - violation) ** 2)))
    bound = violation + float(stats.norm.ppf(level)) * spread
    return StochasticOrder(violation, min(max(bound, 0.0), 1.0), level)


def violation_ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Integral of (Q_second - Q_first)^2 where the first's quantile is below, over that integral everywhere.

    Q are the empirical quantile functions, steps at multiples of 1/n and 1/m; the integrals are exact. 1/2 if the
    samples are equal.
    """
    first, second = np.sort(first), np.sort(second)
    n, m = len(first), len(second)
    # Edges of the steps in units of 1 / (n m), so that equal edges are equal numbers.
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    gap = first[edges[:-1] // m] - second[edges[:-1] // n]
    weight = np.diff(edges) * gap**2
    total = float(weight.sum())
    return float(weight[gap < 0].sum()) / total if total > 0 else 0.5
