"""statsmodels' MixedLM on the same model: an independent fit to hold beside ours, never the source of a number."""

import warnings
from dataclasses import dataclass

import numpy as np
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

from study.stats.mixed.lmm import MixedModel
from study.stats.table import RunTable

RUNS_AT_MOST = 2000  # MixedLM takes minutes beyond
LOGLIK_TOLERANCE = 1e-3
VARIANCE_TOLERANCE = 0.02  # of the residual variance
# bfgs is MixedLM's own first choice and stops short when a variance is zero; Nelder-Mead does not need derivatives.
# Its own second choice, lbfgs, can report convergence at an infinite likelihood (statsmodels issue 10239).
OPTIMISERS = ["bfgs", "nm"]


@dataclass(frozen=True)
class SecondOpinion:
    """What MixedLM found.

    Attributes:
        state: "agrees", "differs", "did not converge" or "not attempted".
        sentence: the state in words.
        loglik: its log likelihood; None unless it ended with a finite one.
        variances: its variance of each random term, in the model's order, and last of the residual; empty likewise.
    """

    state: str
    sentence: str
    loglik: float | None = None
    variances: tuple[float, ...] = ()


def second_opinion(table: RunTable, model: MixedModel) -> SecondOpinion:
    """Fit `model` again with MixedLM and compare log likelihood and variances."""
    if len(table.frame) > RUNS_AT_MOST:
        return SecondOpinion(
            "not attempted", f"statsmodels MixedLM was not asked: it is too slow for more than {RUNS_AT_MOST} runs."
        )
    values = table.values(model.scale)
    shift, unit = float(values.mean()), float(np.sqrt(model.residual_variance))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its convergence is read from the result instead
        try:
            # In units of the residual's standard deviation, since MixedLM's tolerances are absolute.
            fit = _mixed_lm(table, model, (values - shift) / unit).fit(reml=model.method == "REML", method=OPTIMISERS)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            return SecondOpinion("did not converge", f"statsmodels MixedLM failed: {error}.")
    degrees = model.at_optimum.degrees
    loglik = float(fit.llf - degrees * np.log(unit))
    if not np.isfinite(loglik):
        return SecondOpinion("did not converge", "statsmodels MixedLM ended at a likelihood that is not finite.")
    variances = unit**2 * np.append(fit.vcomp, fit.scale)
    if not fit.converged:
        state, sentence = "did not converge", "statsmodels MixedLM did not converge."
    else:
        apart = abs(loglik - model.loglik)
        ours = np.append(model.variances, model.residual_variance)
        furthest = float(np.abs(variances - ours).max()) / model.residual_variance
        agrees = apart <= LOGLIK_TOLERANCE and furthest <= VARIANCE_TOLERANCE
        state = "agrees" if agrees else "differs"
        sentence = (
            f"statsmodels MixedLM {state}: log likelihood {apart:.1e} apart, "
            f"variances at most {100.0 * furthest:.2g} % of the residual variance apart."
        )
    return SecondOpinion(state, sentence, loglik, tuple(float(variance) for variance in variances))


def _mixed_lm(table: RunTable, model: MixedModel, values: np.ndarray) -> MixedLM:
    """MixedLM with an indicator for each cell and one variance component for each random term."""
    frame = table.frame
    cells = np.eye(model.patterns.cells)[table.cell_index()]
    blocks = table.block_index()
    rows = [frame[blocks == number] for number in range(blocks.max() + 1)]
    designs, columns = [], []
    for term in model.random:
        others = [name for name in term.split(":") if name != table.block]
        numbers = [
            some.groupby(others, observed=True).ngroup().to_numpy() if others else np.zeros(len(some), dtype=int)
            for some in rows
        ]
        designs.append([np.eye(number.max() + 1)[number] for number in numbers])
        columns.append([[str(i) for i in range(number.max() + 1)] for number in numbers])
    return MixedLM(values, cells, groups=blocks, exog_vc=VCSpec(list(model.random), columns, designs))
