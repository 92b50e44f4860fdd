"""Many runs judging the same many images: how far a difference between arms holds beyond these runs and these images.

Arms are the modalities, blocks (seeds) the readers and images the cases of a multi-reader multi-case study
(Dorfman, Berbaum & Metz 1992; Obuchowski & Rockette 1995), with the degrees of freedom of Hillis (2007).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of the arm x block x image layout with one value a combination, and their degrees of freedom.

    The scale is that of the values squared (shares of right answers squared). The terms are "arm", "block", "image",
    "arm:block", "arm:image", "block:image" and "arm:block:image".
    """

    mean_square: dict[str, float]
    df: dict[str, int]


@dataclass(frozen=True)
class Difference:
    """A difference between two arms in one scope, in shares of right answers (not per cent)."""

    estimate: float
    se: float
    df: float
    statistic: float | None
    p: float
    ci_low: float
    ci_high: float


def mean_squares(values: np.ndarray, divisor: float = 1.0) -> MeanSquares:
    """Mean squares of a complete three-way layout, equal to those of a linear model with all interactions.

    Args:
        values: whole numbers (or booleans), shape (arms, blocks, images).
        divisor: what turns them into shares of right answers, the number of runs that were summed up.
    """
    t, r, c = values.shape
    total = float(values.sum(dtype=np.int64)) / divisor
    squares = float(np.einsum("trc,trc->", values, values, dtype=np.int64, casting="same_kind")) / divisor**2
    mean = total / (t * r * c)
    arm_block = values.sum(axis=2, dtype=np.int64) / (divisor * c) - mean
    arm_image = values.sum(axis=1, dtype=np.int64) / (divisor * r) - mean
    block_image = values.sum(axis=0, dtype=np.int64) / (divisor * t) - mean
    arm, block, image = arm_block.mean(axis=1), arm_block.mean(axis=0), arm_image.mean(axis=0)
    sums = {
        "arm": r * c * (arm @ arm),
        "block": t * c * (block @ block),
        "image": t * r * (image @ image),
        "arm:block": c * ((arm_block - arm[:, None] - block) ** 2).sum(),
        "arm:image": r * ((arm_image - arm[:, None] - image) ** 2).sum(),
        "block:image": t * ((block_image - block[:, None] - image) ** 2).sum(),
    }
    sums["arm:block:image"] = max(squares - t * r * c * mean**2 - sum(sums.values()), 0.0)
    df = {
        "arm": t - 1,
        "block": r - 1,
        "image": c - 1,
        "arm:block": (t - 1) * (r - 1),
        "arm:image": (t - 1) * (c - 1),
        "block:image": (r - 1) * (c - 1),
        "arm:block:image": (t - 1) * (r - 1) * (c - 1),
    }
    return MeanSquares({term: float(sums[term]) / df[term] for term in df}, df)


def paired_difference(differences: np.ndarray, divisor: float, new_images: bool, alpha: float = 0.05) -> Difference:
    """Arm minus control over the same blocks.

    Args:
        differences: whole numbers, shape (blocks, images): runs of the arm right on the image minus those of the
            control.
        divisor: runs summed up in each arm.
        new_images: whether the images are random too.
        alpha: 1 - the level of the interval.

    The variance is var_blocks + max(var_images - var_both, 0), each of the mean: the mean squares of two arms.
    """
    blocks, images = differences.shape
    by_block = differences.sum(axis=1, dtype=np.int64) / (divisor * images)
    by_image = differences.sum(axis=0, dtype=np.int64) / (divisor * blocks)
    estimate = float(by_block.mean())
    squares = float(np.einsum("bi,bi->", differences, differences, dtype=np.int64)) / divisor**2
    between_blocks = images * float(((by_block - estimate) ** 2).sum())
    between_images = blocks * float(((by_image - estimate) ** 2).sum())
    rest = max(squares - blocks * images * estimate**2 - between_blocks - between_images, 0.0)
    var_blocks = between_blocks / (images * blocks * (blocks - 1))
    var_images = between_images / (images * blocks * (images - 1))
    var_both = rest / (images * blocks * (blocks - 1) * (images - 1))
    extra = max(var_images - var_both, 0.0) if new_images else 0.0
    return _difference(estimate, var_blocks, float(blocks - 1), extra, images, alpha)


def unpaired_difference(
    arm: list[np.ndarray], control: list[np.ndarray], new_images: bool, alpha: float = 0.05
) -> Difference:
    """Arm minus control without blocks: runs are independent, the images shared; df by Welch and Satterthwaite.

    Args:
        arm, control: for each cell of the other factors an array of right (1) or wrong (0), shape (runs, images),
            runs >= 2.
    """
    images = arm[0].shape[1]
    profile = np.zeros(images)
    var_runs, var_both, spread = 0.0, 0.0, 0.0
    for sign, cells in ((1.0, arm), (-1.0, control)):
        for correct in cells:
            runs = correct.shape[0]
            by_run, by_image = correct.mean(axis=1), correct.mean(axis=0)
            mean = float(by_run.mean())
            between_runs = images * float(((by_run - mean) ** 2).sum())
            between_images = runs * float(((by_image - mean) ** 2).sum())
            rest = max(runs * images * mean * (1.0 - mean) - between_runs - between_images, 0.0)
            part = between_runs / (images * runs * (runs - 1)) / len(cells) ** 2
            var_runs += part
            spread += part**2 / (runs - 1)
            var_both += rest / (images * runs * (runs - 1) * (images - 1)) / len(cells) ** 2
            profile += sign * by_image / len(cells)
    df = var_runs**2 / spread if spread > 0 else float(sum(c.shape[0] - 1 for c in (*arm, *control)))
    extra = max(float(profile.var(ddof=1)) / images - var_both, 0.0) if new_images else 0.0
    return _difference(float(profile.mean()), var_runs, df, extra, images, alpha)


def _difference(
    estimate: float, var_runs: float, df_runs: float, extra: float, images: int, alpha: float
) -> Difference:
    """t test of the estimate with variance `var_runs + extra`; Hillis's df take `extra` as known without error."""
    se = float(np.sqrt(var_runs + extra))
    if se == 0.0:
        return Difference(estimate, 0.0, df_runs, None, 1.0 if estimate == 0.0 else 0.0, estimate, estimate)
    df = df_runs * ((var_runs + extra) / var_runs) ** 2 if var_runs > 0.0 else float(images - 1)
    half = float(stats.t.ppf(1 - alpha / 2, df)) * se
    p = 2.0 * float(stats.t.sf(abs(estimate) / se, df))
    return Difference(estimate, se, df, estimate / se, p, estimate - half, estimate + half)
