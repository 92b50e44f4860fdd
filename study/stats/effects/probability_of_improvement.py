"""How often the arm beats the control: the probability of improvement."""

from dataclasses import dataclass

import numpy as np

from study.stats.layout import without_rounding


@dataclass(frozen=True)
class Improvement:
    """P(a run of the arm is better than one of the control), ties counted half, with percentile intervals.

    Attributes:
        paired, paired_low, paired_high: runs of the same block; None without blocks.
        unpaired, unpaired_low, unpaired_high: runs of any two blocks, the Mann-Whitney statistic over its pairs.
    """

    paired: float | None
    paired_low: float | None
    paired_high: float | None
    unpaired: float
    unpaired_low: float
    unpaired_high: float


def probability_better(
    arm: np.ndarray,
    control: np.ndarray,
    rng: np.random.Generator,
    *,
    paired: bool,
    alpha: float = 0.05,
    replicates: int = 1000,
) -> Improvement:
    """Mean over cells of the share of pairs in which the arm is better.

    Args:
        arm, control: outcomes, larger is better, shape (cells, blocks), NaN where missing. If not paired the last axis
            only numbers the runs.
        rng: draws the resamples of blocks (of runs if not paired, each arm by itself).
        paired: whether the last axis is a block; without a block that has both, the paired results are None.
        alpha: 1 - the level of the intervals.
        replicates: number of resamples.
    """
    # The rounding of means breaks no ties.
    both = without_rounding(np.stack([arm, control]))
    arm, control = both
    blocks = arm.shape[1]
    tails = [alpha / 2, 1 - alpha / 2]
    counts = _resample_counts(blocks, replicates, rng)
    others = counts if paired else _resample_counts(blocks, replicates, rng)
    once = np.ones((1, blocks))
    unpaired = float(_mann_whitney(arm, control, once, once)[0])
    unpaired_low, unpaired_high = np.nanquantile(_mann_whitney(arm, control, counts, others), tails)
    same = float(_matched(arm, control, once)[0]) if paired else np.nan
    # Where no block has both, there is nothing to compare within blocks.
    if np.isnan(same):
        return Improvement(None, None, None, unpaired, float(unpaired_low), float(unpaired_high))
    low, high = np.nanquantile(_matched(arm, control, counts), tails)
    return Improvement(same, float(low), float(high), unpaired, float(unpaired_low), float(unpaired_high))


def _resample_counts(blocks: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """How often each block is in each resample, shape (replicates, blocks)."""
    return rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=replicates).astype(float)


def _matched(arm: np.ndarray, control: np.ndarray, counts: np.ndarray) -> np.ndarray:
    wins = np.heaviside(arm - control, 0.5)
    present = ~np.isnan(wins)
    return _mean_share(counts @ np.where(present, wins, 0.0).T, counts @ present.T)


def _mann_whitney(arm: np.ndarray, control: np.ndarray, counts: np.ndarray, others: np.ndarray) -> np.ndarray:
    """U over its pairs, each run counted `counts` (arm) or `others` (control) times, (resamples, blocks) each."""
    wins, pairs = [], []
    for one, other in zip(arm, control, strict=True):
        here, there = np.flatnonzero(~np.isnan(one)), np.flatnonzero(~np.isnan(other))
        order = there[np.argsort(other[there])]
        below = np.concatenate([np.zeros((len(others), 1)), np.cumsum(others[:, order], axis=1)], axis=1)
        first, last = (np.searchsorted(other[order], one[here], side=side) for side in ("left", "right"))
        beaten = 0.5 * (below[:, first] + below[:, last])
        wins.append((counts[:, here] * beaten).sum(axis=1))
        pairs.append(counts[:, here].sum(axis=1) * below[:, -1])
    return _mean_share(np.array(wins).T, np.array(pairs).T)


def _mean_share(wins: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Mean over cells, the last axis, of wins / pairs, leaving out cells without pairs; NaN if there are none."""
    shares = np.divide(wins, pairs, out=np.zeros(wins.shape), where=pairs > 0)
    cells = (pairs > 0).sum(axis=1)
    return np.divide(shares.sum(axis=1), cells, out=np.full(len(wins), np.nan), where=cells > 0)
