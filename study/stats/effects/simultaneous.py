"""Intervals that hold for several contrasts at once, each with a standard error of its own."""

from functools import lru_cache

import numpy as np
from scipy import special, stats
from scipy.stats import qmc

DRAWS = 1 << 15
# Below this many draws a tail is extrapolated: there its ratio to that of a single contrast no longer changes.
_FEWEST = 400


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
        self._groups = [_smallest_p(*_key(*_distinct(*group))) for group in groups]
        self._counts = [len(_distinct(*group)[0]) for group in groups]

    @property
    def size(self) -> int:
        """The number of contrasts, those that equal another one counted once."""
        return sum(self._counts)

    def adjusted(self, p: float) -> float:
        """P(the smallest p value <= p): the adjusted p value of a contrast."""
        inside = sum(
            np.log1p(-_at_most(draws, p, count)) for draws, count in zip(self._groups, self._counts, strict=True)
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


def _at_most(draws: np.ndarray, p: float, count: int) -> float:
    """The share of sorted `draws` at or below p, interpolated; at least p and at most count * p (Boole)."""
    if count == 1:
        return min(p, 1 - 1e-16)
    few = float(draws[_FEWEST - 1])
    if p <= few:
        share = p * (_FEWEST - 0.5) / DRAWS / few
    else:
        share = float(np.interp(p, draws, (np.arange(len(draws)) + 0.5) / len(draws)))
    return min(max(share, p), count * p, 1 - 1e-16)


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
def _smallest_p(correlation: bytes, df: float) -> np.ndarray:
    """Draws of the smallest p value of a group, sorted, shape (DRAWS,)."""
    matrix = np.frombuffer(correlation)
    size = round(np.sqrt(len(matrix)))
    if size == 1:
        return np.zeros(0)
    values, vectors = np.linalg.eigh(matrix.reshape(size, size))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    below = size * (size - 1) // 2
    points = qmc.Sobol(2 * size + below, rng=np.random.default_rng([*b"simultaneous"])).random(DRAWS)
    points = np.clip(points, 1e-12, 1 - 1e-12)
    z = special.ndtri(points[:, :size]) @ root.T
    bartlett = np.zeros((DRAWS, size, size))
    bartlett[:, *np.tril_indices(size, -1)] = special.ndtri(points[:, size : size + below])
    freedom = np.maximum(df - np.arange(size), 0.0)
    for i, degrees in enumerate(freedom):
        # Fewer degrees of freedom than contrasts: the Wishart matrix is singular, and so is its factor.
        if degrees > 0:
            bartlett[:, i, i] = np.sqrt(2 * special.gammaincinv(degrees / 2, points[:, size + below + i]))
    if (freedom == 0).any():
        bartlett[:, :, int(np.ceil(df)) :] = 0.0
    variances = ((root @ bartlett) ** 2).sum(axis=2) / df
    t = np.abs(z) / np.sqrt(variances)
    return np.sort(2 * stats.t.sf(t.max(axis=1), df))
