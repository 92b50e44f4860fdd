"""Every inference on a table of runs. docs/analysis-files.md describes each."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from study.analysis.about import About
from study.analysis.files import plain
from study.analysis.verdict import failing
from study.analysis.verdicts import verdicts
from study.design.response import AnalysisSpec
from study.errors import StudyError, TooAlikeError
from study.stats.checks.diagnostics import diagnostics
from study.stats.checks.missing import missing
from study.stats.collapse.rates import collapse
from study.stats.descriptives import cells, curve_bands
from study.stats.effects.anova import anova
from study.stats.effects.contrasts import Effect, cell_parts, change_parts, compare_with_control, effects, level_parts
from study.stats.effects.curve_contrasts import curve_contrasts
from study.stats.effects.negative_control import negative_control, without_negative_control
from study.stats.effects.tuned import Tuned, tuned
from study.stats.layout import block_means, outcome_grid
from study.stats.luck.images import images
from study.stats.luck.one_run_each import luck
from study.stats.mixed.summary import mixed_json
from study.stats.planning.power import PlanningTarget, plan_from_pilot
from study.stats.robustness.nonparametric import friedman
from study.stats.robustness.specification_curve import specification_table
from study.stats.sequential.path import ContrastPath, paths
from study.stats.sequential.summary import path_rows, row_at_any_time, summary
from study.stats.table import RunTable
from study.words import level_text

NAMES = (
    *("contrasts", "tuned", "mixed", "simple_effects", "level_effects", "interactions", "anova", "collapse"),
    *("luck", "images"),
    *("specification", "ranks", "diagnostics", "missing", "power", "cells", "curves", "curve_contrasts"),
    *("negative_control", "sequential", "sequential_path", "analysis", "verdicts"),
)
"""The results of an analysis, each a file."""

TUNED = "lr"
"""The factor whose best level each arm may choose, if a design has it and names no other."""

# What the description of an analysis calls its plan.
_PLAN = (
    *("alpha", "margin", "collapse_below", "random", "tune", "validation_successes", "validation_trials"),
    *("validation_response", "negative_control", "looks", "stop"),
)


def analyse(
    table: RunTable,
    spec: AnalysisSpec,
    curves: pd.DataFrame | None = None,
    ended: Mapping[str, Any] | None = None,
    about: About | None = None,
) -> dict[str, Any]:
    """All results by name of their file (without its ending), as plain values; None for what does not apply.

    Args:
        table: the runs.
        spec: what was decided before the data were seen.
        curves: one row for each run and epoch: the factors, the block, `epoch`, and the validation columns.
        ended: `left_out` and `without_number` of a tracker's table, see `study.analysis.tracker_export`.
        about: the words of the answers, and what they must say beside the numbers.

    Raises:
        StudyError: the plan does not fit the table.
    """
    apart = None
    if spec.negative_control is not None:
        apart = negative_control(table, spec.negative_control, margin=spec.margin, alpha=spec.alpha)
        table = without_negative_control(table, spec.negative_control)
    # Every run counts as an outcome; what needs numbers is made from the runs that have one.
    everything, table = table, table.finished()
    curves = _checked_curves(table, spec, curves)
    absent: dict[str, str] = {}
    failures = collapse(everything, spec.collapse_below, spec.alpha)
    pooled = _pooled(table, failures, spec)
    followed = _followed(table, spec)
    results: dict[str, Any] = dict.fromkeys(NAMES) | {
        "contrasts": _contrasts(table, spec, followed),
        "simple_effects": _simple_effects(table, spec),
        "level_effects": _level_effects(table, spec),
        "interactions": _interactions(table, spec),
        "collapse": failures,
        "specification": specification_table(
            table,
            _rng("specification"),
            alpha=spec.alpha,
            collapse_below=spec.collapse_below,
            random=spec.random,
            curves=curves,
        ),
        # A sequential study gives its arms different numbers of blocks on purpose.
        "missing": missing(everything) if followed is None else None,
        "cells": cells(everything, spec.collapse_below),
        "curves": None if curves is None else curve_bands(curves, table.factors, table.scale),
        "curve_contrasts": None
        if curves is None or table.block is None
        else curve_contrasts(table, curves, _rng("curve_contrasts"), spec.alpha),
        "negative_control": apart,
        "sequential": followed and summary(table, followed, spec.looks, spec.margin, spec.alpha),
        "sequential_path": followed and path_rows(followed),
        "runs": _runs(everything),
    }
    results |= _of_full_cells(table, pooled, spec, absent)
    results["analysis"] = _description(everything, spec, ended, absent) | {"pooled": list(pooled.arms)}
    results = {name: plain(value) for name, value in results.items()}
    return results | {"verdicts": plain(verdicts(everything, spec, results, about or About()))}


def describe(
    table: RunTable, spec: AnalysisSpec, curves: pd.DataFrame | None, reason: str, about: About | None = None
) -> dict[str, Any]:
    """As `analyse`, for a table that is not whole yet: its cells and curves alone; nothing is inferred.

    Args:
        table: the runs; levels, blocks and cells may be lacking.
        spec, curves: see `analyse`.
        reason: why nothing is inferred, told in the description of the analysis.
    """
    if spec.negative_control is not None:
        table = table.subset((table.frame[table.focus] != spec.negative_control).to_numpy())
    curves = _checked_curves(table, spec, curves)
    results: dict[str, Any] = dict.fromkeys(NAMES)
    results |= {
        "cells": cells(table, spec.collapse_below),
        "curves": None if curves is None else curve_bands(curves, table.factors, table.scale),
        "runs": _runs(table),
        "analysis": _description(table, spec, None, {"contrasts": reason}),
        "verdicts": verdicts(table, spec, results, about or About(), reason),
    }
    return {name: plain(value) for name, value in results.items()}


def _pooled(table: RunTable, failures: Mapping[str, Any] | None, spec: AnalysisSpec) -> RunTable:
    """The runs of the control and of the arms whose runs do not fail, for what pools arms; all where all of them fail.

    One arm that fails would be most of the variance that is found.
    """
    sound = [level for level in table.arms if not failing(failures, level, spec.alpha)]
    return table.only([table.control, *sound]) if sound else table


def _of_full_cells(table: RunTable, pooled: RunTable, spec: AnalysisSpec, absent: dict[str, str]) -> dict[str, Any]:
    """The results that need a number in every cell; none where a cell has none, all of its runs having diverged.

    Args:
        pooled: see `_pooled`.
    """
    if np.bincount(table.cell_index(), minlength=int(np.prod(table.shape))).min() == 0:
        absent["analysis of variance, mixed model, luck, ranks, checks and planning"] = "in a cell no run has a number"
        return {}
    return {
        "tuned": _tuned(table, spec, absent),
        "mixed": _mixed(pooled, spec, absent),
        "anova": anova(table, table.scale),
        "luck": luck(table, spec.margin, _rng("luck"), pooled=pooled, alpha=spec.alpha),
        "images": images(table, alpha=spec.alpha),
        "ranks": _ranks(table, spec),
        "diagnostics": diagnostics(table, spec.collapse_below),
        "power": _power(pooled, spec, absent),
    }


def _rng(part: str) -> np.random.Generator:
    """The random numbers of one part: the same in every analysis, whatever the other parts draw."""
    return np.random.default_rng(list(part.encode()))


def _followed(table: RunTable, spec: AnalysisSpec) -> list[ContrastPath] | None:
    """The contrasts of a sequential study, look by look."""
    if not spec.looks:
        return None
    if table.block is None:
        raise StudyError("--looks needs a --block: what a sequential study adds are blocks")
    return paths(table, spec.looks, margin=spec.margin, alpha=spec.alpha, stop=spec.stop)


def _contrasts(table: RunTable, spec: AnalysisSpec, followed: list[ContrastPath] | None) -> list[dict[str, Any]]:
    """The primary contrasts; of a sequential study, what holds at its time of stopping."""
    rows = []
    for effect in compare_with_control(table, margin=spec.margin, alpha=spec.alpha):
        row = {name: value for name, value in asdict(effect).items() if name != "cell"}
        if followed is not None:
            row = row_at_any_time(table, row, next(path for path in followed if path.level == effect.level))
        rows.append(row)
    return rows


def _simple_effects(table: RunTable, spec: AnalysisSpec) -> list[Effect]:
    if not table.other_factors:
        return []
    return effects(table, cell_parts(table), margin=spec.margin, alpha=spec.alpha)


def _level_effects(table: RunTable, spec: AnalysisSpec) -> list[Effect]:
    """The contrasts at each level of each other factor; those of one factor are a family."""
    return [
        effect
        for factor in table.other_factors
        if len(table.levels(factor)) > 1
        for effect in effects(table, level_parts(table, factor), margin=spec.margin, alpha=spec.alpha)
    ]


def _interactions(table: RunTable, spec: AnalysisSpec) -> list[Effect]:
    """How each contrast changes between the levels of each other factor; the changes over one factor are a family."""
    return [
        effect
        for factor in table.other_factors
        if len(table.levels(factor)) > 1
        for effect in effects(table, change_parts(table, factor), margin=spec.margin, alpha=spec.alpha)
    ]


def _mixed(table: RunTable, spec: AnalysisSpec, absent: dict[str, str]) -> dict[str, Any] | None:
    # A factor with one level has nothing to test and no interaction.
    varying = replace(table, factors=tuple(name for name in table.factors if len(table.levels(name)) > 1))
    try:
        return mixed_json(varying, spec.random, alpha=spec.alpha)
    except StudyError as error:
        if spec.random is not None and not isinstance(error, TooAlikeError):
            raise
        # The default terms may not suit a small table; the other results do not depend on them.
        absent["mixed"] = str(error)
        return None


def _tuned(table: RunTable, spec: AnalysisSpec, absent: dict[str, str]) -> Tuned | None:
    factor = spec.tune or (TUNED if TUNED in table.other_factors else None)
    if factor is None or (spec.tune is None and len(table.levels(factor)) < 2):
        return None
    try:
        return tuned(table, factor, _to_choose_by(table, spec), _rng("tuned"), margin=spec.margin, alpha=spec.alpha)
    except StudyError as error:
        # A study of few seeds was not planned wrongly: it has its other results.
        if spec.tune is not None and not isinstance(error, TooAlikeError):
            raise
        absent["tuned"] = str(error).removeprefix(f"--tune {factor}: ").removeprefix("--tune").lstrip(": ")
        return None


def _to_choose_by(table: RunTable, spec: AnalysisSpec) -> np.ndarray:
    """What a level is chosen by, higher is better: the validation outcome, or that of the other blocks without one."""
    names = (spec.validation_successes, spec.validation_trials) if table.counts else (spec.validation_response,)
    if all(name in table.frame for name in names):
        columns = [table.frame[name].to_numpy(dtype=float) for name in names]
        values = columns[0] / columns[1] if table.counts else columns[0]
        if np.isfinite(values).all():
            return values if table.higher_is_better else -values
    return table.values(table.scale) if table.higher_is_better else -table.values(table.scale)


def _ranks(table: RunTable, spec: AnalysisSpec) -> dict[str, Any] | None:
    """Friedman's test of the arms over blocks; rank 1 is the best."""
    if table.block is None:
        return None
    scale = table.scale
    grid = outcome_grid(table, table.values(scale))
    means = np.column_stack([block_means(values) for values in grid.values])
    means = means[np.isfinite(means).all(axis=1)]
    if len(means) < 2:
        return None
    found = asdict(friedman(-means if table.higher_is_better else means, spec.alpha))
    ranks = found.pop("mean_ranks")
    arms = [{"level": level, "mean_rank": float(rank)} for level, rank in zip(grid.arms, ranks, strict=True)]
    return {"scale": scale, "blocks": len(means), "arms": arms, **found}


