"""Contrasts followed from look to look until each is settled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.stats.effects.cluster_robust import ROUNDING
from study.stats.effects.equivalence import Verdict, tost, verdict
from study.stats.layout import block_means, outcome_grid
from study.stats.sequential.e_process import monitor
from study.stats.table import RunTable


@dataclass(frozen=True)
class Look:
    """What is known about one contrast after so many blocks.

    `p` to `verdict` hold at all looks at once and at any time of stopping: intervals and p values never take back what
    an earlier look has shown. The interval excludes 0 exactly when `p_adjusted` is below alpha. Where the blocks are
    too few for the level, the ends are None. `naive_*` is what the fixed design's t test, adjusted for the contrasts
    but not for the looks, would have said.

    Attributes:
        blocks: the blocks looked at; pairs: the differences among them (fewer if runs are missing).
        p: two-sided; p_adjusted: times the number of contrasts.
        p_equivalence: that the difference is inside the margin, adjusted likewise; None without a margin.
    """

    blocks: int
    pairs: int
    estimate: float
    se: float
    p: float
    p_adjusted: float
    ci_low: float | None
    ci_high: float | None
    p_equivalence: float | None
    verdict: Verdict
    naive_low: float
    naive_high: float
    naive_verdict: Verdict


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
) -> list[ContrastPath]:
    """Follow each arm's difference from the control until its verdict is other than inconclusive.

    The differences are those of a block, averaged over the cells of the other factors, in percentage points or the
    response's unit. Each look knows only the blocks before it, in the order in which the table first names them; looks
    at more blocks than the table has are still to come. So the answer is a function of the runs alone.

    All claims about all arms at all looks are true at once with probability 1 - alpha or more (Bonferroni over the
    arms). What can be false of an arm without a difference is either direction, at half its level each; of one beyond
    the margin equivalence and the wrong direction, and the evidence for the latter is smaller than that for the former.
    """
    scale = table.scales()[-1]
    grid = outcome_grid(table, table.values(scale))
    seen = [look for look in looks if look <= grid.values.shape[2]]
    return [
        follow(level, _samples(grid.values, arm, seen), seen, len(table.arms), margin, alpha, table.higher_is_better)
        for arm, level in enumerate(table.arms, start=1)
    ]


def twin(table: RunTable, scale: str, path: ContrastPath, margin: float, alpha: float) -> Look | None:
    """The last look of the same contrast on another scale, over the looks of `path`; None if it has none."""
    grid = outcome_grid(table, table.values(scale))
    seen = [look.blocks for look in path.looks]
    arm = 1 + table.arms.index(path.level)
    samples = _samples(grid.values, arm, seen)
    higher = table.higher_is_better and scale != "log_odds"
    found = _follow(samples, seen, len(table.arms), margin, alpha, higher, to_the_end=True)
    return found[-1] if found else None


def follow(
    level: str,
    samples: Sequence[np.ndarray],
    looks: Sequence[int],
    contrasts: int,
    margin: float,
    alpha: float,
    higher_is_better: bool = True,
) -> ContrastPath:
    """Follow one contrast.

    Args:
        samples: the differences known at each look, without NaN.
        looks: the number of blocks of each look.
        contrasts: over how many contrasts alpha is shared.
    """
    found = _follow(samples, looks, contrasts, margin, alpha, higher_is_better, to_the_end=False)
    settled = bool(found) and found[-1].verdict != "inconclusive"
    return ContrastPath(level, tuple(found), found[-1].blocks if settled else None)


def _follow(
    samples: Sequence[np.ndarray],
    looks: Sequence[int],
    contrasts: int,
    margin: float,
    alpha: float,
    higher: bool,
    to_the_end: bool,
) -> list[Look]:
    known = [(look, sample) for look, sample in zip(looks, samples, strict=True) if len(sample) > 1]
    if not known:
        return []
    mean, se = np.array([_mean_and_error(sample) for _, sample in known]).T
    n = np.array([len(sample) for _, sample in known])
    seen = monitor(mean, se, n, level=alpha / contrasts, margin=margin)
    naive = stats.t.isf(alpha / contrasts / 2, n - 1) * se
    found: list[Look] = []
    for i, (blocks, _) in enumerate(known):
        estimate, low, high = float(mean[i]), float(seen.low[i]), float(seen.high[i])
        naive_low, naive_high = estimate - float(naive[i]), estimate + float(naive[i])
        equivalence = min(1.0, contrasts * float(seen.p_equivalence[i])) if margin > 0 else None
        naive_equivalence = tost(estimate, float(se[i]), float(n[i] - 1), margin) if margin > 0 else None
        found.append(
            Look(
                blocks=blocks,
                pairs=int(n[i]),
                estimate=estimate,
                se=float(se[i]),
                p=float(seen.p[i]),
                p_adjusted=min(1.0, contrasts * float(seen.p[i])),
                ci_low=low if np.isfinite(low) else None,
                ci_high=high if np.isfinite(high) else None,
                p_equivalence=equivalence,
                verdict=verdict(estimate, low, high, equivalence, margin, alpha, higher),
                naive_low=naive_low,
                naive_high=naive_high,
                naive_verdict=verdict(estimate, naive_low, naive_high, naive_equivalence, margin, alpha, higher),
            )
        )
        if found[-1].verdict != "inconclusive" and not to_the_end:
            break
    return found


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
