"""statsmodels' MixedLM on a model of ours: an independent fit to hold beside it."""

import warnings

import numpy as np
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

from study.stats.mixed.lmm import MixedModel
from study.stats.table import RunTable

# bfgs is MixedLM's own first choice and stops short when a variance is zero; Nelder-Mead does not need derivatives.
# Its own second choice, lbfgs, can report convergence at an infinite likelihood (statsmodels issue 10239).
OPTIMISERS = ["bfgs", "nm"]


def mixed_lm(table: RunTable, model: MixedModel) -> tuple[float, np.ndarray]:
    """REML log likelihood, and the variances of the random terms, in the model's order, and of the residual."""
    values = table.values("response")
    # In units of the residual's standard deviation, since MixedLM's tolerances are absolute.
    shift, unit = float(values.mean()), float(np.sqrt(model.residual_variance))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = _described(table, model, (values - shift) / unit).fit(reml=True, method=OPTIMISERS)
    assert fit.converged
    return float(fit.llf - model.at_optimum.degrees * np.log(unit)), unit**2 * np.append(fit.vcomp, fit.scale)


def _described(table: RunTable, model: MixedModel, values: np.ndarray) -> MixedLM:
    """An indicator for each cell and one variance component for each random term."""
    blocks = table.block_index()
    rows = [table.frame[blocks == number] for number in range(blocks.max() + 1)]
    designs, columns = [], []
    for term in model.random:
        others = [name for name in term.split(":") if name != table.block]
        numbers = [
            some.groupby(others, observed=True).ngroup().to_numpy() if others else np.zeros(len(some), dtype=int)
            for some in rows
        ]
        designs.append([np.eye(number.max() + 1)[number] for number in numbers])
        columns.append([[str(i) for i in range(number.max() + 1)] for number in numbers])
    cells = np.eye(model.patterns.cells)[table.cell_index()]
    return MixedLM(values, cells, groups=blocks, exog_vc=VCSpec(list(model.random), columns, designs))