def _power(table: RunTable, spec: AnalysisSpec, absent: dict[str, str]) -> dict[str, Any] | None:
    blocks = table.frame[table.block].nunique() if table.block else int(np.bincount(table.cell_index()).min())
    unit = spec.margin or float(np.std(table.values(table.scale)))
    target = PlanningTarget(
        seeds=max(int(blocks), 2),
        margin=spec.margin,
        effects=tuple(factor * unit for factor in (0.5, 1.0, 2.0, 3.0)) if unit else (),
        contrasts=len(table.arms),
        alpha=spec.alpha,
        looks=spec.looks,
        stop=spec.stop,
    )
    try:
        return plan_from_pilot(table, target)
    except StudyError as error:
        absent["power"] = str(error)
        return None


def _runs(table: RunTable) -> pd.DataFrame:
    """The runs as they were analysed: the columns that have a role, levels as words."""
    roles = [*table.factors, table.block, table.successes, table.trials, table.response]
    known = [name for name in ("run_id", "status") if name in table.frame and name not in roles]
    frame = table.frame[[*known[:1], *(name for name in roles if name is not None), *known[1:]]]
    return frame.astype(dict.fromkeys(table.factors, str))


def _checked_curves(table: RunTable, spec: AnalysisSpec, curves: pd.DataFrame | None) -> pd.DataFrame | None:
    """The curves of the table's arms, with the counts named `successes` and `trials`, or the number `response`."""
    if curves is None or curves.empty:
        return None
    names = (
        {spec.validation_successes: "successes", spec.validation_trials: "trials"}
        if table.counts
        else {spec.validation_response: "response"}
    )
    needed = [*table.factors, *([table.block] if table.block else []), "epoch", *names]
    lacking = [name for name in needed if name not in curves]
    if lacking:
        raise StudyError(f"--curves: no column {lacking[0]!r}; the columns are: {', '.join(map(str, curves.columns))}")
    arms = curves[table.focus].map(level_text).isin(table.levels(table.focus))
    return curves.loc[arms, needed].rename(columns=names).dropna(subset=list(names.values()))


def _description(
    table: RunTable, spec: AnalysisSpec, ended: Mapping[str, Any] | None, absent: dict[str, str]
) -> dict[str, Any]:
    """What was analysed, and how: the first thing to read."""
    return {
        "schema": 1,
        "runs": len(table.frame),
        "factors": {factor: list(table.levels(factor)) for factor in table.factors},
        "control": {"factor": table.focus, "level": table.control},
        "block": table.block,
        "blocks": None if table.block is None else int(table.frame[table.block].nunique()),
        "outcome": {
            "successes": table.successes,
            "trials": table.trials,
            "response": table.response,
            "name": spec.name,
            "unit": spec.unit,
            "better": "higher" if table.higher_is_better else "lower",
        },
        "scales": list(table.scales()),
        "repeats": None if table.repeats is None else asdict(table.repeats),
        "plan": {name: getattr(spec, name) for name in _PLAN},
        **(ended or {"left_out": {}, "without_number": 0}),
        "absent": absent,
    }
