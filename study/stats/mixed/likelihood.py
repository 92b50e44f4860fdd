"""The restricted likelihood of a linear mixed model with random intercepts, and its derivatives.

Model, for the N runs: y = X m + sum_i Z_i u_i + e, with m the cell means, u_i ~ N(0, s2 * lambda_i) and e ~ N(0, s2).
With V0 = I + sum_i lambda_i Z_i Z_i' everything is taken block by block through Woodbury's identity on a block's random
effects, which stays exact when a lambda is zero. P0 = V0^-1 - V0^-1 X (X'V0^-1 X)^-1 X'V0^-1, G_i = Z_i Z_i'.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.linalg.lapack import dpotri

from study.stats.mixed.sufficient_statistics import BlockPatterns


@dataclass(frozen=True)
class Likelihood:
    """Pieces of -2 log L = nu log s2 + log_determinant + quadratic / s2 + nu log(2 pi) at one `ratios` (lambda).

    Attributes:
        ratios: variance of each random term over the residual variance, (r,).
        cell_means: generalised least squares estimate of the cell means, centred, (cells,).
        factor: lower Cholesky factor of X'V0^-1 X, (cells, cells); its upper triangle is not used.
        degrees: nu, the runs less the cells.
        log_determinant: log|V0| + log|X'V0^-1 X|.
        quadratic: y'P0 y.
        determinant_gradient, determinant_hessian: derivatives of `log_determinant` in the ratios, (r,) and (r, r).
        quadratic_gradient, quadratic_hessian: derivatives of `quadratic`.
    """

    ratios: np.ndarray
    cell_means: np.ndarray
    factor: np.ndarray
    degrees: int
    log_determinant: float
    quadratic: float
    determinant_gradient: np.ndarray
    determinant_hessian: np.ndarray
    quadratic_gradient: np.ndarray
    quadratic_hessian: np.ndarray

    @cached_property
    def phi(self) -> np.ndarray:
        """(X'V0^-1 X)^-1, the covariance of the cell means over the residual variance, (cells, cells)."""
        lower = np.tril(dpotri(self.factor, lower=1)[0])
        return lower + np.tril(lower, -1).T

    @property
    def residual_variance(self) -> float:
        """The s2 that maximises the likelihood at these ratios."""
        return self.quadratic / self.degrees

    @property
    def deviance(self) -> float:
        """-2 log L, maximised over s2; lme4's REML criterion."""
        return self.degrees * (1.0 + np.log(2.0 * np.pi * self.residual_variance)) + self.log_determinant

    @property
    def expected_information(self) -> np.ndarray:
        """tr(P0 D_i P0 D_j) for the directions D = G_1 .. G_r, V0, (r + 1, r + 1)."""
        edge = self.determinant_gradient[:, None]
        return np.block([[-self.determinant_hessian, edge], [edge.T, np.array([[float(self.degrees)]])]])

    def deviance_derivatives(self) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and Hessian of `deviance` in the ratios."""
        slope = self.quadratic_gradient / self.quadratic
        gradient = self.determinant_gradient + self.degrees * slope
        curvature = self.quadratic_hessian / self.quadratic - np.outer(slope, slope)
        return gradient, self.determinant_hessian + self.degrees * curvature


@dataclass(frozen=True)
class Solved:
    """Of each pattern, K = Z'V0^-1 Z, (P, q, q), X'V0^-1 Z, (P, cells, q), and M = (I + S Lambda)^-1, (P, q, q)."""

    k: np.ndarray
    through: np.ndarray
    shrink: np.ndarray
    log_determinant: float


def solve(patterns: BlockPatterns, ratios: np.ndarray) -> Solved:
    """Woodbury's identity with S = Z'Z: Z'V0^-1 = M Z' and |V0| = |I + S Lambda|, (I + S Lambda) M = I."""
    identity = np.eye(len(patterns.component))
    system = patterns.gram * ratios[patterns.component] + identity
    shrink = np.linalg.inv(system)
    k = shrink @ patterns.gram
    return Solved(
        k=(k + np.swapaxes(k, 1, 2)) / 2.0,
        through=patterns.cross @ np.swapaxes(shrink, 1, 2),
        shrink=shrink,
        log_determinant=float(patterns.blocks @ np.linalg.slogdet(system)[1]),
    )


def likelihood(patterns: BlockPatterns, ratios: np.ndarray) -> Likelihood:
    """The restricted likelihood and its first two derivatives at the variance ratios, each at least 0, (r,)."""
    ratios = np.asarray(ratios, dtype=float)
    spread = ratios[patterns.component]
    solved = solve(patterns, ratios)
    precision = np.diag(patterns.cell_counts.astype(float))
    precision -= sum_over_blocks(patterns, solved.through * spread, patterns.cross)
    factor = cho_factor(precision, lower=True)[0]
    totals = patterns.blocks[:, None] * patterns.mean_sums
    score = -(solved.through @ (spread * totals)[:, :, None]).sum(axis=0)[:, 0]
    means = cho_solve((factor, True), score)
    determinant_gradient, determinant_hessian = _determinant_derivatives(patterns, solved, factor)
    quadratic, quadratic_gradient, quadratic_hessian = _quadratic(patterns, solved, spread, means, factor)
    return Likelihood(
        ratios=ratios,
        cell_means=means,
        factor=factor,
        degrees=patterns.runs - patterns.cells,
        log_determinant=solved.log_determinant + 2.0 * float(np.log(np.diag(factor)).sum()),
        quadratic=quadratic,
        determinant_gradient=determinant_gradient,
        determinant_hessian=determinant_hessian,
        quadratic_gradient=quadratic_gradient,
        quadratic_hessian=quadratic_hessian,
    )


def sum_over_blocks(patterns: BlockPatterns, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sum of left @ right' over all blocks, both (P, cells, k), as one product, (cells, cells)."""
    weighted = (left * patterns.blocks[:, None, None]).transpose(1, 0, 2).reshape(patterns.cells, -1)
    return weighted @ right.transpose(1, 0, 2).reshape(patterns.cells, -1).T


def spent_by_cells(patterns: BlockPatterns, solved: Solved) -> np.ndarray:
    """X'V0^-1 G_i V0^-1 X of each random term, (r, cells, cells)."""
    parts = [solved.through[:, :, patterns.component == i] for i in range(patterns.terms)]
    return np.stack([sum_over_blocks(patterns, part, part) for part in parts])


def _determinant_derivatives(
    patterns: BlockPatterns, solved: Solved, factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient tr(P0 G_i) and Hessian -tr(P0 G_i P0 G_j)."""
    by_term = patterns.indicator
    gradient = by_term.T @ (patterns.blocks @ np.einsum("pkk->pk", solved.k))
    products = np.tensordot(patterns.blocks, solved.k * solved.k, axes=1)
    count, cells, columns = solved.through.shape
    flat = solved.through.transpose(1, 0, 2).reshape(cells, -1)
    # With the Cholesky factor C of X'V0^-1 X, every trace is one of products of C^-1 X'V0^-1 Z with itself.
    half = solve_triangular(factor, flat, lower=True).reshape(cells, count, columns)
    by_pattern = half.transpose(1, 0, 2)
    fixed = np.swapaxes(by_pattern, 1, 2) @ by_pattern
    gradient -= by_term.T @ (patterns.blocks @ np.einsum("pkk->pk", fixed))
    twice = 0.0
    if count * columns <= np.sqrt(patterns.terms) * cells:
        # Few patterns and many cells: products over the patterns' random effects are the smaller ones.
        rows = half.reshape(cells, -1)
        shared = (rows.T @ rows).reshape(count, columns, count, columns)
        products += np.einsum("p,r,pkrl->kl", patterns.blocks, patterns.blocks, shared**2)
    else:
        weighted = half * np.sqrt(patterns.blocks)[:, None]
        parts = [weighted[:, :, patterns.component == i].reshape(cells, -1) for i in range(patterns.terms)]
        spent = np.stack([part @ part.T for part in parts]).reshape(patterns.terms, -1)
        twice = spent @ spent.T
    products -= 2.0 * np.tensordot(patterns.blocks, solved.k * fixed, axes=1)
    return gradient, -by_term.T @ products @ by_term - twice


def _quadratic(
    patterns: BlockPatterns, solved: Solved, spread: np.ndarray, means: np.ndarray, factor: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """y'P0 y, its gradient -y'P0 G_i P0 y and its Hessian 2 y'P0 G_i P0 G_j P0 y."""
    by_term = patterns.indicator
    centre = patterns.mean_sums - means @ patterns.cross
    moments = patterns.spread_sums + patterns.blocks[:, None, None] * centre[:, :, None] * centre[:, None, :]
    half = solved.shrink @ moments
    value = patterns.within + float(patterns.cell_counts @ means**2) - float(np.einsum("k,pkk->", spread, half))
    effects = half @ np.swapaxes(solved.shrink, 1, 2)
    gradient = -by_term.T @ np.einsum("pkk->k", effects)
    direct = by_term.T @ (solved.k * effects).sum(axis=0) @ by_term
    average = (solved.shrink @ centre[:, :, None])[..., 0]
    along = np.tensordot(patterns.blocks, solved.through * average[:, None, :], axes=1) @ by_term
    return value, gradient, 2.0 * (direct - along.T @ cho_solve((factor, True), along))
