"""What is concluded about each arm, from the results of an analysis: `verdicts.json` but for its sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from study.analysis.certainty import certainty
from study.design.response import AnalysisSpec
from study.stats.effects.labels import LABELS
from study.stats.effects.power import power_of_settling, seeds_needed
from study.stats.table import RunTable

Row = Mapping[str, Any]

COLLAPSES, DIVERGES = "collapses", "diverges"
# Enough of a cell's runs fail, and few enough of the control's there, to speak of failing without a test.
_MANY, _FEW = 0.5, 0.1


def arms(everything: RunTable, spec: AnalysisSpec, results: Row, deviations: Sequence[str]) -> list[dict[str, Any]]:
    """The conclusions, one an arm in the order of the levels; see docs/analysis-files.md for the fields.

    Args:
        everything: all runs, those that diverged too.
        results: by name, as `study.analysis.run.analyse` makes them.
        deviations: what was done otherwise than planned.
    """
    return [_arm(everything, spec, results, row, deviations) for row in results["contrasts"]]


def side(everything: RunTable, spec: AnalysisSpec, level: str) -> dict[str, Any]:
    """The runs of one level: their mean (over cells of equal weight) and range without those that diverged, counts."""
    here = everything.subset((everything.frame[everything.focus] == level).to_numpy())
    failed, diverged = here.failed(spec.collapse_below), here.diverged()
    values, cell = here.values(here.scale), here.cell_index()
    kept = ~diverged & np.isfinite(values)
    means = [values[kept & (cell == number)].mean() for number in np.unique(cell[kept])]
    worst, best = (values[kept].min(), values[kept].max()) if kept.any() else (None, None)
    return {
        "mean": float(np.mean(means)) if means else None,
        "lowest": worst,
        "highest": best,
        "runs": len(values),
        "collapsed": int((failed & ~diverged).sum()),
        "diverged": int(diverged.sum()),
    }


def _arm(
    everything: RunTable, spec: AnalysisSpec, results: Row, contrast: Row, deviations: Sequence[str]
) -> dict[str, Any]:
    level = contrast["level"]
    each = (_dependence(results, level, factor, spec.margin) for factor in everything.other_factors)
    depends = [found for found in each if found is not None]
    label = contrast["label"]
    crossed = next((found["factor"] for found in depends if found["label"] == "depends"), None)
    if crossed is not None:
        label = f"depends on {crossed}"
    label = failing(results["collapse"], level, spec.alpha) or label
    found = side(everything, spec, level)
    arm = {
        "level": level,
        "label": label,
        **found,
        "estimate": contrast["estimate"],
        "low": contrast["ci_low"],
        "high": contrast["ci_high"],
        "p": contrast["p_adjusted"],
        "pairs": contrast["pairs"],
        "note": contrast["note"],
        "identical": _identical(everything, level),
        "depends": depends,
        "one_run_each": _one_run_each(results, level),
        "tuned": _tuned(results, level),
        "seeds_to_settle": _seeds_to_settle(contrast, spec, len(results["contrasts"])),
    }
    return arm | {"certainty": certainty(arm, everything, spec, results, deviations)}


def failing(collapse: Row | None, level: str, alpha: float) -> str:
    """ "collapses" or "diverges", whichever is more frequent, where the runs of a level fail; empty where they do not.

    That needs evidence: the exact test adjusted over the arms, or a cell in which at least half of the runs fail, two
    or more, and at most a tenth of the control's.
    """
    if collapse is None:
        return ""
    count = next(row for row in collapse["arms"] if row["level"] == level)
    test = next((row for row in collapse["comparisons"] if row["level"] == level), None)
    shown = test is not None and test["rate_difference"] > 0 and test["p_adjusted"] < alpha
    if not shown and not failing_cells(collapse, level):
        return ""
    return DIVERGES if count["diverged"] > count["collapsed"] else COLLAPSES


def failing_cells(collapse: Row, level: str) -> list[Row]:
    """The cells in which the runs of a level fail and the control's do not."""
    control = collapse["comparisons"][0]["control"] if collapse["comparisons"] else None
    rates = {_cell_key(row["levels"]): row["rate"] for row in collapse["cells"] if _focus(row) == control}
    return [
        row
        for row in collapse["cells"]
        if _focus(row) == level
        and row["failed"] >= 2
        and row["rate"] >= _MANY
        and rates.get(_cell_key(row["levels"]), 1.0) <= _FEW
    ]


