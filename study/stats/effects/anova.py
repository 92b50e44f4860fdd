"""Repeated-measures analysis of variance: any number of factors within blocks."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats

from study.stats.effects.cluster_robust import ROUNDING
from study.stats.effects.contrasts import fit_cell_means, holm
from study.stats.effects.factorial_terms import factorial_terms, hypothesis, term_name
from study.stats.layout import outcome_grid
from study.stats.table import RunTable

# Level of the two-sided intervals of effect sizes: its lower end is the one-sided 95 % bound that is usual for them.
_EFFECT_SIZE_LEVEL = 0.90


@dataclass(frozen=True)
class Term:
    """The test of one main effect or interaction. A number that does not exist is None, and `note` says why.

    Attributes:
        df1, df2, F, p: the univariate F test, with sphericity assumed.
        epsilon_gg, p_gg, epsilon_hf, p_hf: Greenhouse-Geisser and Huynh-Feldt (epsilon_hf may exceed 1; p_hf uses at
            most 1).
        p_gg_holm: p_gg adjusted by Holm over the interactions with the focus factor; None for other terms.
        mauchly_w, p_mauchly: Mauchly's test of sphericity (informs only; GG is used whatever it says).
        ges, pes: generalised and partial eta squared; pes_low, pes_high: 90 % interval.
        omega2: partial omega squared, at least 0; omega2_low, omega2_high: 90 % interval.
        F_htz, df2_htz, p_htz: the cluster-robust HTZ test of the same term on all runs, complete block or not.
        blocks, blocks_complete: how many blocks there are, and how many have a run in every cell; all but the HTZ test
            rest on the complete ones.
    """

    term: str
    df1: int
    df2: float | None
    F: float | None
    p: float | None
    epsilon_gg: float | None
    p_gg: float | None
    p_gg_holm: float | None
    epsilon_hf: float | None
    p_hf: float | None
    mauchly_w: float | None
    p_mauchly: float | None
    ss_effect: float | None
    ss_error: float | None
    ges: float | None
    pes: float | None
    pes_low: float | None
    pes_high: float | None
    omega2: float | None
    omega2_low: float | None
    omega2_high: float | None
    F_htz: float | None
    df2_htz: float | None
    p_htz: float | None
    scale: str
    blocks: int | None
    blocks_complete: int | None
    note: str


@dataclass(frozen=True)
class Sphericity:
    """How far the covariance of a term's contrasts is from a multiple of the identity."""

    gg: float
    hf: float
    mauchly_w: float | None
    p_mauchly: float | None


def anova(table: RunTable, scale: str) -> list[Term]:
    """Test every main effect and interaction on one scale.

    With a block, each term has its own error: its interaction with the blocks, over the blocks with a run in every
    cell. With Y (blocks, cells) and orthonormal contrasts C (cells, q) of the term, Z = Y C: the effect's sum of
    squares is n |mean Z|^2, its error's the trace of the scatter of Z. Without a block it is the factorial analysis of
    variance (type III) with the pooled variation within cells; there is no sphericity to correct for.

    Sources: Greenhouse & Geisser (1959); Huynh & Feldt (1976); Mauchly (1940); Olejnik & Algina (2003) for ges and
    omega squared; Steiger (2004) for intervals by the noncentral F.
    """
    y = table.values(scale)
    model = fit_cell_means(table, scale)
    grid, blocks = (None, None) if table.block is None else _complete_blocks(table, y)
    rows = []
    for names in factorial_terms(table.factors):
        contrasts = hypothesis(table.factors, table.shape, names, "III", model.count)
        if len(contrasts) == 0:
            continue  # a factor with one level
        robust = model.wald_test(contrasts)
        numbers = _between(table, y, contrasts) if grid is None else _within(grid, contrasts)
        rows.append(
            Term(
                term=term_name(names),
                df1=len(contrasts),
                p_gg_holm=None,
                **numbers,
                F_htz=robust.F,
                df2_htz=robust.df2,
                p_htz=robust.p,
                scale=scale,
                blocks=blocks,
                blocks_complete=None if grid is None else len(grid),
            )
        )
    return _with_holm(rows, table.focus)


