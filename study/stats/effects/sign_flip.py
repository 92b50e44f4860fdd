"""Sign-flip tests of differences within blocks: exact, and free of any assumption but symmetry."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from study.stats.layout import outcome_grid
from study.stats.table import RunTable

# Up to here all 2^(n-1) patterns are looked at; above, this many random ones.
MOST_BLOCKS = 20
RANDOM_PATTERNS = 100_000
RANDOM_SUBSETS = 20_000
BAND_PATTERNS = 20_000
_CHUNK = 1 << 14
# Random signs held at once, 128 MB of them.
_SIGNS = 2**24
# Sums of one pattern differ by rounding, depending on the order of addition; equal ones shall count as ties.
_TIE = 1e-9


@dataclass(frozen=True)
class SignFlip:
    """Sign-flip tests of q contrasts: the observed one-sample t statistics and two-sided p values, shape (q,) each."""

    statistic: np.ndarray
    p: np.ndarray


def sign_flip(differences: np.ndarray, rng: np.random.Generator) -> SignFlip:
    """Test that each contrast is symmetric about 0, by flipping the signs of whole blocks.

    The statistic is the one-sample t of the flipped differences. Up to `MOST_BLOCKS` blocks the test is exact and
    deterministic.

    Args:
        differences: shape (blocks, q); NaN where a block has no difference for a contrast.
        rng: used above `MOST_BLOCKS` blocks only; then p = (1 + hits) / (1 + patterns) (Phipson & Smyth 2010).
    """
    observed = ~np.isnan(differences)
    d = np.where(observed, differences, 0.0)
    d = d[observed.any(axis=1)]
    n = observed.sum(axis=0)
    if not len(d):
        return SignFlip(np.full(len(n), np.nan), np.full(len(n), np.nan))
    scale = np.sqrt(n * (d**2).sum(axis=0))
    correlation = np.divide(d.sum(axis=0), scale, out=np.zeros(d.shape[1]), where=scale > 0)
    statistic = _t(correlation, n)
    threshold = np.abs(statistic) * (1 - _TIE)
    exact = len(d) <= MOST_BLOCKS
    hits, patterns = np.zeros(len(n)), 0
    for sums in _all_sums(d) if exact else _random_sums(d, RANDOM_PATTERNS, rng):
        t = np.abs(_t(np.divide(sums, scale, out=np.zeros_like(sums), where=scale > 0), n))
        hits += (t >= threshold).sum(axis=0)
        patterns += len(sums)
    extra = 0 if exact else 1
    return SignFlip(statistic, (hits + extra) / (patterns + extra))


def critical_value(differences: np.ndarray, alpha: float, rng: np.random.Generator) -> float:
    """c such that mean +- c se are simultaneous 1 - alpha intervals: a quantile of the largest |t| over sign flips.

    The differences (blocks, q), without NaN, are centred first, so that their flips show chance alone. All patterns are
    used if there are no more than `BAND_PATTERNS`, else that many random ones.
    """
    d = differences - differences.mean(axis=0)
    n = np.full(d.shape[1], len(d))
    scale = np.sqrt(n * (d**2).sum(axis=0))
    d, scale, n = d[:, scale > 0], scale[scale > 0], n[scale > 0]
    if not len(n):
        return 0.0
    chunks = _all_sums(d) if 2 ** (len(d) - 1) <= BAND_PATTERNS else _random_sums(d, BAND_PATTERNS, rng)
    largest = np.concatenate([np.abs(_t(sums / scale, n)).max(axis=1) for sums in chunks])
    return float(np.quantile(largest, 1 - alpha, method="higher"))


def sign_flip_interval(
    differences: np.ndarray, alpha: float, rng: np.random.Generator
) -> tuple[float | None, float | None]:
    """The values that the sign-flip test of one contrast does not reject, shape (blocks,), no NaN.

    Its ends are order statistics of the means of all subsets of the differences (Hartigan 1969), of random ones above
    `MOST_BLOCKS`. None where there are too few blocks for the level.
    """
    n = len(differences)
    if n <= MOST_BLOCKS:
        sums, sizes = np.zeros(1), np.zeros(1)
        for value in differences:
            sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
        means = sums[1:] / sizes[1:]
        rank = int(np.floor(alpha * 2.0 ** (n - 1)))
    else:
        # The sum over a subset is half of the sum under its signs and of the plain sum; so is its size.
        with_sizes = np.column_stack([differences, np.ones(n)])
        doubled = np.concatenate(list(_random_sums(with_sizes, RANDOM_SUBSETS, rng))) + with_sizes.sum(axis=0)
        means = doubled[doubled[:, 1] > 0, 0] / doubled[doubled[:, 1] > 0, 1]
        rank = int(np.floor(alpha / 2 * (len(means) + 1)))
    if rank < 1:
        return None, None
    means = np.partition(means, [rank - 1, len(means) - rank])
    return float(means[rank - 1]), float(means[len(means) - rank])


def block_differences(table: RunTable, values: np.ndarray) -> np.ndarray:
    """Each arm minus the control within a block, averaged over the cells of the other factors.

    Args:
        table: the runs, with a block.
        values: the outcome of each run, shape (runs,).

    Returns:
        Shape (blocks, arms), arms in the order of `table.arms`; NaN where a block has no run of the arm or of the
        control. See `block_means` for blocks that lack some cells.
    """
    grid = outcome_grid(table, values)
    return np.column_stack([grid.block_differences(arm) for arm in range(1, len(grid.arms))])


def _t(correlation: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The t statistic of n differences whose sum is correlation * sqrt(n * their sum of squares)."""
    square = np.minimum(correlation**2, 1.0)
    rest = np.maximum(1.0 - square, 1e-30)
    return np.sign(correlation) * np.sqrt(np.maximum(n - 1, 0) * square / rest)


def _all_sums(d: np.ndarray) -> Iterator[np.ndarray]:
    """The sums of d (blocks, q) under all sign patterns but for their negatives, in chunks (patterns, q).

    Each pattern is one of the first half of the blocks, whose first keeps its sign, and one of the second half.
    """
    half = (len(d) + 1) // 2
    first, second = d[:1], np.zeros((1, d.shape[1]))
    for value in d[1:half]:
        first = np.concatenate([first + value, first - value])
    for value in d[half:]:
        second = np.concatenate([second + value, second - value])
    step = max(1, _CHUNK // len(second))
    for start in range(0, len(first), step):
        yield (first[start : start + step, None] + second).reshape(-1, d.shape[1])


def _random_sums(d: np.ndarray, patterns: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    step = max(1, min(_CHUNK, _SIGNS // len(d)))
    for start in range(0, patterns, step):
        size = min(step, patterns - start)
        yield (1.0 - 2.0 * rng.integers(0, 2, size=(size, len(d)), dtype=np.int8)) @ d
