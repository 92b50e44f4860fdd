"""The outcomes of a study laid out by arm, cell of the other factors and block."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.stats.table import RunTable
from study.words import level_text


@dataclass(frozen=True)
class OutcomeGrid:
    """Outcomes with their place in the design.

    Attributes:
        values: shape (arms, cells, blocks), the control first, NaN where there is no run. Without blocks the last axis
            only numbers the runs of a cell and pairs nothing.
        arms: the levels of the focus factor, the control first.
        cells: the combinations of the other factors' levels; one empty combination if there are none.
        paired: whether the last axis is a block.
        blocks: names of the blocks; empty if not paired.
    """

    values: np.ndarray
    arms: tuple[str, ...]
    cells: tuple[dict[str, str], ...]
    paired: bool
    blocks: tuple[str, ...]

    def differences(self, arm: int) -> np.ndarray:
        """Arm minus control in the same block and cell, shape (cells, blocks), NaN where either is missing."""
        return self.values[arm] - self.values[0]

    def block_differences(self, arm: int) -> np.ndarray:
        """Arm minus control of the same block, each averaged over the cells by `block_means`, shape (blocks,)."""
        return block_means(self.values[arm]) - block_means(self.values[0])


def outcome_grid(table: RunTable, values: np.ndarray) -> OutcomeGrid:
    """Lay out `values`, shape (runs,), of the table's runs."""
    arms = table.shape[0]
    cells = int(np.prod(table.shape[1:]))
    place = table.cell_index()
    if table.block is None:
        order = np.argsort(place, kind="stable")
        counts = np.bincount(place, minlength=arms * cells)
        block = np.empty(len(place), dtype=int)
        block[order] = np.concatenate([np.arange(count) for count in counts])
        names: tuple[str, ...] = ()
    else:
        block = table.block_index()
        names = tuple(str(name) for name in table.frame[table.block].unique())
    grid = np.full((arms * cells, int(block.max()) + 1), np.nan)
    grid[place, block] = values
    levels = [{f: row[f] for f in table.other_factors} for row in table.cells()[:cells]]
    return OutcomeGrid(
        grid.reshape(arms, cells, -1), table.levels(table.focus), tuple(levels), table.block is not None, names
    )


def block_means(values: np.ndarray) -> np.ndarray:
    """One value a block, averaged over the cells, from values that may have holes.

    A block that lacks some cells is represented by those it has, each corrected by how far the cell's mean lies from
    the mean over cells; so a block is not judged by which cells it happens to lack. With no hole it is the plain mean.

    Args:
        values: shape (cells, blocks), NaN where missing.

    Returns:
        Shape (blocks,), NaN for a block that has nothing. Cells without any value are left out.
    """
    means = np.full(values.shape[1], np.nan)
    values = values[~np.isnan(values).all(axis=1)]
    kept = ~np.isnan(values).all(axis=0)
    if kept.any():
        cell_means = np.nanmean(values, axis=1, keepdims=True)
        means[kept] = np.nanmean((values - cell_means)[:, kept], axis=0) + float(cell_means.mean())
    return means


def without_rounding(values: np.ndarray) -> np.ndarray:
    """The values to 11 digits of the largest: what is equal but for the rounding of a mean ties."""
    known = np.abs(values[np.isfinite(values)])
    largest = float(known.max()) if len(known) else 0.0
    return values if largest == 0.0 else np.round(values, 11 - int(np.ceil(np.log10(largest))))


def residuals(flat: np.ndarray, blocks: bool) -> tuple[np.ndarray, int]:
    """Residuals (cells, blocks) of least squares on cells, and blocks if wanted, with NaN where there is no run; df.

    The blocks are eliminated from the normal equations, so a system of the cells' size is solved.
    """
    present = ~np.isnan(flat)
    filled = np.where(present, flat, 0.0)
    per_cell, per_block = present.sum(axis=1), present.sum(axis=0)
    if not blocks:
        means = filled.sum(axis=1) / per_cell
        return np.where(present, flat - means[:, None], np.nan), int(present.sum() - len(flat))
    filled = filled - filled.sum() / present.sum() * present
    share = present / per_block
    reduced = np.diag(per_cell.astype(float)) - share @ present.T
    right = filled.sum(axis=1) - share @ filled.sum(axis=0)
    cell, _, rank, _ = np.linalg.lstsq(reduced, right, rcond=1e-10)
    block = (filled - present * cell[:, None]).sum(axis=0) / per_block
    return np.where(present, filled - cell[:, None] - block, np.nan), int(present.sum() - rank - flat.shape[1])


def at_runs(table: RunTable, frame: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """The mean of the `values` of a longer table's rows that belong to each run, shape (runs,); NaN if there are none.

    Rows belong to the run with the same levels and block.
    """
    names = [*table.factors, *([table.block] if table.block else [])]
    means = pd.Series(values, index=_keys(frame, names)).groupby(level=list(range(len(names)))).mean()
    return means.reindex(_keys(table.frame, names)).to_numpy()


def _keys(frame: pd.DataFrame, names: list[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[level_text(value) for value in frame[name]] for name in names], names=names)
