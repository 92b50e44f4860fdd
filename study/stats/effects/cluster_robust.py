"""Least squares with cluster-robust (CR2) covariance: contrasts with Satterthwaite degrees of freedom.

Bell & McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky & Tipton (2018), J. Business & Economic Statistics
36, 672-683. The working model is independent errors of equal variance, as clubSandwich has it for `lm`. No matrix over
all runs is formed: the cost is linear in the number of runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from study.stats.effects.estimates import Estimates

# A standard error below this fraction of the outcome's size is rounding, not variation.
ROUNDING = 1e-12
# Eigenvalues below this count as 0, as in clubSandwich: the run is fitted exactly and has no residual to inflate.
_EXACT_FIT = 1e-12


@dataclass(frozen=True)
class ClusterFit:
    """A least squares fit, ready for contrasts of its p coefficients.

    Attributes:
        coefficients: shape (p,).
        bread: (X'X)^-1, shape (p, p).
        scores: u_g, the adjusted score of each block, shape (blocks, p); the CR2 covariance is their sum of squares.
        spread: G_g G_g' with G_g = (X'X)^-1 X_g' A_g, A_g the CR2 adjustment, shape (blocks, p, p).
        reach: G_g X_g, shape (blocks, p, p). The scores' covariance under the working model (errors of variance 1) is
            Cov(u_g, u_h) = [g = h] spread_g - reach_g bread reach_h'.
        size: the largest |outcome|, to tell rounding from variation.
    """

    coefficients: np.ndarray
    bread: np.ndarray
    scores: np.ndarray
    spread: np.ndarray
    reach: np.ndarray
    size: float


def fit(y: np.ndarray, X: np.ndarray, block: np.ndarray) -> ClusterFit:
    """Fit y (runs,) on X (runs, p), of full column rank, with blocks numbered from 0 (runs,).

    A block may hold any number of runs. If every run is its own block, CR2 is HC2 and the degrees of freedom are Bell
    and McCaffrey's.
    """
    bread = np.linalg.inv(X.T @ X)
    coefficients = bread @ (X.T @ y)
    size = float(np.abs(y).max())
    residual = y - X @ coefficients
    blocks, p = int(block.max()) + 1, X.shape[1]
    scores, spread, reach = np.zeros((blocks, p)), np.zeros((blocks, p, p)), np.zeros((blocks, p, p))
    for which, rows in _blocks_by_size(block):
        x = X[rows]
        values, vectors = np.linalg.eigh(np.eye(rows.shape[1]) - x @ bread @ x.transpose(0, 2, 1))
        root = np.where(values > _EXACT_FIT, np.maximum(values, _EXACT_FIT) ** -0.5, 0.0)
        adjustment = (vectors * root[:, None, :]) @ vectors.transpose(0, 2, 1)
        influence = bread @ x.transpose(0, 2, 1) @ adjustment
        scores[which] = (influence @ residual[rows][:, :, None])[:, :, 0]
        spread[which] = influence @ influence.transpose(0, 2, 1)
        reach[which] = influence @ x
    return ClusterFit(coefficients, bread, scores, spread, reach, size)


def estimate(model: ClusterFit, contrasts: np.ndarray) -> Estimates:
    """Estimate contrasts (q, p) of the coefficients, with CR2 covariance and Satterthwaite degrees of freedom.

    df = (tr P)^2 / tr(P P), P_gh = Cov(c'u_g, c'u_h) under the working model.
    """
    contrasts = np.atleast_2d(contrasts)
    scores = model.scores @ contrasts.T
    df = np.full(len(contrasts), np.nan)
    for row, c in enumerate(contrasts):
        own = np.einsum("i,gij,j->g", c, model.spread, c)
        reach = np.einsum("i,gij->gj", c, model.reach)
        shared = reach @ model.bread
        diagonal = (shared * reach).sum(axis=1)
        cross = shared.T @ reach
        trace = (own - diagonal).sum()
        square = (own**2 - 2 * own * diagonal).sum() + (cross * cross.T).sum()
        if trace > 1e-12 * own.sum():
            df[row] = trace**2 / square
    return Estimates(contrasts @ model.coefficients, scores.T @ scores, df)


def _blocks_by_size(block: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks with equally many runs together: (their numbers (m,), their rows (m, runs in a block))."""
    order = np.argsort(block, kind="stable")
    counts = np.bincount(block)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for count in np.unique(counts[counts > 0]):
        which = np.flatnonzero(counts == count)
        yield which, order[starts[which][:, None] + np.arange(count)]
