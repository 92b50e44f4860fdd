"""A slow reference for mixed models: the textbook formulas with the full covariance matrix of the runs.

Written from the papers' formulas in the variances themselves, with matrices of one row a run and treatment coding, so
that it shares neither parameters nor algebra with the package.
"""

from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from study.stats.table import RunTable, build_table


def factorial_table(
    shape: tuple[int, ...],
    blocks: int,
    seed: int,
    *,
    sds: tuple[float, float, float] = (1.0, 0.7, 1.0),
    keep: float = 1.0,
    repeats: int = 1,
) -> RunTable:
    """Simulated runs: factors "alpha", "beta", ..., block "rat", sds of block, block x alpha and run.

    `keep` is the share of runs that stay; at least one run of every cell does.
    """
    rng = np.random.default_rng(seed)
    names = ["alpha", "beta", "gamma"][: len(shape)]
    rows = np.array(list(product(*[range(k) for k in shape], range(blocks), range(repeats))))
    frame = pd.DataFrame({name: [f"{name[0]}{level}" for level in rows[:, i]] for i, name in enumerate(names)})
    frame["rat"] = [f"r{block}" for block in rows[:, -2]]
    effect = rng.normal(0.0, 0.5, shape)[tuple(rows[:, : len(shape)].T)]
    between = rng.normal(0.0, sds[0], blocks)[rows[:, -2]]
    inside = rng.normal(0.0, sds[1], (blocks, shape[0]))[rows[:, -2], rows[:, 0]]
    frame["score"] = effect + between + inside + rng.normal(0.0, sds[2], len(frame))
    if repeats > 1:
        frame["host"] = [f"h{number}" for number in rows[:, -1]]
    stays = (rng.random(len(frame)) < keep) | (rows[:, -2] == rows[:, 0] % blocks)
    frame = frame[stays].sample(frac=1.0, random_state=seed).reset_index(drop=True)
    for name in reversed(names):
        frame = frame.sort_values(name, kind="stable")
    frame = frame.reset_index(drop=True)
    return as_table(frame, tuple(names))


def as_table(frame: pd.DataFrame, factors: tuple[str, ...]) -> RunTable:
    """The frame as a RunTable, also with repeated runs, which `build_table` refuses."""
    first = frame.drop_duplicates([*factors, "rat"])
    checked = build_table(first, factors, f"{factors[0][0]}0", block="rat", response="score")
    full = frame.copy()
    for factor in factors:
        full[factor] = pd.Categorical(full[factor], categories=checked.levels(factor))
    return RunTable(full, factors, "rat", checked.control, response="score")


class DenseMixedModel:
    """y = X b + sum_k Z_k u_k + e with V = sum_k phi_k G_k, G_last = I; everything from V itself."""

    def __init__(self, table: RunTable, random: list[list[str]]) -> None:
        self.y = table.frame[table.response].to_numpy()
        columns, self.span, self.coefficients = [np.ones(len(self.y))], {}, [{}]
        for order in range(1, len(table.factors) + 1):
            for term in combinations(table.factors, order):
                start = len(columns)
                for levels in product(*[table.levels(f)[1:] for f in term]):
                    columns.append(
                        np.prod([table.frame[f].astype(str) == v for f, v in zip(term, levels, strict=True)], axis=0)
                    )
                    self.coefficients.append(dict(zip(term, levels, strict=True)))
                self.span[":".join(term)] = slice(start, len(columns))
        self.X = np.column_stack(columns).astype(float)
        self.G = []
        for term in random:
            code = table.frame[term].astype(str).agg("/".join, axis=1).to_numpy()
            self.G.append((code[:, None] == code[None, :]).astype(float))
        self.G.append(np.eye(len(self.y)))

    def covariance(self, phi: np.ndarray) -> np.ndarray:
        return sum(p * G for p, G in zip(phi, self.G, strict=True))

    def deviance(self, phi: np.ndarray) -> float:
        V = self.covariance(phi)
        inverse = np.linalg.inv(V)
        information = self.X.T @ inverse @ self.X
        P = inverse - inverse @ self.X @ np.linalg.solve(information, self.X.T @ inverse)
        value = np.linalg.slogdet(V)[1] + self.y @ P @ self.y
        n, p = self.X.shape
        return value + np.linalg.slogdet(information)[1] + (n - p) * np.log(2 * np.pi)

    def optimum(self, start: np.ndarray) -> float:
        """The lowest deviance that a search without derivatives finds."""
        best = minimize(
            lambda root: self.deviance(root**2),
            np.sqrt(start),
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-11, "maxiter": 4000, "maxfev": 4000},
        )
        return float(best.fun)

    def solution(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and their covariance."""
        inverse = np.linalg.inv(self.covariance(phi))
        Phi = np.linalg.inv(self.X.T @ inverse @ self.X)
        return Phi @ self.X.T @ inverse @ self.y, Phi

    def kenward_roger(self, phi: np.ndarray, L: np.ndarray) -> tuple[float, float, np.ndarray]:
        """Scaled F, denominator df and the adjusted covariance (Kenward & Roger 1997; Halekoh & Hojsgaard 2014)."""
        inverse = np.linalg.inv(self.covariance(phi))
        b, Phi = self.solution(phi)
        VG = [inverse @ G for G in self.G]
        k = len(self.G)
        P = [-self.X.T @ VG[i] @ inverse @ self.X for i in range(k)]
        Q = [[self.X.T @ VG[i] @ VG[j] @ inverse @ self.X for j in range(k)] for i in range(k)]
        IE = np.array(
            [
                [np.trace(VG[i] @ VG[j]) - np.trace(Phi @ (2 * Q[i][j] - P[i] @ Phi @ P[j])) for j in range(k)]
                for i in range(k)
            ]
        )
        W = 2 * np.linalg.inv(IE)
        middle = sum(W[i, j] * (Q[i][j] - P[i] @ Phi @ P[j]) for i in range(k) for j in range(k))
        adjusted = Phi + 2 * Phi @ middle @ Phi
        q = len(L)
        Theta = L.T @ np.linalg.solve(L @ Phi @ L.T, L)
        T = [Theta @ Phi @ p @ Phi for p in P]
        A1 = sum(W[i, j] * np.trace(T[i]) * np.trace(T[j]) for i in range(k) for j in range(k))
        A2 = sum(W[i, j] * np.trace(T[i] @ T[j]) for i in range(k) for j in range(k))
        B = (A1 + 6 * A2) / (2 * q)
        g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
        c = np.array([g, q - g, q + 2 - g]) / (3 * q + 2 * (1 - g))
        E = 1 / (1 - A2 / q)
        rho = (1 + c[0] * B) / ((1 - c[1] * B) ** 2 * (1 - c[2] * B)) / (q * E**2)
        m = 4 + (q + 2) / (q * rho - 1)
        effect = L @ b
        F = m / (E * (m - 2)) * effect @ np.linalg.solve(L @ adjusted @ L.T, effect) / q
        return F, m, adjusted
