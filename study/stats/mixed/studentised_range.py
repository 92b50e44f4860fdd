"""Tukey's studentised range, and Dunnett's comparisons with a control approximated from it."""

from functools import lru_cache

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

_OMITTED = 1e-18  # probability of the chi variable left out at either end


def tukey_sf(statistic: float, means: float, df: float) -> float:
    """P(studentised range of `means` means > statistic); for a t between two of the means pass sqrt(2) |t|.

    Gauss-Legendre quadrature of the definition (Tukey 1953), with a small relative error in the far tail too, where
    the usual difference from 1 has none. `means` may be a fraction, as `dunnettx_sf` needs; `df` may be infinite.
    """
    z, z_weight = _legendre(160, -9.0, 30.0)
    s, s_weight = _chi_rule(df)
    beyond = special.ndtr(z[:, None] - statistic * s) / special.ndtr(z)[:, None]
    # Given the largest mean z, all the others are below it and within the range with chance (1 - beyond)^(means - 1).
    outside = -np.expm1((means - 1.0) * np.log1p(-np.minimum(beyond, 1.0 - 1e-16)))
    density = means * z_weight * stats.norm.pdf(z) * special.ndtr(z) ** (means - 1.0)
    return float(min(density @ outside @ s_weight, 1.0))


def tukey_quantile(alpha: float, means: float, df: float) -> float:
    """The studentised range that is exceeded with probability `alpha`."""
    return float(brentq(lambda q: tukey_sf(q, means, df) - alpha, 1e-3, _upper(alpha, means, df), xtol=1e-12))


def dunnettx_sf(statistic: float, contrasts: int, df: float) -> float:
    """P(max |t| > |statistic|) over contrasts with one control, as R's emmeans approximates it ("dunnettx").

    A weighted mean of Tukey's and Sidak's probabilities; exact for one contrast.
    """
    single = 2.0 * float(stats.t.sf(abs(statistic), df))
    weight = (contrasts - 1.0) / contrasts
    pairs_as_contrasts = (1.0 + np.sqrt(1.0 + 8.0 * contrasts)) / 2.0
    tukey = tukey_sf(np.sqrt(2.0) * abs(statistic), pairs_as_contrasts, df)
    sidak = -np.expm1(contrasts * np.log1p(-min(single, 1.0 - 1e-16)))
    return float(weight * tukey + (1.0 - weight) * sidak)


def dunnettx_quantile(alpha: float, contrasts: int, df: float) -> float:
    """The |t| that `dunnettx_sf` exceeds with probability `alpha`."""
    upper = _upper(alpha, 2.0 * contrasts, df)
    return float(brentq(lambda t: dunnettx_sf(t, contrasts, df) - alpha, 1e-3, upper, xtol=1e-12))


def _upper(alpha: float, means: float, df: float) -> float:
    """A bound on the range's quantile, by Bonferroni over all pairs."""
    return float(1.5 * stats.t.isf(alpha / means**2, df)) + 1.0


@lru_cache(maxsize=4)
def _legendre(nodes: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    x, weight = np.polynomial.legendre.leggauss(nodes)
    return (high - low) / 2.0 * x + (high + low) / 2.0, (high - low) / 2.0 * weight


@lru_cache(maxsize=256)
def _chi_rule(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes s and weights for an expectation over s = sqrt(chi2_df / df), by the trapezium rule in log s."""
    if np.isinf(df):
        return np.ones(1), np.ones(1)
    ends = np.array([stats.chi2.ppf(_OMITTED, df), stats.chi2.isf(_OMITTED, df)])
    low, high = 0.5 * np.log(np.maximum(ends, 1e-300) / df)
    x = np.linspace(low, high, 160)
    weight = np.exp(stats.chi2.logpdf(df * np.exp(2.0 * x), df) + 2.0 * x)
    return np.exp(x), weight / weight.sum()
