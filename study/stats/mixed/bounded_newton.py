"""Newton's method for a smooth function of few variables with lower bounds, exact at the bounds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_ROUNDING = 1e-9  # relative error that a value may have where the function is ill-conditioned
_MOST_STEPS = 200
_SHORTEST = 1e-8  # part of a step below which no better point is looked for

Objective = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Minimum:
    """Where the search ended: the point, its value, gradient and Hessian, and whether it is a minimum."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    converged: bool


def minimise(objective: Objective, start: np.ndarray, lower: np.ndarray, *, tolerance: float = 1e-12) -> Minimum:
    """Minimise `objective` (value, gradient, Hessian) subject to x >= lower.

    Projected Newton with an active set (Bertsekas 1982): a variable at its bound with a rising value stays there, so a
    bound is met exactly. Where the Hessian is not positive definite its eigenvalues' absolute values are used. It ends
    when a step promises less than `tolerance` of the value; the last step is still taken, which squares the error.
    """
    lower = np.asarray(lower, dtype=float)
    x = np.maximum(np.asarray(start, dtype=float), lower)
    value, gradient, hessian = objective(x)
    for _ in range(_MOST_STEPS):
        step = _direction(x, lower, gradient, hessian)
        promised = -(gradient @ step)
        if promised <= 0.0:
            return Minimum(x, value, gradient, hessian, True)
        last = promised < tolerance
        length = 1.0
        while True:
            candidate = np.maximum(x + length * step, lower)
            new_value, new_gradient, new_hessian = objective(candidate)
            # Within rounding the value cannot tell better from worse; the gradient still can, so the step is taken.
            slack = _ROUNDING * (1.0 + abs(value))
            if np.isfinite(new_value) and new_value <= value + slack - 1e-4 * length * promised * (not last):
                break
            length *= 0.5
            if length < _SHORTEST:
                return Minimum(x, value, gradient, hessian, promised < 1e-7)
        x, value, gradient, hessian = candidate, new_value, new_gradient, new_hessian
        if last:
            return Minimum(x, value, gradient, hessian, True)
    return Minimum(x, value, gradient, hessian, False)


def _direction(x: np.ndarray, lower: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """The Newton step in the variables that may move, zero in the others."""
    step = np.zeros_like(x)
    free = (x > lower) | (gradient < 0.0)
    if not free.any():
        return step
    eigenvalues, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
    curvature = np.maximum(np.abs(eigenvalues), 1e-12 * np.abs(eigenvalues).max() + 1e-300)
    step[free] = -vectors @ ((vectors.T @ gradient[free]) / curvature)
    # A free variable at its bound has a falling value, so leaving out its outward step keeps the direction downhill.
    step[(x <= lower) & (step < 0.0)] = 0.0
    return step
