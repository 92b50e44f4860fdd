"""Exact intervals and tests of rates and of paired and stratified two by two tables."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Stratified:
    """Result of `mantel_haenszel`.

    Attributes:
        odds_ratio: common to the strata; None if it is infinite or undefined.
        p: two-sided, exact conditional.
        p_cmh: of the chi-square statistic with continuity correction.
    """

    odds_ratio: float | None
    p: float
    p_cmh: float


def clopper_pearson(events: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """Exact interval for a rate (Clopper & Pearson 1934), of level at least 1 - alpha."""
    low = stats.beta.ppf(alpha / 2, events, trials - events + 1) if events else 0.0
    high = stats.beta.ppf(1 - alpha / 2, events + 1, trials - events) if events < trials else 1.0
    return float(low), float(high)


def jeffreys(events: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """Jeffreys interval for a rate; an end is 0 or 1 if no or every trial is an event (Brown, Cai & DasGupta 2001)."""
    posterior = stats.beta(events + 0.5, trials - events + 0.5)
    low = posterior.ppf(alpha / 2) if events else 0.0
    high = posterior.ppf(1 - alpha / 2) if events < trials else 1.0
    return float(low), float(high)


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Two-sided exact McNemar p: the discordant pairs split like fair coins (McNemar 1947)."""
    discordant = first_only + second_only
    return min(1.0, 2.0 * float(stats.binom.cdf(min(first_only, second_only), discordant, 0.5))) if discordant else 1.0


def sign_flip_of_counts(differences: np.ndarray) -> float:
    """Two-sided exact p of the sum of whole numbers whose signs are flipped at random, by convolution."""
    observed = abs(int(differences.sum()))
    sizes = np.abs(differences[differences != 0])
    total = int(sizes.sum())
    weights = np.zeros(2 * total + 1)
    weights[total] = 1.0
    for size in sizes:
        weights = 0.5 * (np.roll(weights, size) + np.roll(weights, -size))
    return min(1.0, float(weights[np.abs(np.arange(-total, total + 1)) >= observed].sum()))


def mantel_haenszel(
    arm_events: np.ndarray, arm_runs: np.ndarray, control_events: np.ndarray, control_runs: np.ndarray
) -> Stratified:
    """Two arms within strata (Mantel & Haenszel 1959); all as R's mantelhaen.test.

    Args:
        arm_events, arm_runs, control_events, control_runs: counts a stratum, shape (strata,); each stratum has runs of
            both arms.
    """
    runs = arm_runs + control_runs
    events = arm_events + control_events
    numerator = float((arm_events * (control_runs - control_events) / runs).sum())
    denominator = float((control_events * (arm_runs - arm_events) / runs).sum())
    variance = float((arm_runs * control_runs * events * (runs - events) / (runs**2 * np.maximum(runs - 1, 1))).sum())
    excess = abs(float((arm_events - arm_runs * events / runs).sum()))
    p_cmh = float(stats.chi2.sf((excess - min(0.5, excess)) ** 2 / variance, 1)) if variance > 0 else 1.0

    # The exact conditional distribution of the arm's events, all margins fixed, is a sum of hypergeometric variables.
    weights = np.ones(1)
    for runs_here, events_here, arm_here in zip(runs, events, arm_runs, strict=True):
        weights = np.convolve(
            weights, stats.hypergeom.pmf(np.arange(events_here + 1), runs_here, events_here, arm_here)
        )
    likely = weights[int(arm_events.sum())]
    return Stratified(
        numerator / denominator if denominator > 0 else None,
        min(1.0, float(weights[weights <= likely * (1 + 1e-7)].sum())),
        p_cmh,
    )
