"""Contrasts followed from look to look until each is settled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.stats.effects.cluster_robust import ROUNDING
from study.stats.effects.labels import Label, label
from study.stats.effects.labels import settled as is_settled
from study.stats.layout import block_means, outcome_grid
from study.stats.sequential.e_process import monitor
from study.stats.table import RunTable


@dataclass(frozen=True)
class Look:
    """What is known about one contrast after so many blocks.

    `p` to `label` hold at all looks at once and at any time of stopping: intervals and p values never take back what
    an earlier look has shown. The interval excludes 0 exactly when `p_adjusted` is below alpha. Where the blocks are
    too few for the level, the ends are None. `naive_*` is what the fixed design's t test, adjusted for the contrasts
    but not for the looks, would have said.

    Attributes:
        blocks: the blocks looked at; pairs: the differences among them (fewer if runs are missing).
        p: two-sided; p_adjusted: times the number of contrasts.
    """

    blocks: int
    pairs: int
    estimate: float
    se: float
    p: float
    p_adjusted: float
    ci_low: float | None
    ci_high: float | None
    label: Label
    naive_low: float
    naive_high: float
    naive_label: Label


@dataclass(frozen=True)
class ContrastPath:
    """One contrast: its looks, in order, the last one that at which it was settled if it was.

    Attributes:
        settled_at: the number of blocks at which it was settled; None if it is open.
    """

    level: str
    looks: tuple[Look, ...]
    settled_at: int | None


def paths(
    table: RunTable,
    looks: Sequence[int],
    *,
    margin: float,
    alpha: float = 0.05,
    stop: str = "settled",
) -> list[ContrastPath]:
    """Follow each arm's difference from the control until it is settled, see `study.stats.effects.labels.settled`.

    The differences are those of a block, averaged over the cells of the other factors, in percentage points or the
    response's unit. Each look knows only the blocks before it, in the order in which the table first names them; looks
    at more blocks than the table has are still to come. So the answer is a function of the runs alone.

    All claims about all arms at all looks are true at once with probability 1 - alpha or more (Bonferroni over the
    arms): the labels follow from intervals that hold at once.
    """
    scale = table.scale
    grid = outcome_grid(table, table.values(scale))
    seen = [look for look in looks if look <= grid.values.shape[2]]
    return [
        follow(
            level,
            _samples(grid.values, arm, seen),
            seen,
            len(table.arms),
            margin,
            alpha,
            table.higher_is_better,
            stop,
            table.furthest(scale),
        )
        for arm, level in enumerate(table.arms, start=1)
    ]


def follow(
    level: str,
    samples: Sequence[np.ndarray],
    looks: Sequence[int],
    contrasts: int,
    margin: float,
    alpha: float,
    higher_is_better: bool = True,
    stop: str = "settled",
    furthest: float = np.inf,
) -> ContrastPath:
    """Follow one contrast.

    Args:
        samples: the differences known at each look, without NaN.
        looks: the number of blocks of each look.
        contrasts: over how many contrasts alpha is shared.
        furthest: how far apart two outcomes can be; intervals end there.
    """
    known = [(look, sample) for look, sample in zip(looks, samples, strict=True) if len(sample) > 1]
    if not known:
        return ContrastPath(level, (), None)
    mean, se = np.array([_mean_and_error(sample) for _, sample in known]).T
    n = np.array([len(sample) for _, sample in known])
    seen = monitor(mean, se, n, level=alpha / contrasts)
    naive = stats.t.isf(alpha / contrasts / 2, n - 1) * se
    found: list[Look] = []
    for i, (blocks, _) in enumerate(known):
        estimate, low, high = float(mean[i]), float(seen.low[i]), float(seen.high[i])
        naive_low, naive_high = estimate - float(naive[i]), estimate + float(naive[i])
        found.append(
            Look(
                blocks=blocks,
                pairs=int(n[i]),
                estimate=estimate,
                se=float(se[i]),
                p=float(seen.p[i]),
                p_adjusted=min(1.0, contrasts * float(seen.p[i])),
                ci_low=max(low, -furthest) if np.isfinite(low) else None,
                ci_high=min(high, furthest) if np.isfinite(high) else None,
                label=label(low, high, margin, higher_is_better),
                naive_low=naive_low,
                naive_high=naive_high,
                naive_label=label(naive_low, naive_high, margin, higher_is_better),
            )
        )
        if is_settled(found[-1].label, stop, margin):
            return ContrastPath(level, tuple(found), blocks)
    return ContrastPath(level, tuple(found), None)


def _samples(values: np.ndarray, arm: int, looks: Sequence[int]) -> list[np.ndarray]:
    """The differences of an arm known at each look, from outcomes (arms, cells, blocks)."""
    samples = []
    for look in looks:
        known = values[[0, arm], :, :look]
        differences = block_means(known[1]) - block_means(known[0])
        samples.append(differences[~np.isnan(differences)])
    return samples


def _mean_and_error(sample: np.ndarray) -> tuple[float, float]:
    """Mean and standard error; equal values have an error of 0, not of rounding."""
    error = float(sample.std(ddof=1) / np.sqrt(len(sample)))
    return float(sample.mean()), error if error > ROUNDING * float(np.abs(sample).max()) else 0.0
