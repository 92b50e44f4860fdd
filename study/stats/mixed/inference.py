"""Tests and standard errors of a mixed model's cell means by Kenward and Roger's method (1997).

The method needs only directions in which the covariance of the runs can move. Here these are D_1 .. D_r, the random
terms' patterns Z_i Z_i', and D_0 = V itself (a change of scale), in units of the residual variance. The results are the
same as for the variances themselves, since Kenward and Roger's quantities do not change when V is a linear function of
other parameters. The covariance of the parameters is that of the expected information: zero variances count like any
other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from study.stats.effects.estimates import Estimates
from study.stats.effects.factorial_terms import hypothesis
from study.stats.mixed.likelihood import solve, spent_by_cells, sum_over_blocks
from study.stats.mixed.lmm import MixedModel


@dataclass(frozen=True)
class FTest:
    """F statistic of a linear hypothesis, its degrees of freedom and p value; nan where the method gives none."""

    F: float
    df1: int
    df2: float
    p: float


class MixedInference:
    """What hypotheses about a model's cell means need, computed once for the model."""

    def __init__(self, model: MixedModel) -> None:
        self.model = model

    def estimates(self, rows: np.ndarray) -> Estimates:
        """Estimate `rows` times the cell means, (k, cells).

        The degrees of freedom of each row alone are 2 / (g'W g), g the derivatives of the row's log variance: for one
        row Kenward and Roger's formula reduces to Satterthwaite's with the expected information.
        """
        reach = rows @ self.model.at_optimum.phi
        variances = np.einsum("kc,kc->k", reach, rows)
        slopes = np.einsum("kc,icd,kd->ki", reach, self._slopes, reach, optimize=True) / variances[:, None]
        slopes = np.column_stack([slopes, np.ones(len(rows))])
        return Estimates(
            estimate=rows @ self.model.cell_means,
            covariance=rows @ self.adjusted_covariance @ rows.T,
            df=2.0 / np.einsum("ki,ij,kj->k", slopes, self._weights, slopes),
        )

    def term_test(self, term: tuple[str, ...]) -> FTest:
        """The test of one fixed term, given by its factors, that its marginal means do not differ (type III)."""
        rows = hypothesis(self.model.factors, self.model.shape, term)
        effect, q = rows @ self.model.cell_means, len(rows)
        quadratic = float(effect @ np.linalg.solve(rows @ self.adjusted_covariance @ rows.T, effect)) / q
        scale, df2 = self._kenward_roger(rows)
        # Two or three blocks full of holes can be too few for the method's expansion to make sense.
        if df2 <= 0.0 or scale <= 0.0:
            return FTest(np.nan, q, np.nan, np.nan)
        return FTest(quadratic * scale, q, df2, float(stats.f.sf(quadratic * scale, q, df2)))

    @cached_property
    def adjusted_covariance(self) -> np.ndarray:
        """Covariance of the cell means, corrected for the estimation of the variances, (cells, cells).

        Phi + 2 Phi [sum_ij W_ij (Q_ij - P_i Phi P_j)] Phi with P_i = X'V^-1 D_i V^-1 X,
        Q_ij = X'V^-1 D_i V^-1 D_j V^-1 X and W the covariance of the parameters (Halekoh & Hojsgaard 2014). The
        change of scale adds nothing to the sum.
        """
        patterns, fit = self.model.patterns, self.model.at_optimum
        weights = self._weights[:-1, :-1]
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
    def _weights(self) -> np.ndarray:
        """W, the covariance of the parameters."""
        return 2.0 * np.linalg.inv(self.model.at_optimum.expected_information)

    def _kenward_roger(self, rows: np.ndarray) -> tuple[float, float]:
        """Scale of F and denominator df (Kenward & Roger 1997, in the notation of Halekoh & Hojsgaard 2014)."""
        q = len(rows)
        weights = self._weights
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
