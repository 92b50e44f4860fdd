"""Cell means compared within blocks: least squares with the blocks as effects, for tables with missing runs.

Where every block has a run in every cell this is the comparison of plain cell means. Where runs are missing, plain
means compare different blocks with each other; here a block tells only of the cells it has runs in. The same as
`lm(y ~ cell + block)` with clubSandwich's CR2 by block: the block effects are absorbed (Pustejovsky & Tipton 2018,
theorem 2).
"""

from dataclasses import dataclass

import numpy as np

from study.stats.effects import cluster_robust

_IN_SPAN = 1e-9


@dataclass(frozen=True)
class Within:
    """The fit within blocks.

    Attributes:
        model: the fit of the differences within blocks.
        basis: orthonormal columns that span the contrasts of cells that blocks tell of, shape (cells, rank).
    """

    model: cluster_robust.ClusterFit
    basis: np.ndarray

    def estimable(self, contrasts: np.ndarray) -> np.ndarray:
        """Which contrasts (q, cells) the blocks tell of, shape (q,)."""
        rest = contrasts - contrasts @ self.basis @ self.basis.T
        return np.abs(rest).max(axis=1) <= _IN_SPAN * np.abs(contrasts).max(axis=1)


@dataclass(frozen=True)
class Pairs:
    """How many blocks hold runs of both sides of a contrast, and of either."""

    shared: int
    either: int


def fit(y: np.ndarray, cell: np.ndarray, block: np.ndarray, cells: int) -> Within | None:
    """Fit y (runs,) with cells and blocks numbered from 0, (runs,) each; None if no block has two cells."""
    dummies = np.eye(cells)[cell]
    size = np.bincount(block)
    totals = np.zeros((len(size), cells + 1))
    np.add.at(totals, block, np.column_stack([dummies, y]))
    centered = np.column_stack([dummies, y]) - (totals / np.maximum(size, 1)[:, None])[block]
    values, vectors = np.linalg.eigh(centered[:, :-1].T @ centered[:, :-1])
    basis = vectors[:, values > 1e-9 * max(values[-1], 1.0)]
    if not basis.shape[1]:
        return None
    return Within(cluster_robust.fit(centered[:, -1], centered[:, :-1] @ basis, block), basis)


def count_pairs(contrasts: np.ndarray, cell: np.ndarray, block: np.ndarray) -> list[Pairs]:
    """The pairs of each contrast (q, cells)."""
    has = np.zeros((int(block.max()) + 1, contrasts.shape[1]), dtype=bool)
    has[block, cell] = True
    found = []
    for row in contrasts:
        above, below = has[:, row > 0].any(axis=1), has[:, row < 0].any(axis=1)
        found.append(Pairs(int((above & below).sum()), int((above | below).sum())))
    return found


def complete(cell: np.ndarray, block: np.ndarray) -> bool:
    """Whether every block has equally many runs in each cell that has runs at all."""
    counts = np.zeros((int(block.max()) + 1, int(cell.max()) + 1), dtype=int)
    np.add.at(counts, (block, cell), 1)
    counts = counts[:, counts.any(axis=0)]
    return bool((counts == counts[:, :1]).all())
