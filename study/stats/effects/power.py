"""Power of one contrast's interval to exclude 0, or to be settled against the margin, for a fixed number of seeds."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import optimize, special, stats

MOST_SEEDS = 100_000


def power_of_t(effect: float, sd: float, seeds: int, alpha: float, paired: bool = True) -> float:
    """Power of the two-sided t test of a mean difference, from the noncentral t distribution.

    Args:
        effect: true difference.
        sd: standard deviation of the difference of one pair; unpaired, of the difference of two independent runs.
        seeds: pairs, or runs an arm; at least 2.
    """
    if sd == 0.0:
        return 1.0 if effect != 0 else alpha
    df = seeds - 1 if paired else 2 * (seeds - 1)
    centre = abs(effect) / sd * np.sqrt(seeds)
    critical = stats.t.ppf(1 - alpha / 2, df)
    # The far tail is below 1e-10 wherever nct loses its digits there (statsmodels' TTestPower is NaN then).
    other = stats.nct.cdf(-critical, df, centre) if centre < 5 else 0.0
    return float(stats.nct.sf(critical, df, centre) + other)


def power_of_settling(effect: float, sd: float, seeds: int, alpha: float, margin: float, paired: bool = True) -> float:
    """The chance that the 1 - alpha interval of a mean difference excludes 0 or lies inside the margin.

    With half width w and mean D: |D| > w or |D| < margin - w. Arguments as in `power_of_t`; a margin of 0 is none.
    """
    if sd == 0.0:
        return 1.0 if effect != 0 or margin > 0 else 0.0
    se = sd / np.sqrt(seeds)

    def settled(width: np.ndarray) -> np.ndarray:
        return 1.0 - _between(np.maximum(margin - width, 0.0), width, effect, se)

    return _over_widths(settled, se, seeds, alpha, margin, paired)


def power_of_equivalence(margin: float, sd: float, seeds: int, alpha: float, paired: bool = True) -> float:
    """The chance that the 1 - alpha interval lies inside the margin when the true difference is 0."""
    if sd == 0.0:
        return 1.0
    se = sd / np.sqrt(seeds)

    def inside(width: np.ndarray) -> np.ndarray:
        return _between(np.zeros_like(width), margin - width, 0.0, se)

    return _over_widths(inside, se, seeds, alpha, margin, paired)


def _over_widths(
    chance: Callable[[np.ndarray], np.ndarray], se: float, seeds: int, alpha: float, margin: float, paired: bool
) -> float:
    """The mean of `chance` over the half width of an interval, t times its estimated standard error."""
    df = seeds - 1 if paired else 2 * (seeds - 1)
    top = float(stats.chi.isf(1e-14, df)) / np.sqrt(df)
    critical = float(stats.t.isf(alpha / 2, df)) * se
    # The chances have corners where the width is the margin or half of it.
    corners = [0.0, *sorted(x for x in (0.5 * margin / critical, margin / critical) if 0 < x < top), top]
    nodes, weights = np.polynomial.legendre.leggauss(100)
    total = 0.0
    for low, high in pairwise(corners):
        s = low + 0.5 * (high - low) * (nodes + 1)
        density = stats.chi.pdf(s * np.sqrt(df), df) * np.sqrt(df)
        total += float(0.5 * (high - low) * weights @ (density * chance(critical * s)))
    return total


def _between(inner: np.ndarray, outer: np.ndarray, effect: float, se: float) -> np.ndarray:
    """P(inner <= |D| <= outer) for D normal with mean `effect`; 0 where inner is above outer."""
    upper = special.ndtr((outer - effect) / se) - special.ndtr((inner - effect) / se)
    lower = special.ndtr((-inner - effect) / se) - special.ndtr((-outer - effect) / se)
    return np.where(inner < outer, upper + lower, 0.0)


def seeds_needed(reaches: Callable[[int], float], power: float) -> int | None:
    """The smallest number of seeds, at least 2, with `reaches(seeds) >= power`; None beyond 100,000.

    `reaches` must not fall with the number of seeds.
    """
    low, high = 1, 2
    while reaches(high) < power:
        if high >= MOST_SEEDS:
            return None
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        if reaches(middle) < power:
            low = middle
        else:
            high = middle
    return high


def detectable_effect(sd: float, seeds: int, alpha: float, power: float, paired: bool = True) -> float:
    """The true difference that the t test finds with the given power; arguments as in `power_of_t`."""
    if sd == 0.0:
        return 0.0
    high = sd
    while power_of_t(high, sd, seeds, alpha, paired) < power:
        high *= 2.0
    return float(optimize.brentq(lambda x: power_of_t(x, sd, seeds, alpha, paired) - power, 0.0, high, xtol=1e-12 * sd))


def sd_interval(sd: float, df: float) -> tuple[float, float]:
    """Chi-square interval, at 95 %, of a standard deviation estimated with `df` degrees of freedom."""
    low, high = sd * np.sqrt(df / stats.chi2.ppf([0.975, 0.025], df))
    return float(low), float(high)