def _focus(row: Row) -> str:
    return next(iter(row["levels"].values()))


def _cell_key(levels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(levels.values())[1:]


def _dependence(results: Row, level: str, factor: str, margin: float) -> dict[str, Any] | None:
    """Whether an arm's effect depends on another factor; None where that has one level."""
    here = [row for row in results["level_effects"] if row["level"] == level and factor in row["cell"]]
    changes = [row for row in results["interactions"] if row["level"] == level and factor in row["cell"]]
    if len(here) < 2:
        return None
    known = [row for row in here if row["ci_low"] is not None]
    largest = max(changes, key=lambda row: abs(row["estimate"] or 0.0))
    if any(row["ci_low"] > 0 for row in known) and any(row["ci_high"] < 0 for row in known):
        label = "depends"
    elif any(row["ci_low"] is None for row in changes):
        label = "not known"
    elif margin > 0 and all(-margin < row["ci_low"] and row["ci_high"] < margin for row in changes):
        label = "no more than the margin"
    elif any(row["ci_low"] > 0 or row["ci_high"] < 0 for row in changes):
        label = "differs in size"
    else:
        label = "not excluded"
    return {
        "factor": factor,
        "label": label,
        "change": largest["estimate"],
        **_ends(largest["cell"][factor], [row["cell"][factor] for row in here]),
        "low": largest["ci_low"],
        "high": largest["ci_high"],
        "levels": [
            {
                "level": row["cell"][factor],
                "label": row["label"],
                "estimate": row["estimate"],
                "low": row["ci_low"],
                "high": row["ci_high"],
                **_failures_at(results, level, factor, row["cell"][factor]),
            }
            for row in here
        ],
    }


def _ends(change: str, levels: Sequence[str]) -> dict[str, str]:
    """The two levels of a change, such as "0.3 - 0": from 0 to 0.3."""
    pairs = ((first, later) for first in levels for later in levels)
    return next({"first": first, "later": later} for first, later in pairs if f"{later} - {first}" == change)


def _failures_at(results: Row, level: str, factor: str, at: str) -> dict[str, int]:
    """Runs that collapsed and diverged, of the runs of an arm at a level of another factor."""
    rows = [row for row in results["cells"] if _focus(row) == level and row["levels"][factor] == at]
    return {name: sum(row[name] for row in rows) for name in ("collapsed", "diverged", "runs")}


def _identical(everything: RunTable, level: str) -> bool:
    """Whether every run of an arm equals that of the control in the same cell and block, two pairs or more."""
    if everything.block is None:
        return False
    keys = [everything.block, *everything.other_factors]
    # By number, as a factor may have any name.
    frame = everything.frame[keys].set_axis(range(len(keys)), axis=1)
    frame = frame.assign(arm=everything.frame[everything.focus].astype(str), value=everything.values(everything.scale))
    wide = frame.pivot(index=list(range(len(keys))), columns="arm", values="value")
    wide = wide[[level, everything.control]].dropna()
    return len(wide) > 1 and bool((wide[level] == wide[everything.control]).all())


def _one_run_each(results: Row, level: str) -> dict[str, Any] | None:
    found = results["luck"]
    row = next((row for row in found["contrasts"] if row["level"] == level), None) if found else None
    return None if row is None else row.get("one_run_each")


def _tuned(results: Row, level: str) -> dict[str, Any] | None:
    found = results["tuned"]
    row = next((row for row in found["contrasts"] if row["level"] == level), None) if found else None
    if found is None or row is None:
        return None
    best = {choice["arm"]: choice["best"] for choice in found["choices"]}
    return {
        "factor": found["factor"],
        "label": row["label"],
        "estimate": row["estimate"],
        "low": row["ci_low"],
        "high": row["ci_high"],
        "best": best[level],
        "control_best": best[row["control"]],
    }


def _seeds_to_settle(contrast: Row, spec: AnalysisSpec, contrasts: int) -> int | None:
    """The blocks with which the contrast would be settled with a probability of 80 %, were the estimate the truth.

    None where it is settled, where nothing is known of its spread, and beyond 100,000.
    """
    if contrast["label"] != LABELS[-1] or not contrast["se"] or not contrast["pairs"]:
        return None
    sd, alpha = contrast["se"] * np.sqrt(contrast["pairs"]), spec.alpha / contrasts
    return seeds_needed(lambda n: power_of_settling(contrast["estimate"], sd, n, alpha, spec.margin), 0.8)
