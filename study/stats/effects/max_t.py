"""The distribution of the largest |T| of several correlated t statistics: single-step adjustment of p and intervals."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import numpy as np
from scipy import optimize, special, stats

# U(h) / P(|Z| > h) is tabulated on Chebyshev nodes up to here; beyond it does not change any more.
_LARGEST = 9.0
_NODES = 28
_GAUSS_POINTS = {1: 48, 2: 24, 3: 14}
_LATTICE_POINTS = 1 << 12
_SINGULAR = 1e-10


class MaxT:
    """max_i |T_i| for T multivariate t with a given correlation, T = Z / s, s^2 ~ chi^2(df) / df.

    P(max |T| > c) = E_s[U(c s)] with U(h) = P(max |Z_i| > h). U does not depend on df, so it is computed once for a
    correlation (Genz & Bretz 2009, chapter 4: sequential conditioning on a Cholesky factor; a tensor Gauss rule up to
    four statistics, a rank-1 lattice above) and the integral over s is one-dimensional. No random numbers: the same
    input gives the same bits. Singular correlations are allowed (Genz & Kwong 2000): rows of equal or opposite sign
    are merged, and a row that depends on earlier ones narrows their interval.

    Args:
        correlations: one correlation matrix (q, q), or several for independent groups of statistics.
    """

    def __init__(self, *correlations: np.ndarray) -> None:
        groups = [_distinct(np.atleast_2d(np.asarray(matrix, dtype=float))) for matrix in correlations]
        self._critical: dict[tuple[float, float], float] = {}
        self.size = sum(len(group) for group in groups)
        nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
        heights = 0.5 * _LARGEST * (nodes + 1)
        single = 2 * special.ndtr(-heights)
        inside = np.zeros(_NODES)  # log P(max |Z| <= h), a sum over independent groups
        for group in groups:
            inside = inside + np.log1p(-np.minimum(_ratio(group, heights) * single, 1 - 1e-16))
        self._ratio = np.polynomial.Chebyshev.fit(
            heights, -np.expm1(inside) / single, _NODES - 1, domain=[0.0, _LARGEST]
        )

    def _normal_tail(self, height: np.ndarray) -> np.ndarray:
        ratio = np.clip(self._ratio(np.minimum(height, _LARGEST)), 1.0, self.size)
        return np.minimum(ratio * 2 * special.ndtr(-height), 1.0)

    def sf(self, statistic: float, df: float) -> float:
        """P(max |T| > |statistic|): the adjusted p value of a statistic with `df` degrees of freedom (may be inf)."""
        statistic = abs(float(statistic))
        single = 2 * float(stats.t.sf(statistic, df)) if np.isfinite(df) else 2 * float(special.ndtr(-statistic))
        if self.size == 1:
            return single
        if np.isfinite(df):
            # In the far tail the small values of s decide, however rare they are.
            scale, weight = _chi_rule(round(float(df), 9), 1e-20 if single > 1e-12 else max(single, 1e-250) * 1e-20)
            value = float(weight @ self._normal_tail(statistic * scale))
        else:
            value = float(self._normal_tail(np.array([statistic]))[0])
        # Boole's inequality and its counterpart hold exactly; they bound the quadrature's error in the far tail.
        return min(max(value, single), self.size * single, 1.0)

    def critical(self, alpha: float, df: float) -> float:
        """c with P(max |T| > c) = alpha: the half width, in standard errors, of simultaneous intervals."""
        # Equal designs give equal df up to rounding; they shall share one root search and give equal bits.
        df = round(df, 9)
        if (alpha, df) not in self._critical:
            self._critical[alpha, df] = self._solve(alpha, df)
        return self._critical[alpha, df]

    def _solve(self, alpha: float, df: float) -> float:
        low, high = (abs(float(stats.t.isf(level / 2, df))) for level in (alpha, alpha / self.size))
        if self.size == 1 or high - low < 1e-12:
            return low
        return float(optimize.brentq(lambda c: self.sf(c, df) - alpha, low * (1 - 1e-9), high * (1 + 1e-9), xtol=1e-10))


@lru_cache(maxsize=256)
def _chi_rule(df: float, neglected: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for an expectation over s = sqrt(chi^2(df) / df): the trapezium rule in log s.

    The smallest values of s, of total probability `neglected`, are left out.
    """
    low = 0.5 * np.log(max(stats.chi2.ppf(neglected, df), 1e-300) / df)
    high = 0.5 * np.log(stats.chi2.isf(1e-20, df) / df)
    x = np.linspace(low, high, 512)
    weight = np.exp(stats.chi2.logpdf(df * np.exp(2 * x), df) + 2 * x) * 2 * df * (x[1] - x[0])
    return np.exp(x), weight


