"""The mixed model of a study as one result (mixed.json): fit, variances, tests of the terms, contrasts."""

from typing import Any

import numpy as np
from scipy import stats

from study.errors import StudyError
from study.stats.effects.contrasts import average_part
from study.stats.effects.factorial_terms import factorial_terms, term_name
from study.stats.effects.max_t import MaxT
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import MixedModel, fit_mixed
from study.stats.mixed.random_terms import default_random
from study.stats.table import RunTable


def mixed_json(table: RunTable, random: str | None = None, *, alpha: float = 0.05) -> dict[str, Any] | None:
    """Fit by REML on the table's first scale; docs/methods-mixed.md tells the methods. None without a block.

    Args:
        random: see `fit_mixed`. By default its terms, or the block alone where the runs cannot tell them apart, as for
            a factor that is constant within blocks; the message says so.
        alpha: one less the confidence of every interval.

    Returns:
        schema, scale, random (the terms), runs, blocks, loglik, converged, singular (whether a variance is estimated at
        0), message (the same in words).
        components: rows of term ("residual" last) and sd.
        terms: rows of term, df1, F_kr, df2_kr, p_kr (type III, Kenward and Roger).
        contrasts: each arm against the control, averaged over the cells of the other factors: level, control, estimate,
            se, df, statistic, p, and by the multivariate t over the arms p_adjusted, ci_low, ci_high.
        What the methods do not define is NaN.

    Raises StudyError as `fit_mixed` does.
    """
    if table.block is None:
        return None
    scale = table.scale
    model, dropped = _fit(table, scale, random)
    inference = MixedInference(model)
    return {
        "schema": 1,
        "scale": scale,
        "random": " + ".join(model.random),
        "runs": model.patterns.runs,
        "blocks": int(model.patterns.blocks.sum()),
        "loglik": model.loglik,
        "converged": model.converged,
        "singular": model.singular,
        "message": dropped + model.message,
        "components": [
            {"term": term, "sd": float(np.sqrt(variance))}
            for term, variance in zip(
                (*model.random, "residual"), (*model.variances, model.residual_variance), strict=True
            )
        ],
        "terms": [_term(inference, term) for term in factorial_terms(model.factors)],
        "contrasts": _contrasts(table, inference, alpha),
    }


def _fit(table: RunTable, scale: str, random: str | None) -> tuple[MixedModel, str]:
    """The model, and what had to be left out of it, in a sentence."""
    try:
        return fit_mixed(table, scale, random), ""
    except StudyError as error:
        if random is not None or default_random(table) == str(table.block):
            raise
        left_out = default_random(table).split(" + ")[-1]
        return fit_mixed(table, scale, str(table.block)), f"The term {left_out} was left out: {error}. "


def _term(inference: MixedInference, term: tuple[str, ...]) -> dict[str, Any]:
    test = inference.term_test(term)
    return {"term": term_name(term), "df1": test.df1, "F_kr": test.F, "df2_kr": test.df2, "p_kr": test.p}


def _contrasts(table: RunTable, inference: MixedInference, alpha: float) -> list[dict[str, Any]]:
    found = inference.estimates(average_part(table).matrix)
    statistic = found.estimate / found.se
    largest = MaxT(found.covariance / np.outer(found.se, found.se)) if np.isfinite(statistic).all() else None
    rows = []
    for level, estimate, se, df, t in zip(table.arms, found.estimate, found.se, found.df, statistic, strict=True):
        half = largest.critical(alpha, df) * se if largest else np.nan
        rows.append(
            {
                "level": level,
                "control": table.control,
                "estimate": float(estimate),
                "se": float(se),
                "df": float(df),
                "statistic": float(t),
                "p": float(2.0 * stats.t.sf(abs(t), df)),
                "p_adjusted": largest.sf(t, df) if largest else np.nan,
                "ci_low": float(estimate - half),
                "ci_high": float(estimate + half),
            }
        )
    return rows
