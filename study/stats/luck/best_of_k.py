"""What picking the best of k runs gains."""

import numpy as np


def expected_best(values: np.ndarray) -> np.ndarray:
    """Expected largest of k of the values, drawn without replacement, for k = 1 ... n.

    sum_i C(i - 1, k - 1) / C(n, k) value_(i), over the sorted values: the unbiased estimate of the expected maximum of
    k independent runs (Dodge et al. 2019, in the unbiased form of Tang et al. 2020).

    Args:
        values: shape (n,).

    Returns:
        Shape (n,); the first is the mean, the last the largest value.
    """
    falling = np.sort(np.asarray(values, dtype=float))[::-1]
    n = len(falling)
    k = np.arange(1, n + 1)[:, None]
    # The weight of the largest is k / n, and that of rank i - 1 is (i - k) / (i - 1) times that of rank i.
    rank = np.arange(n, 1, -1)
    steps = np.maximum(rank - k, 0) / (rank - 1)
    return np.cumprod(np.concatenate([k / n, steps], axis=1), axis=1) @ falling
