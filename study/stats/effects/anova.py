"""Repeated-measures analysis of variance: any number of factors within blocks."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.stats.effects.cluster_robust import ROUNDING
from study.stats.effects.factorial_terms import factorial_terms, hypothesis, term_name
from study.stats.layout import outcome_grid
from study.stats.table import RunTable
from study.words import unit


@dataclass(frozen=True)
class Term:
    """The test of one main effect or interaction. A number that does not exist is None, and `note` says why.

    Attributes:
        df1, df2, F, p: the univariate F test, with sphericity assumed.
        epsilon_gg, p_gg: Greenhouse and Geisser's correction.
        ges: generalised eta squared.
        blocks, blocks_complete: how many blocks there are, and how many have a run in every cell; the test rests on the
            complete ones.
    """

    term: str
    df1: int
    df2: float | None
    F: float | None
    p: float | None
    epsilon_gg: float | None
    p_gg: float | None
    ges: float | None
    scale: str
    blocks: int | None
    blocks_complete: int | None
    note: str


def anova(table: RunTable, scale: str) -> list[Term]:
    """Test every main effect and interaction on one scale.

    With a block, each term has its own error: its interaction with the blocks, over the blocks with a run in every
    cell. With Y (blocks, cells) and orthonormal contrasts C (cells, q) of the term, Z = Y C: the effect's sum of
    squares is n |mean Z|^2, its error's the trace of the scatter of Z. Without a block it is the factorial analysis of
    variance (type III) with the pooled variation within cells; there is no sphericity to correct for.

    Sources: Greenhouse & Geisser (1959); Olejnik & Algina (2003) for generalised eta squared.
    """
    y = table.values(scale)
    grid, blocks = (None, None) if table.block is None else _complete_blocks(table, y)
    note = ""
    if grid is not None and blocks is not None and 2 <= len(grid) < blocks:
        note = f"only {len(grid)} of {blocks} {unit(table.block)}s have a run in every cell; the others are left out"
    rows = []
    for names in factorial_terms(table.factors):
        contrasts = hypothesis(table.factors, table.shape, names)
        if len(contrasts) == 0:
            continue  # a factor with one level
        rows.append(
            Term(
                term=term_name(names),
                df1=len(contrasts),
                **_noted(note, _between(table, y, contrasts) if grid is None else _within(grid, contrasts)),
                scale=scale,
                blocks=blocks,
                blocks_complete=None if grid is None else len(grid),
            )
        )
    return rows


def _noted(note: str, test: dict) -> dict:
    return test | {"note": test["note"] or note}


def _complete_blocks(table: RunTable, y: np.ndarray) -> tuple[np.ndarray, int]:
    """The outcome of the blocks with a run in every cell, shape (complete blocks, cells), and the number of blocks."""
    values = outcome_grid(table, y).values
    grid = values.reshape(-1, values.shape[-1]).T
    return grid[np.isfinite(grid).all(axis=1)], len(grid)


def _within(grid: np.ndarray, contrasts: np.ndarray) -> dict:
    n, q = len(grid), len(contrasts)
    if n < 2:
        return _no_test(f"{n} complete block{'s' if n != 1 else ''}: too few for an analysis of variance")
    orthonormal, _ = np.linalg.qr(contrasts.T)
    z = grid @ orthonormal
    centred = z - z.mean(axis=0)
    scatter = centred.T @ centred
    effect = n * float((z.mean(axis=0) ** 2).sum())
    error = float(np.trace(scatter))
    df2 = (n - 1) * q
    if np.sqrt(error / df2) <= ROUNDING * np.abs(grid).max():
        return _no_test("no variation between blocks: there is nothing to test against")
    # Few blocks leave the scatter of too low a rank: the estimate may fall below 1 / q, which no covariance has.
    epsilon = max(1.0 / (q * float(((scatter / error) ** 2).sum())), 1.0 / q)
    deviations = grid - grid.mean(axis=0)
    return _numbers(effect, error, df2, q, epsilon, effect / (effect + float((deviations**2).sum())))


def _between(table: RunTable, y: np.ndarray, contrasts: np.ndarray) -> dict:
    cell = table.cell_index()
    count = np.bincount(cell).astype(float)
    mean = np.bincount(cell, weights=y) / count
    q, df2 = len(contrasts), len(y) - len(count)
    error = float(((y - mean[cell]) ** 2).sum())
    if df2 < 1 or np.sqrt(error / df2) <= ROUNDING * np.abs(y).max():
        return _no_test("no variation within cells: there is nothing to test against")
    value = contrasts @ mean
    effect = float(value @ np.linalg.solve((contrasts / count) @ contrasts.T, value))
    return _numbers(effect, error, df2, q, 1.0, effect / (effect + error))


def _numbers(effect: float, error: float, df2: int, q: int, epsilon: float, ges: float) -> dict:
    F = effect / q / (error / df2)
    return {
        "df2": float(df2),
        "F": F,
        "p": float(stats.f.sf(F, q, df2)),
        "epsilon_gg": epsilon,
        "p_gg": float(stats.f.sf(F, q * epsilon, df2 * epsilon)),
        "ges": ges,
        "note": "",
    }


def _no_test(note: str) -> dict:
    return {**dict.fromkeys(("df2", "F", "p", "epsilon_gg", "p_gg", "ges")), "note": note}
