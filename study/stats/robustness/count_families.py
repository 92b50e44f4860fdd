"""Distributions of a count of successes, with the derivatives that a Laplace approximation needs."""

from dataclasses import dataclass

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Derivatives:
    """Log likelihood of each row and its derivatives, each of shape (rows,).

    Attributes:
        loglik: with the binomial constant.
        first: derivative in the linear predictor (log odds of success).
        weight: minus the second derivative; weight_slope: the derivative of that.
        by_log_phi: derivatives in log phi of (loglik, first, weight); None without a phi.
    """

    loglik: np.ndarray
    first: np.ndarray
    weight: np.ndarray
    weight_slope: np.ndarray
    by_log_phi: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class Binomial:
    """k of n, independent trials of one probability."""

    k: np.ndarray
    n: np.ndarray
    dispersed: bool = False

    def derivatives(self, predictor: np.ndarray, log_phi: float = 0.0) -> Derivatives:
        k, n = self.k, self.n
        p = special.expit(predictor)
        loglik = k * special.log_expit(predictor) + (n - k) * special.log_expit(-predictor) + _log_choose(n, k)
        weight = n * p * special.expit(-predictor)
        return Derivatives(loglik, k - n * p, weight, weight * (1 - 2 * p))


@dataclass(frozen=True)
class BetaBinomial:
    """k of n, the probability itself beta(mu phi, (1 - mu) phi); its variance falls with phi."""

    k: np.ndarray
    n: np.ndarray
    dispersed: bool = True

    def derivatives(self, predictor: np.ndarray, log_phi: float = 0.0) -> Derivatives:
        k, n, phi = self.k, self.n, np.exp(log_phi)
        mu = special.expit(predictor)
        m = mu * special.expit(-predictor)
        m1 = m * (1 - 2 * mu)
        m2 = m1 * (1 - 2 * mu) - 2 * m**2
        a, b = mu * phi, (1 - mu) * phi
        a1, a2, a3 = (special.polygamma(order, k + a) - special.polygamma(order, a) for order in (0, 1, 2))
        b1, b2, b3 = (special.polygamma(order, n - k + b) - special.polygamma(order, b) for order in (0, 1, 2))
        loglik = special.betaln(k + a, n - k + b) - special.betaln(a, b) + _log_choose(n, k)
        slope, bend = a1 - b1, a2 + b2
        first = phi * m * slope
        second = phi * (m1 * slope + phi * m**2 * bend)
        third = phi * (m2 * slope + 3 * phi * m * m1 * bend + phi**2 * m**3 * (a3 - b3))
        mixed = mu * a2 - (1 - mu) * b2
        by_phi = mu * a1 + (1 - mu) * b1 + special.psi(phi) - special.psi(n + phi)
        first_by_phi = m * slope + phi * m * mixed
        second_by_phi = second / phi + phi * (m1 * mixed + m**2 * bend + phi * m**2 * (mu * a3 + (1 - mu) * b3))
        return Derivatives(loglik, first, -second, -third, (phi * by_phi, phi * first_by_phi, -phi * second_by_phi))


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return -special.betaln(k + 1.0, n - k + 1.0) - np.log(n + 1.0)