def sphericity(scatter: np.ndarray, df: int, cells: int) -> Sphericity:
    """Epsilons and Mauchly's test from the scatter matrix (q, q) of orthonormal contrasts of `cells`, `df` error df.

    Huynh and Feldt's epsilon is the 1976 form, ((df + 1) q e - 2) / (q (df - q e)), as in R's `car`. Mauchly's p value
    has a second-order term (Anderson 2003, section 10.7.4); it needs df >= q. That term is R's, which has 3 `cells` in
    it where Anderson has 3 q: the p value moves by a percent at most, and agrees with R's to all digits.
    """
    q = len(scatter)
    trace = float(np.trace(scatter))
    gg = trace**2 / (q * float((scatter**2).sum()))
    denominator = q * (df - q * gg)
    hf = ((df + 1) * q * gg - 2) / denominator if denominator > 0 else np.inf
    if q == 1 or df < q:
        return Sphericity(gg, hf, None, None)
    _, log_determinant = np.linalg.slogdet(scatter)
    log_w = float(log_determinant) - q * np.log(trace / q)
    rho = 1 - (2 * q**2 + q + 2) / (6 * q * df)
    second = (q + 2) * (q - 1) * (q - 2) * (2 * q**3 + 6 * q**2 + 3 * cells + 2) / (288 * (df * q * rho) ** 2)
    z = -df * rho * log_w
    f = q * (q + 1) / 2 - 1
    first = stats.chi2.sf(z, f)
    p = first + second * (stats.chi2.sf(z, f + 4) - first)
    return Sphericity(gg, hf, float(np.exp(log_w)), float(np.clip(p, 0.0, 1.0)))


def noncentral_interval(F: float, df1: float, df2: float, level: float) -> tuple[float, float]:
    """Interval of a partial eta squared, lambda / (lambda + df2), lambda the noncentralities that put F at its ends."""

    def noncentrality(probability: float) -> float:
        if stats.f.cdf(F, df1, df2) <= probability:
            return 0.0
        top = 10.0
        while stats.ncf.cdf(F, df1, df2, top) > probability:
            top *= 2
        return float(
            optimize.brentq(lambda x: stats.ncf.cdf(F, df1, df2, x) - probability, 0.0, top, xtol=1e-12, rtol=1e-13)
        )

    low, high = noncentrality((1 + level) / 2), noncentrality((1 - level) / 2)
    return low / (low + df2), high / (high + df2)


def _with_holm(rows: list[Term], focus: str) -> list[Term]:
    """The questions that the interactions with the focus factor answer are one family, apart from the contrasts."""
    family = [row for row in rows if ":" in row.term and row.term.split(":")[0] == focus and row.p_gg is not None]
    adjusted, _ = holm(np.array([row.p_gg for row in family], dtype=float))
    values = {row.term: float(p) for row, p in zip(family, adjusted, strict=True)}
    return [replace(row, p_gg_holm=values.get(row.term)) for row in rows]


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
    shape = sphericity(scatter, n - 1, grid.shape[1])
    F = effect / q / (error / df2)
    deviations = grid - grid.mean(axis=0)
    error_of_all = float((deviations**2).sum())
    between = grid.shape[1] * float((grid.mean(axis=1) - grid.mean()) ** 2 @ np.ones(n))
    omega2 = (effect - q * error / df2) / (effect + error + between + between / (n - 1))
    return _numbers(effect, error, df2, F, q, shape, effect / (effect + error_of_all), omega2)


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
    F = effect / q / (error / df2)
    omega2 = (effect - q * error / df2) / (effect + (len(y) - q) * error / df2)
    return _numbers(effect, error, df2, F, q, None, effect / (effect + error), omega2)


def _numbers(
    effect: float, error: float, df2: int, F: float, q: int, shape: Sphericity | None, ges: float, omega2: float
) -> dict:
    pes = effect / (effect + error)
    omega2 = max(omega2, 0.0)
    pes_low, pes_high = noncentral_interval(F, q, df2, _EFFECT_SIZE_LEVEL)
    # As effectsize does: the F that would have given omega squared as a partial eta squared.
    omega2_low, omega2_high = noncentral_interval(omega2 / (1 - omega2) * df2 / q, q, df2, _EFFECT_SIZE_LEVEL)
    gg, hf = (shape.gg, min(shape.hf, 1.0)) if shape else (1.0, 1.0)
    return {
        "df2": float(df2),
        "F": F,
        "p": float(stats.f.sf(F, q, df2)),
        "epsilon_gg": gg,
        "p_gg": float(stats.f.sf(F, q * gg, df2 * gg)),
        "epsilon_hf": shape.hf if shape and np.isfinite(shape.hf) else 1.0,
        "p_hf": float(stats.f.sf(F, q * hf, df2 * hf)),
        "mauchly_w": shape.mauchly_w if shape else None,
        "p_mauchly": shape.p_mauchly if shape else None,
        "ss_effect": effect,
        "ss_error": error,
        "ges": ges,
        "pes": pes,
        "pes_low": pes_low,
        "pes_high": pes_high,
        "omega2": omega2,
        "omega2_low": omega2_low,
        "omega2_high": omega2_high,
        "note": "",
    }


def _no_test(note: str) -> dict:
    names = [
        "df2", "F", "p", "epsilon_gg", "p_gg", "epsilon_hf", "p_hf", "mauchly_w", "p_mauchly", "ss_effect", "ss_error",
        "ges", "pes", "pes_low", "pes_high", "omega2", "omega2_low", "omega2_high",
    ]  # fmt: skip
    return {**dict.fromkeys(names), "note": note}
