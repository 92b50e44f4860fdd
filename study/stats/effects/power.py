"""Power of the t test of one contrast and of its equivalence test, for a number of seeds fixed in advance."""

from collections.abc import Callable

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
    df = seeds - 1 if paired else 2 * (seeds - 1)
    centre = abs(effect) / sd * np.sqrt(seeds)
    critical = stats.t.ppf(1 - alpha / 2, df)
    # The far tail is below 1e-10 wherever nct loses its digits there (statsmodels' TTestPower is NaN then).
    other = stats.nct.cdf(-critical, df, centre) if centre < 5 else 0.0
    return float(stats.nct.sf(critical, df, centre) + other)


def power_of_equivalence(margin: float, sd: float, seeds: int, alpha: float, paired: bool = True) -> float:
    """Power of two one-sided t tests when the true difference is 0; arguments as in `power_of_t`.

    P(|D| < margin - t s) with D normal and s its estimated standard error, integrated over the distribution of s.
    """
    if sd == 0.0:
        return 1.0
    df = seeds - 1 if paired else 2 * (seeds - 1)
    se = sd / np.sqrt(seeds)
    most = margin / (float(stats.t.ppf(1 - alpha, df)) * se)  # of s / se: above it the tests cannot both reject
    nodes, weights = np.polynomial.legendre.leggauss(200)
    top = min(most, float(stats.chi.isf(1e-14, df)) / np.sqrt(df))
    s = 0.5 * top * (nodes + 1)
    density = stats.chi.pdf(s * np.sqrt(df), df) * np.sqrt(df)
    inside = 2 * special.ndtr((margin / se) * (1 - s / most)) - 1
    return float(0.5 * top * weights @ (density * inside))


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
