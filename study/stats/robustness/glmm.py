"""Mixed models of counts: log odds = cell mean + random intercepts, by the Laplace approximation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, optimize, special

from study.stats.robustness.count_families import BetaBinomial, Binomial, Derivatives


@dataclass(frozen=True)
class CountFit:
    """A fitted model.

    Attributes:
        cell_means: log odds of success, shape (cells,).
        covariance: of the cell means, from the curvature of the marginal likelihood, shape (cells, cells).
        variances: of the random intercepts, in the order given.
        phi: of a beta-binomial; None for a binomial.
        loglik: maximised (Laplace) log likelihood with all constants.
        converged: whether the gradient vanished; if not, numbers may be NaN and are not to be used.
    """

    cell_means: np.ndarray
    covariance: np.ndarray
    variances: tuple[float, ...]
    phi: float | None
    loglik: float
    converged: bool


def fit_counts(family: Binomial | BetaBinomial, cell: np.ndarray, groups: tuple[np.ndarray, ...]) -> CountFit:
    """Maximise the Laplace approximation of the marginal likelihood.

    Args:
        family: the counts, one row each.
        cell: the fixed cell of each row, (rows,), numbered from 0.
        groups: one or two groupings of the rows, (rows,), numbered from 0, each with a random intercept. With two, give
            the one with more groups first: the second is handled densely.

    The random effects' conditional mode is found by Newton's method; with two groupings the first is eliminated, so the
    cost is (groups of the first) x (groups of the second)^2. The gradient of the marginal likelihood is analytic.
    """
    model = _Laplace(family, cell, groups)
    start = model.start()
    found = optimize.minimize(
        model.negative,
        start,
        jac=True,
        method="BFGS",
        options={"gtol": 1e-3, "maxiter": 500, "hess_inv0": np.diag(model.scale(start) ** 2)},
    )
    theta = found.x
    value, gradient = model.negative(theta)
    curvature = model.curvature(theta)
    if not (np.isfinite(value) and np.isfinite(curvature).all()):
        return _no_fit(model)
    inverse = linalg.pinvh(curvature)
    for _ in range(8):  # Newton steps with one curvature, to the digits that the search leaves open
        step = inverse @ gradient
        better, there = model.negative(theta - step)
        if not better <= value + 1e-10 * abs(value):
            break
        theta, value, gradient = theta - step, better, there
        if np.abs(step).max() < 1e-10:
            break
    cells = model.cells
    sds = theta[cells : cells + len(groups)]
    return CountFit(
        theta[:cells],
        inverse[:cells, :cells],
        tuple(float(sd**2) for sd in sds),
        float(np.exp(theta[-1])) if family.dispersed else None,
        -value,
        bool(np.abs(gradient).max() < 1e-3),
    )


def _no_fit(model: "_Laplace") -> CountFit:
    nothing = np.full(model.cells, np.nan)
    return CountFit(nothing, np.diag(nothing), (), None, np.nan, False)


class _Laplace:
    """The negative marginal log likelihood of (cell means, one sd a grouping, log phi) and its gradient.

    Random effects are standard normal v; row i has predictor cell mean + sum_g sd_g v_g[group of i]. With Z the rows'
    scaled indicators and W the weights, M = I + Z'WZ is the curvature at the mode; L = loglik - |v|^2 / 2 - log|M| / 2.
    """

    def __init__(self, family: Binomial | BetaBinomial, cell: np.ndarray, groups: tuple[np.ndarray, ...]) -> None:
        self.family, self.cell, self.groups = family, cell, groups
        self.cells = int(cell.max()) + 1
        self.sizes = [int(group.max()) + 1 for group in groups]
        self._mode = [np.zeros(size) for size in self.sizes]

    def start(self) -> np.ndarray:
        k, n = (np.bincount(self.cell, weights=x, minlength=self.cells) for x in (self.family.k, self.family.n))
        means = np.log((k + 0.5) / (n - k + 0.5))
        phi = [self._phi_of_moments(means)] if self.family.dispersed else []
        return np.concatenate([means, np.full(len(self.groups), 0.1), phi])

    def _phi_of_moments(self, means: np.ndarray) -> float:
        """log phi from Pearson's dispersion, 1 + (n - 1) / (phi + 1) of a beta-binomial."""
        p, n = special.expit(means)[self.cell], self.family.n
        dispersion = float(np.mean((self.family.k - n * p) ** 2 / (n * p * (1 - p))))
        return float(np.log(np.clip((n.mean() - 1) / max(dispersion - 1, 1e-6) - 1, 0.5, 1e6)))

    def scale(self, theta: np.ndarray) -> np.ndarray:
        """About how far each parameter moves the likelihood by one unit."""
        weight = self.family.n * special.expit(theta[self.cell]) * special.expit(-theta[self.cell])
        means = 1.0 / np.sqrt(self._by_cell(weight / (1.0 + 0.01 * weight)))
        others = len(theta) - self.cells
        return np.concatenate([means, np.full(others, 1.0 / np.sqrt(len(self.cell)))])

    def negative(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Infinite where the approximation does not exist (no maximum in the random effects)."""
        with np.errstate(all="ignore"):
            try:
                value, gradient = self._negative(theta)
            except linalg.LinAlgError:
                value, gradient = np.inf, np.zeros(len(theta))
        if np.isfinite(value) and np.isfinite(gradient).all():
            return value, gradient
        self._mode = [np.zeros(size) for size in self.sizes]
        return np.inf, np.zeros(len(theta))

    def _negative(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        fixed, sds = theta[: self.cells][self.cell], theta[self.cells : self.cells + len(self.groups)]
        log_phi = float(theta[-1]) if self.family.dispersed else 0.0
        v, parts = self._find_mode(fixed, sds, log_phi)
        curvature = _Curvature(parts.weight, self.groups, self.sizes, sds)
        value = parts.loglik.sum() - 0.5 * sum(float(u @ u) for u in v) - 0.5 * curvature.logdet

        spread = curvature.predictor_variance()  # z_i' M^-1 z_i
        pull = parts.weight_slope * spread  # derivative of log|M| through each row's predictor
        back = curvature.solve(self._gather(pull, sds))
        gradient = [self._by_cell(parts.first - 0.5 * (pull - parts.weight * self._scatter(back, sds)))]
        for g, group in enumerate(self.groups):
            effect = v[g][group]
            shift = self._gather(-parts.weight * effect, sds)
            shift[g] = shift[g] + np.bincount(group, weights=parts.first, minlength=self.sizes[g])
            through = float(pull @ effect) + sum(float(s @ b) for s, b in zip(shift, back, strict=True))
            explicit = 2.0 * float(parts.weight @ curvature.own_row(g))
            gradient.append(np.array([float(parts.first @ effect) - 0.5 * (through + explicit)]))
        if parts.by_log_phi is not None:
            loglik, first, weight = parts.by_log_phi
            shift = self._gather(first, sds)
            through = sum(float(s @ b) for s, b in zip(shift, back, strict=True)) + float(weight @ spread)
            gradient.append(np.array([float(loglik.sum()) - 0.5 * through]))
        return -float(value), -np.concatenate(gradient)

    def curvature(self, theta: np.ndarray) -> np.ndarray:
        """The Hessian, by central differences of the gradient."""
        columns = []
        for j in range(len(theta)):
            step = np.zeros(len(theta))
            step[j] = 1e-4
            columns.append((self.negative(theta + step)[1] - self.negative(theta - step)[1]) / 2e-4)
        hessian = np.array(columns)
        return 0.5 * (hessian + hessian.T)

    def _find_mode(self, fixed: np.ndarray, sds: np.ndarray, log_phi: float) -> tuple[list[np.ndarray], Derivatives]:
        v = [mode.copy() for mode in self._mode]
        parts = self.family.derivatives(fixed + self._scatter(v, sds), log_phi)
        height = parts.loglik.sum() - 0.5 * sum(float(u @ u) for u in v)
        for _ in range(100):
            score = [s - u for s, u in zip(self._gather(parts.first, sds), v, strict=True)]
            step = _Curvature(parts.weight, self.groups, self.sizes, sds).solve(score)
            for _ in range(30):
                trial = [u + s for u, s in zip(v, step, strict=True)]
                parts = self.family.derivatives(fixed + self._scatter(trial, sds), log_phi)
                reached = parts.loglik.sum() - 0.5 * sum(float(u @ u) for u in trial)
                if reached >= height - 1e-10 * abs(height):
                    break
                step = [0.5 * s for s in step]
            v, height = trial, reached
            if max(float(np.abs(s).max()) for s in step) < 1e-11:
                break
        self._mode = v
        return v, parts

    def _scatter(self, effects: list[np.ndarray], sds: np.ndarray) -> np.ndarray:
        """Z times effects, (rows,)."""
        rows = np.zeros(len(self.cell))
        for sd, effect, group in zip(sds, effects, self.groups, strict=True):
            rows += sd * effect[group]
        return rows

    def _gather(self, rows: np.ndarray, sds: np.ndarray) -> list[np.ndarray]:
        """Z' times rows, one array a grouping."""
        return [
            sd * np.bincount(group, weights=rows, minlength=size)
            for sd, group, size in zip(sds, self.groups, self.sizes, strict=True)
        ]

    def _by_cell(self, rows: np.ndarray) -> np.ndarray:
        return np.bincount(self.cell, weights=rows, minlength=self.cells)


class _Curvature:
    """M = I + Z'WZ for one or two groupings: [[A, C], [C', B]] with A and B diagonal; the first is eliminated."""

    def __init__(self, weight: np.ndarray, groups: tuple[np.ndarray, ...], sizes: list[int], sds: np.ndarray) -> None:
        self.groups, self.sds = groups, sds
        diagonals = [
            1.0 + sd**2 * np.bincount(group, weights=weight, minlength=size)
            for sd, group, size in zip(sds, groups, sizes, strict=True)
        ]
        self.first = diagonals[0]
        self.logdet = float(np.log(self.first).sum())
        self.cross: np.ndarray | None = None
        if len(groups) == 2:
            flat = np.bincount(groups[0] * sizes[1] + groups[1], weights=weight, minlength=sizes[0] * sizes[1])
            self.cross = sds[0] * sds[1] * flat.reshape(sizes)
            self.scaled = self.cross / self.first[:, None]
            reduced = np.diag(diagonals[1]) - self.cross.T @ self.scaled
            self.factor = linalg.cho_factor(reduced, lower=True)
            self.logdet += 2.0 * float(np.log(np.diag(self.factor[0])).sum())

    def solve(self, right: list[np.ndarray]) -> list[np.ndarray]:
        if self.cross is None:
            return [right[0] / self.first]
        second = linalg.cho_solve(self.factor, right[1] - self.scaled.T @ right[0])
        return [(right[0] - self.cross @ second) / self.first, second]

    def predictor_variance(self) -> np.ndarray:
        """z_i' M^-1 z_i of each row."""
        return np.sum([sd * self.own_row(g) for g, sd in enumerate(self.sds)], axis=0)

    def own_row(self, grouping: int) -> np.ndarray:
        """The element of M^-1 z_i that belongs to row i's own group in a grouping, (rows,)."""
        blocks = self._inverse()
        total = self.sds[grouping] * blocks[grouping][self.groups[grouping]]
        if self.cross is not None:
            other = 1 - grouping
            total = total + self.sds[other] * blocks[2][self.groups[0], self.groups[1]]
        return total

    def _inverse(self) -> tuple[Any, ...]:
        """Diagonals of both blocks of M^-1, and its off-diagonal block."""
        if self.cross is None:
            return (1.0 / self.first,)
        inverse = linalg.cho_solve(self.factor, np.eye(len(self.factor[0])))
        off = -self.scaled @ inverse
        return 1.0 / self.first - (off * self.scaled).sum(axis=1), np.diag(inverse), off
