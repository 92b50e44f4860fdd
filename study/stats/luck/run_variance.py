"""The variance of accuracy between runs, split into the finite test set's part and the runs' own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class RunVariance:
    """The variance of accuracy between runs of a cell, mean over cells, split; accuracy as a share of 1.

    Attributes:
        total: s2(A), the sample variance of the runs' accuracies on these images.
        sampling: the part that a finite test set gives to identically good runs, (1 / images^2) sum of s2_i.
        distribution: Jordan's unbiased variance of the accuracy on endless test data; may be negative.
        ci_low, ci_high: interval of `distribution`, from the chi-square interval of `total` with `sampling` as known.
    """

    total: float
    sampling: float
    distribution: float
    ci_low: float
    ci_high: float


def run_variance(cells: Sequence[np.ndarray], alpha: float = 0.05) -> RunVariance:
    """Split the variance between the runs of the cells (Jordan 2023, arXiv 2304.01910).

    distribution = n / (n - 1) * [s2(A) - (1 / n^2) sum_i s2_i],  s2_i = K / (K - 1) p_i (1 - p_i)

    for K runs and n images, p_i the share of runs right on image i. It equals the analysis-of-variance estimate
    (MS_run - MS_run:image) / n and is unbiased, hence sometimes negative. The interval of a mean over cells uses
    Satterthwaite's degrees of freedom.

    Args:
        cells: one or more arrays of right (1) or wrong (0), shape (runs, images), runs >= 2, images >= 2.
    """
    n = cells[0].shape[1]
    df = np.array([len(correct) - 1 for correct in cells])
    totals = np.array([(correct.sum(axis=1, dtype=np.int64) / n).var(ddof=1) for correct in cells])
    total, sampling = float(totals.mean()), float(np.mean([_sampling(correct) for correct in cells]))
    pooled_df = totals.sum() ** 2 / (totals**2 / df).sum() if total > 0 else float(df.sum())
    ends = pooled_df * total / stats.chi2.ppf([1 - alpha / 2, alpha / 2], pooled_df)
    low, high = n / (n - 1) * (ends - sampling)
    return RunVariance(total, sampling, n / (n - 1) * (total - sampling), float(low), float(high))


def _sampling(correct: np.ndarray) -> float:
    runs, n = correct.shape
    share = correct.sum(axis=0, dtype=np.int64) / runs
    return float((share * (1 - share)).sum()) * runs / (runs - 1) / n**2
