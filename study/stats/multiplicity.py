"""Holm's adjustment for several tests."""

import numpy as np


def holm(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Holm's (1979) adjusted p values, and the factor by which each was multiplied. NaN stay out of the family.

    The factor, which no library tells, gives the level at which the procedure tests a contrast: alpha / factor. It is
    not capped where the adjusted p value is, at 1.
    """
    adjusted, factors = np.full(len(p), np.nan), np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    largest = 0.0
    for rank, i in enumerate(order):
        factor = float(len(order) - rank)
        largest = max(largest, factor * p[i])
        adjusted[i] = min(largest, 1.0)
        factors[i] = largest / p[i] if p[i] > 0 else factor
    return adjusted, factors
