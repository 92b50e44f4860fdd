"""What the random terms of a mixed model say: predicted effects of each block, and shares of the variance."""

from dataclasses import dataclass

import numpy as np

from study.stats.mixed.likelihood import solve
from study.stats.mixed.lmm import MixedModel


@dataclass(frozen=True)
class RandomEffect:
    """The predicted effect (BLUP) of one level of a random term, and its standard deviation given the data.

    `levels` names the block and, for an interaction, the other columns. As in lme4 the standard deviation takes the
    variances and the fixed effects as known.
    """

    term: str
    levels: dict[str, object]
    estimate: float
    sd: float


@dataclass(frozen=True)
class VarianceShares:
    """Shares of the variance, each between 0 and 1.

    Attributes:
        icc: random variance over random plus residual variance: the correlation of two runs that share every level.
        icc_unadjusted: random variance over the total, the fixed effects' variance included.
        r2_marginal, r2_conditional: share that the fixed effects, or the fixed and the random effects, explain
            (Nakagawa, Johnson & Schielzeth 2017).
    """

    icc: float
    icc_unadjusted: float
    r2_marginal: float
    r2_conditional: float


def random_effects(model: MixedModel) -> list[RandomEffect]:
    """Best linear unbiased predictions u = Lambda Z'V0^-1 (y - X m), block by block in sorted order."""
    patterns, fit = model.patterns, model.at_optimum
    spread = fit.ratios[patterns.component]
    solved = solve(patterns, fit.ratios)
    residual = patterns.sums - (fit.cell_means @ patterns.cross)[patterns.pattern]
    predicted = spread * np.einsum("bkl,bl->bk", solved.shrink[patterns.pattern], residual)
    variance = model.residual_variance * (spread - spread**2 * np.einsum("pkk->pk", solved.k))
    deviation = np.sqrt(np.maximum(variance, 0.0))[patterns.pattern]
    present = np.einsum("pkk->pk", patterns.gram)[patterns.pattern] > 0.0
    return [
        RandomEffect(
            term=model.random[patterns.component[k]],
            levels={model.block: _plain(label), **{name: _plain(value) for name, value in patterns.labels[k].items()}},
            estimate=float(predicted[b, k]) + 0.0,  # no minus zero
            sd=float(deviation[b, k]),
        )
        for k in range(len(patterns.component))
        for b, label in enumerate(patterns.block_labels)
        if present[b, k]
    ]


def variance_shares(model: MixedModel) -> VarianceShares:
    """Intraclass correlation and R squared from the model's variances and its fixed predictions' variance."""
    counts = model.patterns.cell_counts
    centre = counts @ model.cell_means / counts.sum()
    fixed = float(counts @ (model.cell_means - centre) ** 2 / (counts.sum() - 1))
    between = float(model.variances.sum())
    total = fixed + between + model.residual_variance
    return VarianceShares(
        icc=between / (between + model.residual_variance),
        icc_unadjusted=between / total,
        r2_marginal=fixed / total,
        r2_conditional=(fixed + between) / total,
    )


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
