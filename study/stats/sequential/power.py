"""How many seeds a sequential design will need: by simulation, as its stopping time has no closed form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.stats.effects.labels import label
from study.stats.effects.labels import settled as is_settled
from study.stats.sequential.e_process import monitor

STUDIES = 2000


@dataclass(frozen=True)
class Stopping:
    """When one contrast is settled, over simulated studies.

    Attributes:
        expected, median, q90: seeds spent on it; the budget where it is not settled.
        settled: share of the studies in which it is settled within the budget.
    """

    expected: float
    median: float
    q90: float
    settled: float


def stopping(
    effect: float, sd: float, margin: float, looks: Sequence[int], alpha: float, contrasts: int, stop: str = "settled"
) -> Stopping:
    """Simulate the seeds that a contrast is given until it is settled, see `study.stats.effects.labels.settled`.

    The same arguments give the same answer; all effects and spreads see the same standard normal draws.

    Args:
        effect: the true difference, where more is better; sd: of one seed's difference; margin: all in one unit.
        looks: the numbers of seeds that are looked at; the last is the budget.
        alpha, contrasts: the level, and over how many contrasts it is shared.
    """
    rng = np.random.default_rng([*b"stopping"])
    mean, se = prefix_moments(effect + sd * rng.normal(size=(STUDIES, looks[-1])), looks)
    seen = monitor(mean, se, np.array(looks), level=alpha / contrasts)
    settled = np.zeros(mean.shape, dtype=bool)
    outside, inside = (seen.low > 0) | (seen.high < 0), (seen.low > -margin) & (seen.high < margin)
    for at in zip(*np.nonzero(outside | inside), strict=True):
        settled[at] = is_settled(label(seen.low[at], seen.high[at], margin, True), stop, margin)
    seeds = np.where(settled.any(axis=1), np.array(looks)[settled.argmax(axis=1)], looks[-1])
    return Stopping(
        expected=float(seeds.mean()),
        median=float(np.median(seeds)),
        q90=float(np.quantile(seeds, 0.9, method="higher")),
        settled=float(settled.any(axis=1).mean()),
    )


def prefix_moments(samples: np.ndarray, looks: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of the first n values of each sample (..., values), for each n of `looks`."""
    n = np.asarray(looks)
    # About the first value, so that the squares do not cancel where the mean is large.
    centre = samples[..., :1]
    total = np.cumsum(samples - centre, axis=-1)[..., n - 1]
    squares = np.cumsum((samples - centre) ** 2, axis=-1)[..., n - 1]
    variance = np.maximum(squares - total**2 / n, 0.0) / np.maximum(n - 1, 1)
    return total / n + centre, np.sqrt(variance / n)
