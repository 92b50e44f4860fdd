"""Where the spread of a study's outcomes comes from: factors, blocks, their interplay, or the single run."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from study.stats.effects.cluster_robust import ROUNDING
from study.stats.layout import OutcomeGrid, residuals


@dataclass(frozen=True)
class Components:
    """Variance contributed by each term to the outcome of a random run of the design; may be negative.

    Attributes:
        terms: names, factors joined by ":"; the block's terms carry the block's name; the last is "residual".
        variances: in the outcome's unit squared, shape (terms,). They add up to the total.
    """

    terms: tuple[str, ...]
    variances: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """The variances as shares of their sum, shape (terms,)."""
        return self.variances / self.variances.sum()


def variance_shares(
    grid: OutcomeGrid,
    factors: tuple[str, ...],
    shape: tuple[int, ...],
    block: str | None,
    rng: np.random.Generator,
    replicates: int = 1000,
    alpha: float = 0.05,
) -> dict[str, Any] | None:
    """Signed variance shares with intervals from resampled blocks.

    A resample repeats blocks, which adds to the spread of the cell means; so the percentiles are moved by the mean
    bias of the resamples (their mean less the estimate).

    Args:
        grid: the outcomes, of any balance.
        factors, shape: names and numbers of levels, the focus factor first.
        block: name of the block; None if runs are independent (then runs are resampled within their cell).
        rng: draws the resamples.
        replicates: number of resamples.
        alpha: 1 - the level of the intervals.

    Returns:
        total (the sum), resampled ("blocks" or "runs"), replicates (those used: a resample that empties a cell is left
        out), icc, icc_low, icc_high (intraclass correlation of the block with its interval, see `_block_correlation`;
        None without a block), terms: rows of term, variance, share, ci_low, ci_high (of the share). Variances in the
        outcome's unit squared, shares of 1. None if the total is not positive.
    """
    flat = grid.values.reshape(-1, grid.values.shape[2])
    model = _Model.of(factors, shape, block)
    found = model.components(flat, np.ones(flat.shape[1]))
    if found is None or not found.variances.sum() > 0:
        return None
    draws = []
    for _ in range(replicates):
        if block is None:
            again = model.components(_resample_within(flat, rng), np.ones(flat.shape[1]))
        else:
            blocks = flat.shape[1]
            again = model.components(flat, np.bincount(rng.integers(blocks, size=blocks), minlength=blocks))
        if again is not None and again.variances.sum() > 0:
            draws.append(again.shares)
    enough = len(draws) >= replicates / 2
    ends = None
    if enough:
        ends = np.quantile(draws, [alpha / 2, 1 - alpha / 2], axis=0) - np.mean(draws, axis=0) + found.shares
    icc, icc_low, icc_high = (None, None, None) if block is None else _block_correlation(flat, alpha)
    return {
        "total": float(found.variances.sum()),
        "resampled": "runs" if block is None else "blocks",
        "replicates": len(draws),
        "icc": icc,
        "icc_low": icc_low,
        "icc_high": icc_high,
        "terms": [
            {
                "term": term,
                "variance": float(variance),
                "share": float(share),
                "ci_low": None if ends is None else float(ends[0, i]),
                "ci_high": None if ends is None else float(ends[1, i]),
            }
            for i, (term, variance, share) in enumerate(zip(found.terms, found.variances, found.shares, strict=True))
        ],
    }


def _block_correlation(flat: np.ndarray, alpha: float) -> tuple[float | None, float | None, float | None]:
    """Intraclass correlation: how much runs of one block have in common, the cells' means removed; and its interval.

    From the mean squares of blocks (after cells) and residual, F their ratio: (F - 1) / (F + k - 1) with k runs a
    block; it may be negative. The interval puts the F quantiles around F (Shrout & Fleiss 1979). With holes k is the
    effective number, so that the expected mean square of blocks is var_residual + k var_block.
    """
    present = ~np.isnan(flat)
    cell_only, df_cell = residuals(flat, blocks=False)
    both, df = residuals(flat, blocks=True)
    df_block = df_cell - df
    if df <= 0 or df_block <= 0 or not np.sqrt(np.nansum(both**2) / df) > ROUNDING * np.nanmax(np.abs(flat)):
        return None, None, None
    mean_square = np.nansum(both**2) / df
    F = float((np.nansum(cell_only**2) - np.nansum(both**2)) / df_block / mean_square)
    k = float(present.sum() - (present / present.sum(axis=1, keepdims=True)).sum()) / df_block

    def icc(ratio: float) -> float:
        return (ratio - 1) / (ratio + k - 1)

    low, high = (F / float(stats.f.ppf(tail, df_block, df)) for tail in (1 - alpha / 2, alpha / 2))
    return icc(F), icc(low), icc(high)


@dataclass(frozen=True)
class _Model:
    """Fixed factors with all interactions; block, block by each set of factors (but the full one), residual: random.

    Attributes:
        fixed: names; `projectors`: (fixed terms, cells, cells), each onto the cells' effects of that term.
        random: names; `same`: (random terms, cells, cells), 1 where two cells of one block share that random effect.
            The residual is the last: only a run shares it with itself.
    """

    fixed: tuple[str, ...]
    projectors: np.ndarray
    random: tuple[str, ...]
    same: np.ndarray

    @staticmethod
    def of(factors: tuple[str, ...], shape: tuple[int, ...], block: str | None) -> "_Model":
        fixed, projectors, random, same = [], [], [], []
        for size in range(len(factors) + 1):
            for chosen in combinations(range(len(factors)), size):
                if chosen:
                    fixed.append(":".join(factors[i] for i in chosen))
                    projectors.append(_kronecker(shape, chosen, _centre, _average))
                if block is not None and size < len(factors):
                    random.append(":".join([block, *(factors[i] for i in chosen)]))
                    same.append(_kronecker(shape, chosen, np.eye, lambda levels: np.ones((levels, levels))))
        random.append("residual")
        same.append(np.eye(int(np.prod(shape))))
        return _Model(tuple(fixed), np.array(projectors), tuple(random), np.array(same))

    def components(self, values: np.ndarray, weights: np.ndarray) -> Components | None:
        """Estimate from values (cells, blocks), NaN where missing, each block counted `weights` times (blocks,).

        The random variances solve "quadratic form = its expectation" for r'V_i r, r the residuals from the cell means
        and V_i the pattern of the i-th random effect. For a balanced table these are the estimates from expected mean
        squares; with holes they are MIVQUE(0) (Hartley, Rao & LaMotte 1978), unbiased too. From each factor's sum of
        squares of the cell means its expectation under the random effects is subtracted. None if a cell is empty.
        """
        present = ~np.isnan(values)
        counts = present @ weights
        if (counts == 0).any():
            return None
        filled = np.where(present, values, 0.0)
        means = filled @ weights / counts
        residuals = np.where(present, filled - means[:, None], 0.0)
        together = (present * weights) @ present.T  # blocks that have both cells, (cells, cells)
        scatter = (residuals * weights) @ residuals.T
        inverse = 1.0 / counts
        shared = self.same * together  # X'V_iX, (terms, cells, cells)
        scaled = shared * inverse
        # tr(Q V_i Q V_j), Q = I - X (X'X)^-1 X'
        expected = (
            np.einsum("icd,jcd->ij", self.same, shared)
            - np.einsum("icd,jcd,c->ij", self.same, shared, inverse)
            - np.einsum("icd,jcd,d->ij", self.same, shared, inverse)
            + np.einsum("icd,jdc->ij", scaled, scaled)
        )
        forms = np.einsum("icd,cd->i", self.same, scatter)
        try:
            random = np.linalg.solve(expected, forms)
        except np.linalg.LinAlgError:
            return None
        covariance = np.einsum("i,icd->cd", random, shared) * np.outer(inverse, inverse)
        squares = np.einsum("c,tcd,d->t", means, self.projectors, means)
        noise = np.einsum("tcd,cd->t", self.projectors, covariance)
        return Components((*self.fixed, *self.random), np.concatenate([(squares - noise) / len(means), random]))


def _kronecker(shape: tuple[int, ...], chosen: tuple[int, ...], inside: Any, outside: Any) -> np.ndarray:
    matrix = np.ones((1, 1))
    for axis, levels in enumerate(shape):
        matrix = np.kron(matrix, inside(levels) if axis in chosen else outside(levels))
    return matrix


def _centre(levels: int) -> np.ndarray:
    return np.eye(levels) - _average(levels)


def _average(levels: int) -> np.ndarray:
    return np.full((levels, levels), 1.0 / levels)


def _resample_within(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each cell's runs drawn again with replacement from that cell."""
    drawn = np.full_like(values, np.nan)
    for cell, row in enumerate(values):
        runs = row[~np.isnan(row)]
        drawn[cell, : len(runs)] = rng.choice(runs, size=len(runs))
    return drawn
