"""Profile likelihood intervals of a mixed model's standard deviations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.stats.mixed.bounded_newton import minimise
from study.stats.mixed.likelihood import Likelihood, likelihood
from study.stats.mixed.lmm import LARGEST_RATIO, MixedModel

_LARGEST_CHANGE = 60.0  # of log s2 in the search; steps beyond it are refused
_LARGEST_EXPONENT = 700.0  # that exp() survives


@dataclass(frozen=True)
class SdInterval:
    """Standard deviation of a random term or the residual, its profile likelihood interval; `sd_high` may be inf."""

    term: str
    sd: float
    sd_low: float
    sd_high: float


@dataclass(frozen=True)
class ProfilePoint:
    """-2 log L with one standard deviation held, its derivative in that, and where the other parameters then are."""

    deviance: float
    slope: float
    others: np.ndarray


class VarianceProfile:
    """-2 log L of a model, restricted, with one standard deviation held and everything else estimated.

    Terms are numbered as in `model.random`; the residual comes last. Parameters are the r variance ratios and log s2;
    holding a random term's standard deviation sd makes its ratio sd^2 / s2.
    """

    def __init__(self, model: MixedModel) -> None:
        self.model = model
        self._minimum = model.at_optimum.deviance
        self._names = [*model.random, "residual"]
        self._best = np.append(model.at_optimum.ratios, np.log(model.residual_variance))
        self._latest: tuple[np.ndarray, Likelihood] | None = None

    def point(self, term: int, sd: float, start: np.ndarray | None = None) -> ProfilePoint:
        """Minimise over the parameters but one, from `start` if it is given."""
        others = np.delete(np.arange(len(self._best)), term)
        residual = term == len(self._best) - 1

        def place(x: np.ndarray) -> np.ndarray:
            return np.insert(x, term, 2.0 * np.log(sd) if residual else sd**2 * np.exp(min(-x[-1], _LARGEST_EXPONENT)))

        def objective(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
            parameters = place(x)
            if (parameters[:-1] > 10.0 * LARGEST_RATIO).any() or abs(parameters[-1] - self._best[-1]) > _LARGEST_CHANGE:
                return np.inf, np.zeros(len(x)), np.eye(len(x))
            value, gradient, hessian = self._value(parameters)
            along = np.zeros((len(parameters), len(x)))
            along[others, np.arange(len(x))] = 1.0
            curvature = np.zeros((len(x), len(x)))
            if not residual:
                # The held ratio moves with log s2: d ratio / d log s2 = -ratio.
                along[term, -1] = -parameters[term]
                curvature[-1, -1] = gradient[term] * parameters[term]
            return value, along.T @ gradient, along.T @ hessian @ along + curvature

        lower = np.append(np.zeros(len(self._best) - 1), -np.inf)[others]
        found = minimise(objective, self._best[others] if start is None else start, lower, tolerance=1e-9)
        gradient = self._value(place(found.x))[1]
        slope = 2.0 / sd * gradient[-1] if residual else 2.0 * sd * np.exp(-found.x[-1]) * gradient[term]
        return ProfilePoint(found.value, float(slope), found.x)

    def interval(self, term: int, alpha: float = 0.05) -> SdInterval:
        """The standard deviations whose -2 log L is within the chi-squared quantile of the minimum."""
        limit = float(stats.norm.isf(alpha / 2.0))
        estimate = float(np.sqrt([*self.model.variances, self.model.residual_variance][term]))
        start: list[np.ndarray | None] = [None]

        def root(sd: float) -> tuple[float, float]:
            """The square root of the rise above the minimum, less its limit: nearly a line in sd."""
            point = self.point(term, sd, start[0])
            start[0] = point.others
            rise = float(np.sqrt(max(point.deviance - self._minimum, 1e-12)))
            return rise - limit, point.slope / (2.0 * rise)

        scale = max(estimate, 0.1 * float(np.sqrt(self.model.residual_variance)))
        high = _crossing(root, estimate + 0.5 * scale, inside=estimate, outside=np.inf)
        start[0] = None
        if term < len(self.model.random) and self._holds_zero(term, limit):
            return SdInterval(self._names[term], estimate, 0.0, high)
        low = _crossing(root, estimate**2 / high, inside=estimate, outside=0.0)
        return SdInterval(self._names[term], estimate, low, high)

    def _holds_zero(self, term: int, limit: float) -> bool:
        """Whether a standard deviation of 0 of a random term is within the limit."""
        return self._best[term] == 0.0 or self.point(term, 0.0).deviance - self._minimum <= limit**2

    def _value(self, parameters: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """-2 log L and its derivatives at the ratios and log s2."""
        log_s2 = float(parameters[-1])
        if self._latest is None or not np.array_equal(self._latest[0], parameters):
            self._latest = parameters, likelihood(self.model.patterns, parameters[:-1])
        fit = self._latest[1]
        shrink = np.exp(-log_s2)
        scaled = fit.quadratic * shrink
        slope = fit.quadratic_gradient * shrink
        value = fit.degrees * (log_s2 + np.log(2.0 * np.pi)) + fit.log_determinant + scaled
        gradient = np.append(fit.determinant_gradient + slope, fit.degrees - scaled)
        curvature = fit.determinant_hessian + fit.quadratic_hessian * shrink
        return value, gradient, np.block([[curvature, -slope[:, None]], [-slope[None, :], np.array([[scaled]])]])


def _crossing(root: Callable[[float], tuple[float, float]], x: float, inside: float, outside: float) -> float:
    """Where `root` (value, slope) is zero: Newton's method from x.

    `inside` is where `root` is negative, `outside` where it is positive; infinite if no such place is found above.
    """
    for _ in range(100):
        value, slope = root(x)
        if value < 0.0:
            inside = x
        else:
            outside = x
        step = -value / slope if slope != 0.0 else np.inf
        low, high = min(inside, outside), max(inside, outside)
        if low <= x + step <= high and (np.isfinite(outside) or x + step < 4.0 * x):
            x += step
            if abs(step) <= 1e-6 * x:
                return float(x)
        else:
            x = 2.0 * x if np.isinf(outside) else (low + high) / 2.0
    return float(np.inf if np.isinf(outside) else x)
