"""Tests and standard errors of a mixed model's cell means: Kenward-Roger and Satterthwaite.

Both methods need only directions in which the covariance of the runs can move. Here these are D_1 .. D_r, the random
terms' patterns Z_i Z_i', and D_0 = V itself (a change of scale), in units of the residual variance. The results are the
same as for the variances themselves, since Kenward and Roger's quantities do not change when V is a linear function of
other parameters.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from study.stats.effects.factorial_terms import hypothesis
from study.stats.mixed.likelihood import solve, spent_by_cells, sum_over_blocks
from study.stats.mixed.lmm import MixedModel

DDF = ("kenward-roger", "satterthwaite", "asymptotic")


@dataclass(frozen=True)
class FTest:
    """F statistic of a linear hypothesis, its degrees of freedom and p value; nan where the method gives none."""

    F: float
    df1: int
    df2: float
    p: float


@dataclass(frozen=True)
class Estimates:
    """k linear functions of the cell means: estimate, se and df have shape (k,), covariance (k, k)."""

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    covariance: np.ndarray


class MixedInference:
    """What hypotheses about a model's cell means need, computed once for the model.

    The argument `ddf` below is "kenward-roger" (Kenward & Roger 1997; REML only; it also widens the standard errors),
    "satterthwaite" (Fai & Cornelius 1996; Kuznetsova et al. 2017) or "asymptotic" (infinite degrees of freedom).
    """

    def __init__(self, model: MixedModel) -> None:
        self.model = model

    def estimates(self, rows: np.ndarray, ddf: str = "kenward-roger") -> Estimates:
        """Estimate `rows` times the cell means, (k, cells)."""
        covariance = rows @ self._covariance(ddf) @ rows.T
        return Estimates(
            estimate=rows @ self.model.cell_means,
            se=np.sqrt(np.where(np.diag(covariance) > 0.0, np.diag(covariance), np.nan)),
            df=self._row_degrees(rows, ddf),
            covariance=covariance,
        )

    def f_test(self, rows: np.ndarray, ddf: str = "kenward-roger") -> FTest:
        """Test that `rows`, (q, cells) of full rank, times the cell means is zero."""
        effect = rows @ self.model.cell_means
        q = len(rows)
        quadratic = float(effect @ np.linalg.solve(rows @ self._covariance(ddf) @ rows.T, effect)) / q
        if ddf == "kenward-roger":
            scale, df2 = self._kenward_roger(rows)
            # Two or three blocks full of holes can be too few for the method's expansion to make sense.
            quadratic = quadratic * scale if df2 > 0.0 and scale > 0.0 else np.nan
        elif ddf == "satterthwaite":
            df2 = self._satterthwaite(rows)
        else:
            df2 = np.inf
        return FTest(quadratic, q, df2 if np.isfinite(quadratic) else np.nan, float(stats.f.sf(quadratic, q, df2)))

    def term_test(self, term: tuple[str, ...], ddf: str = "kenward-roger", kind: str = "III") -> FTest:
        """The type I, II or III test of one fixed term, given by its factors."""
        model = self.model
        return self.f_test(hypothesis(model.factors, model.shape, term, kind, model.patterns.cell_counts), ddf)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the cell means as if the variances were known, (cells, cells)."""
        return self.model.at_optimum.phi * self.model.residual_variance

    @cached_property
    def adjusted_covariance(self) -> np.ndarray:
        """The covariance with Kenward and Roger's correction for the estimation of the variances.

        Phi + 2 Phi [sum_ij W_ij (Q_ij - P_i Phi P_j)] Phi with P_i = X'V^-1 D_i V^-1 X,
        Q_ij = X'V^-1 D_i V^-1 D_j V^-1 X and W the covariance of the parameters (Halekoh & Hojsgaard 2014). The
        change of scale adds nothing to the sum.
        """
        patterns, fit = self.model.patterns, self.model.at_optimum
        weights = self._expected_covariance[:-1, :-1]
        solved = solve(patterns, fit.ratios)
        by_effect = weights[np.ix_(patterns.component, patterns.component)]
        extra = sum_over_blocks(patterns, solved.through @ (solved.k * by_effect), solved.through)
        for slope, row in zip(self._slopes, weights, strict=True):
            extra -= slope @ fit.phi @ np.tensordot(row, self._slopes, axes=1)
        return self.model.residual_variance * (fit.phi + 2.0 * fit.phi @ extra @ fit.phi)

    @cached_property
    def _slopes(self) -> np.ndarray:
        """P_i of the random terms, (r, cells, cells)."""
        return spent_by_cells(self.model.patterns, solve(self.model.patterns, self.model.at_optimum.ratios))

    @cached_property
    def _expected_covariance(self) -> np.ndarray:
        """Covariance of the parameters from the expected information: zero variances count like any other."""
        if self.model.method != "REML":
            raise ValueError("Kenward-Roger is defined for REML fits only")
        return 2.0 * np.linalg.inv(self.model.at_optimum.expected_information)

    @cached_property
    def _observed_covariance(self) -> np.ndarray:
        """Covariance of the parameters from the observed information, in which variances at zero are known."""
        moving = np.append(self.model.at_optimum.ratios > 0.0, True)
        covariance = np.zeros((len(moving), len(moving)))
        information = self.model.at_optimum.observed_information[np.ix_(moving, moving)]
        covariance[np.ix_(moving, moving)] = 2.0 * np.linalg.inv(information)
        return covariance

    def _covariance(self, ddf: str) -> np.ndarray:
        if ddf not in DDF:
            raise ValueError(f"unknown degrees of freedom {ddf!r}; one of {', '.join(DDF)}")
        return self.adjusted_covariance if ddf == "kenward-roger" else self.covariance

    def _row_degrees(self, rows: np.ndarray, ddf: str) -> np.ndarray:
        """Degrees of freedom of each row alone: 2 / (g'W g), g the derivatives of the row's log variance."""
        if ddf == "asymptotic":
            return np.full(len(rows), np.inf)
        # For one row Kenward and Roger's formula reduces to Satterthwaite's with the expected information.
        weights = self._expected_covariance if ddf == "kenward-roger" else self._observed_covariance
        reach = rows @ self.model.at_optimum.phi
        variances = np.einsum("kc,kc->k", reach, rows)
        slopes = np.einsum("kc,icd,kd->ki", reach, self._slopes, reach, optimize=True) / variances[:, None]
        slopes = np.column_stack([slopes, np.ones(len(rows))])
        return 2.0 / np.einsum("ki,ij,kj->k", slopes, weights, slopes)

    def _satterthwaite(self, rows: np.ndarray) -> float:
        """Denominator df of a joint test: independent t statistics matched to F by its mean (Fai & Cornelius 1996)."""
        _, vectors = np.linalg.eigh(rows @ self.model.at_optimum.phi @ rows.T)
        degrees = self._row_degrees(vectors.T @ rows, "satterthwaite")
        if np.ptp(degrees) < 1e-8:
            return float(degrees.mean())
        if (degrees <= 2.0).any():
            return 2.0
        expected = (degrees / (degrees - 2.0)).sum()
        return float(2.0 * expected / (expected - len(degrees)))

    def _kenward_roger(self, rows: np.ndarray) -> tuple[float, float]:
        """Scale of F and denominator df (Kenward & Roger 1997, in the notation of Halekoh & Hojsgaard 2014)."""
        q = len(rows)
        weights = self._expected_covariance
        reach = rows @ self.model.at_optimum.phi
        inverse = np.linalg.inv(reach @ rows.T)
        parts = [inverse @ (reach @ slope @ reach.T) for slope in self._slopes] + [np.eye(q)]
        traces = np.array([np.trace(part) for part in parts])
        flat = np.stack([part.ravel() for part in parts])
        products = flat @ np.stack([part.T.ravel() for part in parts]).T
        a1 = float(traces @ weights @ traces)
        a2 = float((weights * products).sum())
        b = (a1 + 6.0 * a2) / (2.0 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        base = 3.0 * q + 2.0 * (1.0 - g)
        c1, c2, c3 = g / base, (q - g) / base, (q + 2 - g) / base
        shrunk, v0, v1, v2 = 1.0 - a2 / q, 1.0 + c1 * b, 1.0 - c2 * b, 1.0 - c3 * b
        # Both vanish together at 2 degrees of freedom, where their ratio is 1.
        ratio = 1.0 if max(abs(shrunk), abs(v1)) < 1e-10 else shrunk / v1
        df2 = 4.0 + (q + 2) * v2 / (ratio**2 * v0 - v2)
        scale = 1.0 if abs(df2 - 2.0) < 1e-2 else df2 * shrunk / (df2 - 2.0)
        return scale, df2
