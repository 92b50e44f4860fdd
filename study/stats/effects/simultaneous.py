"""Intervals that hold for several contrasts at once, each with a standard error of its own."""

from functools import lru_cache

import numpy as np
from scipy import special, stats
from scipy.stats import qmc

DRAWS = 1 << 15
# Where the distribution is tabulated: from some 50 draws in the tail on.
_GRID = np.append(np.geomspace(50 / DRAWS, 0.999, 60), 1.0)


class Simultaneous:
    """The distribution of the smallest of several two-sided p values of correlated t statistics.

    The t statistics of paired contrasts are T_i = Z_i / s_i: Z is normal with the contrasts' correlation R, and each
    s_i is estimated from the same blocks, so that the s_i^2 are the diagonal of a Wishart matrix of R over its degrees
    of freedom, independent of Z. One s for all, as in the multivariate t distribution, gives intervals that are too
    narrow where blocks are few. The distribution is a mean over a fixed set of quasi-random draws (Sobol points,
    Bartlett's decomposition of the Wishart matrix): the same input gives the same bits.

    Contrasts with other degrees of freedom are compared by their p values.

    Args:
        groups: for each independent group of contrasts their correlation, shape (q, q), and their degrees of freedom,
            shape (q,). Taking dependent groups as independent is conservative (Royen 2014).
    """

    def __init__(self, groups: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self._groups = [_tabulated(*_key(*_distinct(*group))) for group in groups]
        self._counts = [len(_distinct(*group)[0]) for group in groups]

    @property
    def size(self) -> int:
        """The number of contrasts, those that equal another one counted once."""
        return sum(self._counts)

    def adjusted(self, p: float) -> float:
        """P(the smallest p value <= p): the adjusted p value of a contrast."""
        inside = sum(
            np.log1p(-_at_most(shares, p, count)) for shares, count in zip(self._groups, self._counts, strict=True)
        )
        return float(np.clip(-np.expm1(inside), p, 1.0))

    def level(self, alpha: float) -> float:
        """The level of each contrast's own interval at which all hold at once with probability 1 - alpha."""
        low, high = alpha / self.size, alpha
        if self.size == 1:
            return alpha
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self.adjusted(middle) > alpha else (middle, high)
        return low


def _at_most(shares: np.ndarray, p: float, count: int) -> float:
    """P(the smallest p value of a group <= p), from its `shares` on `_GRID`; at least p, at most count * p (Boole)."""
    if count == 1 or p <= 0:
        return min(p, 1 - 1e-16)
    # Below the grid the ratio to p hardly changes any more.
    ratio = np.exp(np.interp(np.log(p), np.log(_GRID), np.log(shares / _GRID)))
    return float(min(max(ratio * p, p), count * p, 1 - 1e-16))


def _distinct(correlation: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without contrasts that equal an earlier one or its negative: they have the same |t|."""
    keep: list[int] = []
    for row in range(len(correlation)):
        if all(abs(correlation[row, other]) < 1 - 1e-10 for other in keep):
            keep.append(row)
    return correlation[np.ix_(keep, keep)], df[keep]


def _key(correlation: np.ndarray, df: np.ndarray) -> tuple[bytes, float]:
    # Equal designs give equal matrices up to rounding; they shall share their draws and give equal bits.
    return np.round(correlation, 9).tobytes(), round(float(np.mean(df)), 6)


@lru_cache(maxsize=64)
def _tabulated(correlation: bytes, df: float) -> np.ndarray:
    """P(the smallest p value of a group <= x) for x in `_GRID`."""
    matrix = np.frombuffer(correlation)
    size = round(np.sqrt(len(matrix)))
    if size == 1:
        return _GRID
    values, vectors = np.linalg.eigh(matrix.reshape(size, size))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    z, factor = _draws(size, df)
    variances = ((root @ factor) ** 2).sum(axis=2) / df
    return _shares((z @ root.T) ** 2 / variances, df)


@lru_cache(maxsize=4)
def _draws(size: int, df: float) -> tuple[np.ndarray, np.ndarray]:
    """Independent normals (DRAWS, q), and Bartlett factors (DRAWS, q, q) of standard Wishart matrices."""
    below = size * (size - 1) // 2
    points = qmc.Sobol(2 * size + below, rng=np.random.default_rng([*b"simultaneous"])).random(DRAWS)
    points = np.clip(points, 1e-12, 1 - 1e-12)
    factor = np.zeros((DRAWS, size, size))
    factor[:, *np.tril_indices(size, -1)] = special.ndtri(points[:, size : size + below])
    for i in range(size):
        # Fewer degrees of freedom than contrasts: the Wishart matrix is singular, and so is its factor.
        if df > i:
            factor[:, i, i] = np.sqrt(2 * special.gammaincinv((df - i) / 2, points[:, size + below + i]))
        else:
            factor[:, :, i] = 0.0
    return special.ndtri(points[:, :size]), factor


def _shares(squares: np.ndarray, df: float) -> np.ndarray:
    """The share of draws whose smallest p value is at most x, for x in `_GRID`, from squared t statistics (DRAWS, q).

    How many of a draw's p values are at most x has a known mean, q x; it is a control variate.
    """
    size = squares.shape[1]
    heights = stats.t.isf(_GRID / 2, df) ** 2
    # The share of draws with k p values or more at most x, k = 1 ... q.
    ordered = np.sort(squares, axis=1)[:, ::-1]
    at_least = np.array([1.0 - np.searchsorted(np.sort(column), heights) / DRAWS for column in ordered.T])
    union, count = at_least[0], at_least.sum(axis=0)
    variance = (2 * np.arange(1, size + 1) - 1) @ at_least - count**2
    slope = np.divide((1 - union) * count, variance, out=np.zeros_like(count), where=variance > 1e-12)
    found = np.clip(union - slope * (count - size * _GRID), _GRID, np.minimum(size * _GRID, 1.0))
    return np.maximum.accumulate(found)
