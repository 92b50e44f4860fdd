"""The variance of accuracy between runs, split into the finite test set's part and the runs' own."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class RunVariance:
    """The variance of accuracy between runs of one cell, split; accuracy as a share of 1.

    Attributes:
        runs, images: how many.
        accuracy: mean over runs.
        total: s2(A), the sample variance of the runs' accuracies on these images.
        sampling: the part that a finite test set gives to identically good runs, (1 / images^2) sum of s2_i.
        distribution: Jordan's unbiased variance of the accuracy on endless test data; may be negative.
        ci_low, ci_high: interval of `distribution`, from the chi-square interval of `total` with `sampling` as known.
    """

    runs: int
    images: int
    accuracy: float
    total: float
    sampling: float
    distribution: float
    ci_low: float
    ci_high: float


def run_variance(correct: np.ndarray, alpha: float = 0.05) -> RunVariance:
    """Split the variance between the runs of one cell (Jordan 2023, arXiv 2304.01910).

    distribution = n / (n - 1) * [s2(A) - (1 / n^2) sum_i s2_i],  s2_i = K / (K - 1) p_i (1 - p_i)

    for K runs and n images, p_i the share of runs right on image i. It equals the analysis-of-variance estimate
    (MS_run - MS_run:image) / n and is unbiased, hence sometimes negative.

    Args:
        correct: right (1) or wrong (0), shape (runs, images), runs >= 2, images >= 2.
    """
    runs, n = correct.shape
    accuracy = correct.sum(axis=1, dtype=np.int64) / n
    share = correct.sum(axis=0, dtype=np.int64) / runs
    total = float(accuracy.var(ddof=1))
    sampling = float((share * (1 - share)).sum()) * runs / (runs - 1) / n**2
    ends = (runs - 1) * total / stats.chi2.ppf([1 - alpha / 2, alpha / 2], runs - 1)
    low, high = n / (n - 1) * (ends - sampling)
    return RunVariance(
        runs, n, float(accuracy.mean()), total, sampling, n / (n - 1) * (total - sampling), float(low), float(high)
    )


def pairwise_agreement(correct: np.ndarray) -> float:
    """Share of images on which two runs are both right or both wrong, mean over all pairs of runs.

    Args:
        correct: shape (runs, images), runs >= 2.
    """
    runs, n = correct.shape
    right = correct.sum(axis=0, dtype=np.int64)
    wrong = runs - right
    return float((right * (right - 1) + wrong * (wrong - 1)).sum()) / (runs * (runs - 1) * n)
