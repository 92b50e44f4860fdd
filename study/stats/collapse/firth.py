"""Logistic regression that stays finite when an arm has no events or nothing but events: Firth's penalty."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats


@dataclass(frozen=True)
class FirthFit:
    """A fitted model. Arrays have shape (coefficients,), in the order of the design's columns.

    Attributes:
        coefficients: log odds, the maximisers of the penalised likelihood.
        se: from the inverse Fisher information at the estimate.
        p: two-sided, of the penalised likelihood-ratio test of "this coefficient is 0".
        ci_low, ci_high: ends of the penalised profile-likelihood interval; infinite where the profile never falls far
            enough.
        penalised_loglik: log likelihood (without the binomial constant) + half the log determinant of the information.
    """

    coefficients: np.ndarray
    se: np.ndarray
    p: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    penalised_loglik: float


def firth_logistic(design: np.ndarray, events: np.ndarray, trials: np.ndarray, alpha: float = 0.05) -> FirthFit:
    """Fit log odds of an event = design @ coefficients by Jeffreys-penalised maximum likelihood.

    The penalty, half the log determinant of the Fisher information, removes the first-order bias and keeps estimates
    finite under separation (Firth 1993). Tests and intervals come from the penalised likelihood ratio, because a Wald
    test has no power there (Heinze & Schemper 2002).

    Args:
        design: shape (groups, coefficients), of full column rank.
        events, trials: counts a group, shape (groups,).
        alpha: 1 - the level of the intervals.

    Raises:
        ValueError: the design is not of full column rank.
    """
    design = np.asarray(design, dtype=float)
    events = np.asarray(events, dtype=float)
    trials = np.asarray(trials, dtype=float)
    columns = design.shape[1]
    if np.linalg.matrix_rank(design) < columns:
        raise ValueError("the design of the logistic model is not of full column rank")

    best = _maximise(design, events, trials, np.zeros(columns), free=np.ones(columns, dtype=bool))
    top = _penalised_loglik(best, design, events, trials)
    se = np.sqrt(np.diag(np.linalg.inv(_information(best, design, trials))))

    p, low, high = np.empty(columns), np.empty(columns), np.empty(columns)
    for column in range(columns):
        profile = _Profile(design, events, trials, best, column)
        p[column] = stats.chi2.sf(profile.deviance(0.0), 1)
        low[column] = _profile_end(profile, -se[column], alpha)
        high[column] = _profile_end(profile, se[column], alpha)
    return FirthFit(best, se, p, low, high, top)


class _Profile:
    """Twice the fall of the penalised log likelihood when one coefficient is held at a value."""

    def __init__(
        self, design: np.ndarray, events: np.ndarray, trials: np.ndarray, best: np.ndarray, column: int
    ) -> None:
        self._data = (design, events, trials)
        self._column = column
        self._free = np.arange(len(best)) != column
        self._last = best  # neighbouring values have neighbouring solutions, so each search starts at the last
        self._top = _penalised_loglik(best, *self._data)
        self.estimate = float(best[column])

    def deviance(self, value: float) -> float:
        start = self._last.copy()
        start[self._column] = value
        self._last = _maximise(*self._data, start, self._free)
        return max(2.0 * (self._top - _penalised_loglik(self._last, *self._data)), 0.0)


def _information(beta: np.ndarray, design: np.ndarray, trials: np.ndarray) -> np.ndarray:
    probability = special.expit(design @ beta)
    weights = trials * probability * (1.0 - probability)
    return (design * weights[:, None]).T @ design


def _penalised_loglik(beta: np.ndarray, design: np.ndarray, events: np.ndarray, trials: np.ndarray) -> float:
    predictor = design @ beta
    loglik = events @ special.log_expit(predictor) + (trials - events) @ special.log_expit(-predictor)
    sign, logdet = np.linalg.slogdet(_information(beta, design, trials))
    return float(loglik + 0.5 * logdet) if sign > 0 else -np.inf


def _maximise(
    design: np.ndarray, events: np.ndarray, trials: np.ndarray, start: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """Fisher scoring on the modified score, over the free coefficients; the penalty is that of the whole design."""
    beta = start.copy()
    if not free.any():
        return beta
    value = _penalised_loglik(beta, design, events, trials)
    for _ in range(200):
        probability = special.expit(design @ beta)
        weights = trials * probability * (1.0 - probability)
        information = _information(beta, design, trials)
        leverage = weights * np.einsum("ij,ji->i", design, np.linalg.solve(information, design.T))
        score = design.T @ (events - trials * probability + leverage * (0.5 - probability))
        step = np.zeros_like(beta)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], score[free])
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        for _ in range(40):
            candidate = _penalised_loglik(beta + step, design, events, trials)
            if candidate >= value - 1e-12 * abs(value):
                break
            step *= 0.5
        beta = beta + step
        value = candidate
        if float(np.abs(step).max()) < 1e-11:
            break
    return beta


def _profile_end(profile: _Profile, step: float, alpha: float) -> float:
    """Where the profile deviance reaches the chi-square quantile, walking from the estimate by growing steps."""
    limit = float(stats.chi2.ppf(1.0 - alpha, 1))
    near, far = profile.estimate, profile.estimate + step
    for _ in range(12):
        if profile.deviance(far) > limit:
            return float(optimize.brentq(lambda value: profile.deviance(value) - limit, near, far, xtol=1e-9))
        near, far = far, far + 2.0 * (far - near)
    return float(np.copysign(np.inf, step))
