"""The mixed model of a study as one result (mixed.json): fit, variances, tests, means, contrasts, second opinion."""

from dataclasses import asdict
from typing import Any

import numpy as np

from study.stats.effects.factorial_terms import factorial_terms, term_name
from study.stats.mixed.emmeans import Comparison, compare, estimated_means
from study.stats.mixed.inference import MixedInference
from study.stats.mixed.lmm import MixedModel, fit_mixed
from study.stats.mixed.random_effects import random_effects, variance_shares
from study.stats.mixed.second_opinion import second_opinion
from study.stats.mixed.variance_profile import VarianceProfile
from study.stats.table import RunTable


def mixed_json(
    table: RunTable,
    scale: str | None = None,
    random: str | None = None,
    *,
    kind: str = "III",
    alpha: float = 0.05,
    margin: float | None = None,
) -> dict[str, Any] | None:
    """Fit by REML and tell everything, as described in docs/methods-mixed.md; None for a table without a block.

    Args:
        scale: one of `table.scales()`; the first by default.
        random: see `fit_mixed`.
        kind: type of the hypotheses of `terms`, "I", "II" or "III".
        alpha: one less the confidence of every interval.
        margin: of equivalence, in the scale's unit; adds p_equivalence to the contrasts.

    Raises StudyError as `fit_mixed` does.
    """
    if table.block is None:
        return None
    model = fit_mixed(table, scale or table.scales()[0], random)
    inference = MixedInference(model)
    profile = VarianceProfile(model)
    intervals = [profile.interval(term, alpha) for term in range(len(model.random) + 1)]
    opinion = second_opinion(table, model)
    result = {
        "schema": 1,
        "scale": model.scale,
        "method": model.method,
        "random": " + ".join(model.random),
        "runs": model.patterns.runs,
        "blocks": len(model.patterns.block_labels),
        "loglik": model.loglik,
        "converged": model.converged,
        "singular": model.singular,
        "message": model.message,
        "variance_components": {
            **{name: float(variance) for name, variance in zip(model.random, model.variances, strict=True)},
            "residual": model.residual_variance,
        },
        "variance_intervals": [
            {
                "term": one.term,
                "sd": one.sd,
                "sd_low": one.low,
                "sd_high": one.high,
                "variance": one.sd**2,
                "variance_low": one.low**2,
                "variance_high": one.high**2,
            }
            for one in intervals
        ],
        "random_tests": [asdict(profile.ratio_test(term)) for term in range(len(model.random))],
        "variance_shares": asdict(variance_shares(model)),
        "terms_type": kind,
        "terms": _terms(inference, kind),
        "emmeans": [asdict(mean) for mean in estimated_means(inference, [table.focus], alpha=alpha)],
        "cells": [asdict(mean) for mean in estimated_means(inference, table.factors, alpha=alpha)],
        "contrasts": _rows(
            compare(inference, table.focus, control=table.control, adjust="mvt", alpha=alpha, margin=margin)
        ),
        "pairs": _rows(compare(inference, table.focus, adjust="tukey", alpha=alpha, margin=margin)),
        "simple_effects": [
            row
            for by in table.other_factors
            for row in _rows(
                compare(
                    inference, table.focus, control=table.control, by=[by], adjust="mvt", alpha=alpha, margin=margin
                )
            )
        ],
        "random_effects": [asdict(effect) for effect in random_effects(model)],
        "second_opinion": {**asdict(opinion), "variances": list(opinion.variances)},
    }
    return {key: _without_nan(value) for key, value in result.items()}


def _terms(inference: MixedInference, kind: str) -> list[dict[str, Any]]:
    rows = []
    for term in factorial_terms(inference.model.factors):
        kr = inference.term_test(term, "kenward-roger", kind)
        satterthwaite = inference.term_test(term, "satterthwaite", kind)
        rows.append(
            {
                "term": term_name(term),
                "df1": kr.df1,
                "F_kr": kr.F,
                "df2_kr": kr.df2,
                "p_kr": kr.p,
                "F_satterthwaite": satterthwaite.F,
                "df2_satterthwaite": satterthwaite.df2,
                "p_satterthwaite": satterthwaite.p,
            }
        )
    return rows


def _without_nan(value: Any) -> Any:
    """The value with None in place of every number that does not exist or is infinite."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _rows(comparisons: list[Comparison]) -> list[dict[str, Any]]:
    return [asdict(comparison) for comparison in comparisons]


__all__ = ["MixedModel", "fit_mixed", "mixed_json"]
