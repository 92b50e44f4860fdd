"""A table of runs reduced to what a mixed model needs, with blocks of one pattern kept once.

Blocks are independent. The likelihood sees a block only through X'Z, Z'Z and Z'y, of the size of the cells and of the
block's random effects, and blocks with the same runs share the first two. So the work grows with the number of distinct
patterns, one in a balanced design, and no matrix has a row or column for each run of the table.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.errors import StudyError, TooAlikeError
from study.stats.mixed.random_terms import term_levels
from study.stats.table import RunTable


@dataclass(frozen=True)
class BlockPatterns:
    """The reduced table: P patterns of blocks, C cells, q random effects in a block over r random terms.

    The response is centred on the plain mean of its cell, so X'y = 0.

    Attributes:
        shape: number of levels of each factor; cells are numbered in C order.
        cell_means, cell_counts: plain mean and number of runs of each cell, (C,).
        runs: number of runs.
        within: sum of squares of the centred response.
        component: the random term that each random effect belongs to, (q,).
        blocks: number of blocks with each pattern, (P,).
        gram: Z'Z, (P, q, q).
        cross: X'Z, (P, C, q).
        mean_sums, spread_sums: mean of Z'y over a pattern's blocks, (P, q), and the sum of outer products about it.
    """

    shape: tuple[int, ...]
    cell_means: np.ndarray
    cell_counts: np.ndarray
    runs: int
    within: float
    component: np.ndarray
    blocks: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    mean_sums: np.ndarray
    spread_sums: np.ndarray

    @property
    def cells(self) -> int:
        return len(self.cell_means)

    @property
    def terms(self) -> int:
        """Number of random terms."""
        return int(self.component.max()) + 1

    @property
    def indicator(self) -> np.ndarray:
        """Which random term each random effect belongs to, (q, r)."""
        return np.eye(self.terms)[self.component]


def reduce_to_patterns(table: RunTable, values: np.ndarray, terms: tuple[tuple[str, ...], ...]) -> BlockPatterns:
    """Reduce the runs' `values`, (runs,), under the random `terms`.

    Raises StudyError for values that are not finite, an empty cell, one block only, no more runs than cells, or runs
    that do not differ within any cell.
    """
    frame = table.frame
    if not np.isfinite(values).all():
        raise StudyError("the mixed model needs a finite response in every run; remove or correct the others")
    cell = table.cell_index()
    cells = int(np.prod(table.shape))
    cell_counts = np.bincount(cell, minlength=cells)
    _check_cells(table, cell_counts)
    cell_means = np.bincount(cell, weights=values, minlength=cells) / cell_counts
    centred = values - cell_means[cell]
    block = pd.factorize(frame[table.block], sort=True)[0]
    blocks = int(block.max()) + 1
    _check_variation(table, values, centred, blocks, cells)

    component: list[int] = []
    effects = np.empty((len(frame), len(terms)), dtype=int)
    for number, term in enumerate(terms):
        codes = term_levels(frame, term, str(table.block))
        effects[:, number] = codes + len(component)
        component.extend([number] * (int(codes.max()) + 1))

    sums = np.zeros((blocks, len(component)))
    for column in effects.T:
        np.add.at(sums, (block, column), centred)
    pattern, examples = _patterns(block, cell, effects)
    gram = np.zeros((len(examples), len(component), len(component)))
    cross = np.zeros((len(examples), cells, len(component)))
    for number, runs in enumerate(examples):
        design = np.zeros((len(runs), len(component)))
        np.put_along_axis(design, effects[runs], 1.0, axis=1)
        gram[number] = design.T @ design
        np.add.at(cross[number], cell[runs], design)
    alike = [sums[pattern == number] for number in range(len(examples))]
    mean_sums = np.stack([some.mean(axis=0) for some in alike])
    spreads = [some - mean for some, mean in zip(alike, mean_sums, strict=True)]
    return BlockPatterns(
        shape=table.shape,
        cell_means=cell_means,
        cell_counts=cell_counts,
        runs=len(values),
        within=float((centred**2).sum()),
        component=np.array(component),
        blocks=np.bincount(pattern).astype(float),
        gram=gram,
        cross=cross,
        mean_sums=mean_sums,
        spread_sums=np.stack([spread.T @ spread for spread in spreads]),
    )


def _patterns(block: np.ndarray, cell: np.ndarray, effects: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each block's pattern, (B,), and for each pattern the runs of one block that has it."""
    order = np.lexsort([*effects.T, cell, block])
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    alike: dict[bytes, list[int]] = defaultdict(list)
    runs_of_block = np.split(order, starts[1:])
    for number, runs in enumerate(runs_of_block):
        alike[np.column_stack([cell[runs], effects[runs]]).tobytes()].append(number)
    pattern = np.empty(len(runs_of_block), dtype=int)
    for number, members in enumerate(alike.values()):
        pattern[members] = number
    return pattern, [runs_of_block[members[0]] for members in alike.values()]


def _check_cells(table: RunTable, cell_counts: np.ndarray) -> None:
    empty = np.flatnonzero(cell_counts == 0)
    if len(empty):
        where = ", ".join(f"{factor}={level}" for factor, level in table.cells()[empty[0]].items())
        more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise StudyError(f"the mixed model needs a run in every cell; none has {where}{more}: add runs or drop a level")


def _check_variation(table: RunTable, values: np.ndarray, centred: np.ndarray, blocks: int, cells: int) -> None:
    if blocks < 2:
        raise TooAlikeError(f"the mixed model needs at least two values of the block {table.block!r}; there is one")
    if len(values) <= cells:
        raise TooAlikeError(f"the mixed model needs more runs than cells; there are {len(values)} runs, {cells} cells")
    if (centred**2).sum() <= len(values) * (1e-13 * np.abs(values).max()) ** 2:
        raise TooAlikeError("the response differs between the runs of no cell, so there is no noise to judge by")
