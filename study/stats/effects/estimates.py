"""Estimates of linear functions of cell means or coefficients, whatever model they come from."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimates:
    """Estimates of q linear functions, shape (q,), their covariance, (q, q), and degrees of freedom, (q,).

    `df` is NaN where the variance is 0 by design.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    df: np.ndarray

    @property
    def se(self) -> np.ndarray:
        """Standard errors, (q,); NaN where the estimated variance is not above 0."""
        variance = np.diag(self.covariance)
        return np.sqrt(np.where(variance > 0.0, variance, np.nan))
