"""A binomial mixed model: log odds = cell mean + random intercepts of run and block, by the Laplace approximation."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, special


@dataclass(frozen=True)
class BinomialFit:
    """A fitted model.

    Attributes:
        cell_means: log odds of success, shape (cells,).
        covariance: of the cell means, from the curvature of the marginal likelihood, shape (cells, cells).
        variances: of the random intercepts of run and block.
        loglik: maximised (Laplace) log likelihood without the binomial coefficients.
        converged: whether the gradient vanished; if not, numbers may be NaN and are not to be used.
    """

    cell_means: np.ndarray
    covariance: np.ndarray
    variances: tuple[float, ...]
    loglik: float
    converged: bool


def fit_binomial(k: np.ndarray, n: np.ndarray, cell: np.ndarray, block: np.ndarray | None) -> BinomialFit:
    """Maximise the Laplace approximation of the marginal likelihood.

    The intercept of each run (an observation-level random effect) takes up what the runs differ by beyond coin tossing.
    The gradient of the marginal likelihood is analytic; the cost grows with the number of runs.

    Args:
        k, n: successes and trials of each run, (runs,).
        cell: the fixed cell of each run, (runs,), numbered from 0.
        block: the block of each run, (runs,), numbered from 0; None if runs are independent.
    """
    model = _Laplace(k, n, cell, block)
    start, scale = model.start()
    options = {"gtol": 1e-3, "maxiter": 500, "hess_inv0": np.diag(scale**2)}
    theta = optimize.minimize(model.negative, start, jac=True, method="BFGS", options=options).x
    value, gradient = model.negative(theta)
    curvature = model.curvature(theta)
    cells = model.cells
    if not (np.isfinite(value) and np.isfinite(curvature).all()):
        nothing = np.full(cells, np.nan)
        return BinomialFit(nothing, np.diag(nothing), (), np.nan, False)
    inverse = linalg.pinvh(curvature)
    for _ in range(8):  # Newton steps with one curvature, to the digits that the search leaves open
        step = inverse @ gradient
        better, there = model.negative(theta - step)
        if not better <= value + 1e-10 * abs(value):
            break
        theta, value, gradient = theta - step, better, there
        if np.abs(step).max() < 1e-10:
            break
    variances = tuple(float(sd**2) for sd in theta[cells:])
    converged = bool(np.abs(gradient).max() < 1e-3)
    return BinomialFit(theta[:cells], inverse[:cells, :cells], variances, -value, converged)


class _Laplace:
    """The negative marginal log likelihood of (cell means, sd of runs, sd of blocks) and its gradient.

    Random effects v are standard normal; run i has predictor cell mean + z_i'v, z_i with the sd of runs at the run's
    own place and the sd of blocks at its block's. With W the weights, M = I + Z'WZ is the curvature at the mode;
    L = loglik - |v|^2 / 2 - log|M| / 2. Without blocks their sd is 0 and no parameter.
    """

    def __init__(self, k: np.ndarray, n: np.ndarray, cell: np.ndarray, block: np.ndarray | None) -> None:
        self.k, self.n, self.cell = k, n, cell
        self.cells = int(cell.max()) + 1
        self.blocked = block is not None
        self.block = np.zeros(len(k), dtype=int) if block is None else block
        self.blocks = int(self.block.max()) + 1
        self._mode = (np.zeros(len(k)), np.zeros(self.blocks))

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        """Where to begin, and about how far each parameter moves the likelihood by one unit."""
        k, n = self._by_cell(self.k), self._by_cell(self.n)
        means = np.log((k + 0.5) / (n - k + 0.5))
        weight = self.n * special.expit(means[self.cell]) * special.expit(-means[self.cell])
        reach = 1.0 / np.sqrt(self._by_cell(weight / (1.0 + 0.01 * weight)))
        sds = np.ones(1 + self.blocked)
        return np.concatenate([means, 0.1 * sds]), np.concatenate([reach, sds / np.sqrt(len(self.k))])

    def negative(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Infinite where the approximation does not exist (no maximum in the random effects)."""
        with np.errstate(all="ignore"):
            value, gradient = self._negative(theta)
        if np.isfinite(value) and np.isfinite(gradient).all():
            return value, gradient
        self._mode = (np.zeros(len(self.k)), np.zeros(self.blocks))
        return np.inf, np.zeros(len(theta))

    def curvature(self, theta: np.ndarray) -> np.ndarray:
        """The Hessian, by central differences of the gradient."""
        steps = 1e-4 * np.eye(len(theta))
        hessian = np.array([self.negative(theta + step)[1] - self.negative(theta - step)[1] for step in steps]) / 2e-4
        return 0.5 * (hessian + hessian.T)

    def _negative(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        fixed = theta[: self.cells][self.cell]
        run_sd, block_sd = theta[self.cells :] if self.blocked else (float(theta[-1]), 0.0)
        sds = (run_sd, block_sd)
        v, height, first, weight, slope = self._find_mode(fixed, sds)
        curvature = _Curvature(weight, self.block, sds)
        own = curvature.own_elements()
        # The derivative of log|M| through each run's predictor: its weight's slope times z_i' M^-1 z_i.
        pull = slope * (run_sd * own[0] + block_sd * own[1])
        back = curvature.solve(*self._gather(pull, sds))
        means = self._by_cell(first - 0.5 * (pull - weight * self._scatter(back, sds)))
        slopes = []
        for g, effect in enumerate((v[0], v[1][self.block])):
            shift = list(self._gather(-weight * effect, sds))
            shift[g] = shift[g] + (first if g == 0 else self._by_block(first))
            through = float(pull @ effect) + sum(float(s @ b) for s, b in zip(shift, back, strict=True))
            slopes.append(float(first @ effect) - 0.5 * (through + 2.0 * float(weight @ own[g])))
        gradient = np.concatenate([means, slopes[: 1 + self.blocked]])
        return -(height - 0.5 * curvature.logdet), -gradient

    def _find_mode(self, fixed: np.ndarray, sds: tuple[float, float]) -> tuple:
        """The random effects' conditional mode by Newton's method; loglik - |v|^2 / 2 there, and the runs' derivatives.

        These are of the log likelihood in the predictor: the first, minus the second, and that one's derivative.
        """

        def at(v: tuple[np.ndarray, np.ndarray]) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
            predictor = fixed + self._scatter(v, sds)
            p = special.expit(predictor)
            loglik = self.k * special.log_expit(predictor) + (self.n - self.k) * special.log_expit(-predictor)
            weight = self.n * p * special.expit(-predictor)
            height = float(loglik.sum()) - 0.5 * float(v[0] @ v[0] + v[1] @ v[1])
            return height, self.k - self.n * p, weight, weight * (1 - 2 * p)

        v = self._mode
        here = at(v)
        for _ in range(100):
            score = [s - u for s, u in zip(self._gather(here[1], sds), v, strict=True)]
            step = _Curvature(here[2], self.block, sds).solve(*score)
            for _ in range(30):
                trial = (v[0] + step[0], v[1] + step[1])
                there = at(trial)
                if there[0] >= here[0] - 1e-10 * abs(here[0]):
                    break
                step = (0.5 * step[0], 0.5 * step[1])
            v, here = trial, there
            if max(float(np.abs(s).max()) for s in step) < 1e-11:
                break
        self._mode = v
        return (v, *here)

    def _scatter(self, v: tuple[np.ndarray, np.ndarray], sds: tuple[float, float]) -> np.ndarray:
        """Z times effects, (runs,)."""
        return sds[0] * v[0] + sds[1] * v[1][self.block]

    def _gather(self, rows: np.ndarray, sds: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """Z' times rows: of the runs and of the blocks."""
        return sds[0] * rows, sds[1] * self._by_block(rows)

    def _by_block(self, rows: np.ndarray) -> np.ndarray:
        return np.bincount(self.block, weights=rows, minlength=self.blocks)

    def _by_cell(self, rows: np.ndarray) -> np.ndarray:
        return np.bincount(self.cell, weights=rows, minlength=self.cells)


class _Curvature:
    """M = I + Z'WZ. A run lies in one block, so that with the runs eliminated what is left is diagonal."""

    def __init__(self, weight: np.ndarray, block: np.ndarray, sds: tuple[float, float]) -> None:
        self.block, self.sds = block, sds
        self.runs = 1.0 + sds[0] ** 2 * weight
        self.ratio = sds[0] * sds[1] * weight / self.runs
        self.rest = 1.0 + np.bincount(block, weights=sds[1] ** 2 * weight / self.runs)
        self.logdet = float(np.log(self.runs).sum() + np.log(self.rest).sum())

    def solve(self, runs: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """M^-1 times (runs, blocks)."""
        second = (blocks - np.bincount(self.block, weights=self.ratio * runs)) / self.rest
        return runs / self.runs - self.ratio * second[self.block], second

    def own_elements(self) -> tuple[np.ndarray, np.ndarray]:
        """The elements of M^-1 z_i at run i's own place and at its block's, (runs,) each."""
        inverse = 1.0 / self.rest[self.block]
        off = -self.ratio * inverse
        own = 1.0 / self.runs - self.ratio * off
        return self.sds[0] * own + self.sds[1] * off, self.sds[1] * inverse + self.sds[0] * off
