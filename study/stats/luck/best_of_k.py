"""What picking the best of k runs gains."""

import numpy as np
from scipy import special


def expected_best(values: np.ndarray) -> np.ndarray:
    """Expected largest of k of the values, drawn without replacement, for k = 1 ... n.

    sum_i C(i - 1, k - 1) / C(n, k) value_(i), over the sorted values: the unbiased estimate of the expected maximum of
    k independent runs (Dodge et al. 2019, in the unbiased form of Tang et al. 2020).

    Args:
        values: shape (n,).

    Returns:
        Shape (n,); the first is the mean, the last the largest value.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    rank, k = np.arange(1, n + 1), np.arange(1, n + 1)[:, None]
    chosen = np.where(rank >= k, _log_choose(rank - 1.0, k - 1.0), -np.inf)
    return np.exp(chosen - _log_choose(np.full(k.shape, float(n)), k.astype(float))) @ ordered


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