def _distinct(correlation: np.ndarray) -> np.ndarray:
    """The correlation without rows that equal an earlier one or its negative: they have the same |Z|."""
    keep: list[int] = []
    for row in range(len(correlation)):
        if all(abs(correlation[row, other]) < 1 - 1e-12 for other in keep):
            keep.append(row)
    return correlation[np.ix_(keep, keep)]


def _ratio(correlation: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """P(max |Z_i| > h) / P(|Z_1| > h) for Z normal with this correlation, shape of `heights`.

    The event is split by the last i with |Z_i| > h: the sum over i of P(|Z_j| <= h for j > i given |Z_i| > h). Each
    term lies in [0, 1] and is smooth, so that the result has a small relative error however small the tail.
    """
    total = np.ones_like(heights)
    for row in range(1, len(correlation)):
        earlier = correlation[:row, row]
        covariance = correlation[:row, :row] - np.outer(earlier, earlier)
        factor, groups = _pivoted_cholesky(covariance)
        points, weights = _points(len(groups))
        # |Z_row| given that it is above h; the sign does not matter.
        beyond = -special.ndtri(np.maximum(points[:, :1] * special.ndtr(-heights), 1e-300))
        total += weights @ _probability_inside(factor, groups, earlier, beyond, heights, points[:, 1:])
    return total


def _probability_inside(
    factor: np.ndarray,
    groups: list[list[int]],
    slopes: np.ndarray,
    given: np.ndarray,
    heights: np.ndarray,
    points: np.ndarray,
) -> np.ndarray:
    """The integrand of P(|slope_j given + (factor z)_j| <= h for all j), shape (points, heights) (Genz 1992)."""
    inside = np.ones_like(given)
    drawn: list[np.ndarray] = []
    for column, rows in enumerate(groups):
        lower = np.full_like(inside, -np.inf)
        upper = np.full_like(inside, np.inf)
        for row in rows:
            shift = slopes[row] * given
            for k in range(column):
                shift = shift + factor[row, k] * drawn[k]
            one, other = (-heights - shift) / factor[row, column], (heights - shift) / factor[row, column]
            lower = np.maximum(lower, np.minimum(one, other))
            upper = np.minimum(upper, np.maximum(one, other))
        below = special.ndtr(lower)
        probability = np.maximum(special.ndtr(upper) - below, 0.0)
        inside = inside * probability
        if column < len(groups) - 1:
            level = np.clip(below + points[:, column, None] * probability, 1e-300, 1 - 1e-16)
            drawn.append(special.ndtri(level))
    return inside


def _pivoted_cholesky(covariance: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
    """A factor (q, rank) with covariance = factor @ factor.T, and for each column the rows that end in it."""
    residual = covariance.copy()
    left = list(range(len(covariance)))
    columns: list[np.ndarray] = []
    groups: list[list[int]] = []
    while left:
        pivot = max(left, key=lambda row: residual[row, row])
        if residual[pivot, pivot] < _SINGULAR:
            break
        column = residual[:, pivot] / np.sqrt(residual[pivot, pivot])
        residual = residual - np.outer(column, column)
        done = [row for row in left if row == pivot or residual[row, row] < _SINGULAR]
        columns.append(column)
        groups.append(done)
        left = [row for row in left if row not in done]
    return np.column_stack(columns), groups


@lru_cache(maxsize=32)
def _points(dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, dimensions) of the unit cube and their weights (n,)."""
    if dimensions in _GAUSS_POINTS:
        nodes, weights = np.polynomial.legendre.leggauss(_GAUSS_POINTS[dimensions])
        nodes, weights = 0.5 * (nodes + 1), 0.5 * weights
        # The normal quantile has logarithmic ends; this substitution gives them a small weight.
        nodes, weights = nodes**2 * (3 - 2 * nodes), weights * 6 * nodes * (1 - nodes)
        cube = np.array(list(product(nodes, repeat=dimensions)))
        return cube, np.array([np.prod(w) for w in product(weights, repeat=dimensions)])
    # Richtmyer's lattice, folded ("baker's transformation") so that the integrand is periodic.
    steps = np.sqrt(np.array(_primes(dimensions), dtype=float))
    cube = np.abs(2 * np.modf((np.arange(_LATTICE_POINTS)[:, None] + 0.5) * steps)[0] - 1)
    return cube, np.full(_LATTICE_POINTS, 1 / _LATTICE_POINTS)


def _primes(count: int) -> Sequence[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found
