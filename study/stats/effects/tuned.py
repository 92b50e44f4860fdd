"""Each arm at its best level of a tuning factor, chosen on validation data and judged on other blocks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.errors import StudyError, TooAlikeError
from study.stats.effects.contrasts import Effect, compare_with_control
from study.stats.layout import outcome_grid
from study.stats.table import RunTable, build_table

SPLITS = 200


@dataclass(frozen=True)
class Choice:
    """How often a level was chosen.

    Attributes:
        arm: the level of the focus factor, the control included.
        cell: the levels of the factors that are neither in focus nor tuned.
        shares: share of the choices that fell on each level of the tuned factor.
        best: the level that all blocks together would choose.
    """

    arm: str
    cell: dict[str, str]
    shares: dict[str, float]
    best: str


@dataclass(frozen=True)
class Tuned:
    """The tuned comparison: contrasts as in `compare_with_control`, and what was chosen."""

    factor: str
    splits: int
    contrasts: list[Effect]
    choices: list[Choice]


def tuned(
    table: RunTable,
    factor: str,
    validation: np.ndarray,
    rng: np.random.Generator,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
) -> Tuned:
    """Compare each arm with the control, each at its best level of `factor`.

    The blocks are split at random into two halves. On each half, every arm (in each combination of the remaining
    factors) takes the level with the best mean validation outcome; the other half's runs at that level are its score.
    No run is judged at a level that it helped to choose, so there is no winner's curse. This is repeated for many
    splits and a block's scores are averaged; the contrasts are then paired over blocks. That the blocks of a half share
    a choice is ignored, which is harmless where the choice is clear.

    Args:
        table: the runs, with a block.
        factor: the factor to tune, not the focus factor.
        validation: the outcome that the choice is made on, of each run, higher is better, shape (runs,).
        rng: draws the splits.
        margin, alpha: as in `compare_with_control`.

    Raises:
        StudyError: no such factor, or no block.
        TooAlikeError: fewer than four blocks.
    """
    _check(table, factor)
    values = _by_level(table, factor, table.values(table.scale))
    valid = _by_level(table, factor, validation)
    blocks = valid.shape[-1]
    chosen = np.zeros(valid.shape[:3])
    total, times = np.zeros((*valid.shape[:2], blocks)), np.zeros((*valid.shape[:2], blocks))
    for _ in range(SPLITS):
        half = rng.permutation(blocks) < blocks // 2
        for choosing in (half, ~half):
            best = _best(valid[..., choosing])
            np.add.at(chosen, (*np.indices(best.shape), best), 1.0)
            picked = np.take_along_axis(values, best[:, :, None, None], axis=2)[:, :, 0]
            use = ~choosing & np.isfinite(picked)
            total += np.where(use, picked, 0.0)
            times += use
    score = np.divide(total, times, out=np.full(times.shape, np.nan), where=times > 0)
    return Tuned(
        factor, SPLITS, _contrasts(table, factor, score, margin, alpha), _choices(table, factor, chosen, _best(valid))
    )


def _check(table: RunTable, factor: str) -> None:
    if factor not in table.other_factors:
        names = ", ".join(table.other_factors) or "none"
        raise StudyError(f"--tune {factor}: is not one of the other factors; these are: {names}")
    if table.block is None:
        raise StudyError("--tune needs a block: the level is chosen on some blocks and judged on the others")
    if table.frame[table.block].nunique() < 4:
        raise TooAlikeError(
            f"--tune: at least four values of {table.block!r} are needed, two to choose on, two to judge on"
        )


def _by_level(table: RunTable, factor: str, values: np.ndarray) -> np.ndarray:
    """Outcomes as (arms, cells of the remaining factors, levels of `factor`, blocks), the control first."""
    grid = outcome_grid(table, values).values
    axis = table.factors.index(factor)
    grid = grid.reshape(*table.shape, -1)
    grid = np.moveaxis(grid, axis, -2)
    return grid.reshape(table.shape[0], -1, table.shape[axis], grid.shape[-1])


def _best(values: np.ndarray) -> np.ndarray:
    """The level with the best mean over blocks, shape (arms, cells); a level without runs is never the best."""
    seen = np.isfinite(values)
    total = np.where(seen, values, 0.0).sum(axis=-1)
    mean = np.divide(total, seen.sum(axis=-1), out=np.full(total.shape, -np.inf), where=seen.any(axis=-1))
    return mean.argmax(axis=-1)


def _remaining(table: RunTable, factor: str) -> list[dict[str, str]]:
    names = [name for name in table.other_factors if name != factor]
    cells = [{name: cell[name] for name in names} for cell in table.cells()]
    return list({tuple(cell.items()): cell for cell in cells}.values())


def _contrasts(table: RunTable, factor: str, score: np.ndarray, margin: float, alpha: float) -> list[Effect]:
    """The contrasts of the blocks' scores (arms, cells, blocks), through the same engine as the untuned ones."""
    cells = _remaining(table, factor)
    outcome = str(table.successes or table.response)
    rows = [
        {table.focus: arm, **cell, table.block: block, outcome: score[a, c, block]}
        for a, arm in enumerate(table.levels(table.focus))
        for c, cell in enumerate(cells)
        for block in range(score.shape[2])
        if np.isfinite(score[a, c, block])
    ]
    names = [table.focus, *(name for name in table.other_factors if name != factor)]
    scores = build_table(
        pd.DataFrame(rows),
        names,
        table.control,
        table.block,
        response=outcome,
        higher_is_better=table.higher_is_better,
    )
    return compare_with_control(scores, margin=margin, alpha=alpha, furthest=table.furthest(table.scale))


def _choices(table: RunTable, factor: str, chosen: np.ndarray, best: np.ndarray) -> list[Choice]:
    levels = table.levels(factor)
    shares = chosen / chosen.sum(axis=2, keepdims=True)
    return [
        Choice(
            arm=arm,
            cell=cell,
            shares={level: float(share) for level, share in zip(levels, shares[a, c], strict=True)},
            best=levels[best[a, c]],
        )
        for a, arm in enumerate(table.levels(table.focus))
        for c, cell in enumerate(_remaining(table, factor))
    ]
