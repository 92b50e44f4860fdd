"""How certain a conclusion is, in the manner of GRADE (Guyatt et al. 2008): high, and lower for each reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.design.response import AnalysisSpec
from study.report.format import of, plural
from study.stats.robustness.specification_curve import LAST
from study.stats.table import RunTable
from study.words import unit

GRADES = ("high", "moderate", "low", "very low")
_FEW_BLOCKS = 10
_TOO_MANY = 0.05  # of the runs missing or diverged


def certainty(
    arm: Mapping[str, Any],
    everything: RunTable,
    spec: AnalysisSpec,
    results: Mapping[str, Any],
    deviations: Sequence[str],
) -> dict[str, Any]:
    """The grade of an arm's conclusion, and the reasons why it is not high, in words."""
    if arm["identical"]:
        return {"grade": GRADES[-1], "reasons": ["every run equals the control's"]}
    parts = (
        _blocks(arm, everything),
        _width(arm, spec),
        _lost(arm, everything, results),
        _control(everything, spec),
        "what was done differs from the plan" if deviations else "",
        _methods(arm, results),
    )
    reasons = [part for part in parts if part]
    return {"grade": GRADES[min(len(reasons), len(GRADES) - 1)], "reasons": reasons}


def _blocks(arm: Mapping[str, Any], everything: RunTable) -> str:
    if everything.block is None:
        smallest = int(everything.frame.groupby(list(everything.factors), observed=True).size().min())
        return f"only {plural(smallest, 'run')} in a cell" if smallest < _FEW_BLOCKS else ""
    pairs = arm["pairs"] if arm["pairs"] is not None else 0
    if pairs >= _FEW_BLOCKS:
        return ""
    if pairs == 0:
        return f"no {unit(everything.block)} has runs of both sides"
    freedom = pairs - 1
    tail = f": the spread rests on {plural(freedom, 'degree')} of freedom" if pairs < 5 else ""
    return f"only {plural(pairs, unit(everything.block))}{tail}"


def _width(arm: Mapping[str, Any], spec: AnalysisSpec) -> str:
    if arm["low"] is None or arm["high"] is None:
        return "there is no interval"
    wide = spec.margin > 0 and arm["high"] - arm["low"] > 2 * spec.margin
    return "the interval is wider than twice the margin" if wide else ""


def _lost(arm: Mapping[str, Any], everything: RunTable, results: Mapping[str, Any]) -> str:
    """Runs of the arm or the control that diverged, and runs of the study that are missing."""
    here = everything.frame[everything.focus].astype(str).isin([arm["level"], everything.control]).to_numpy()
    runs, diverged = int(here.sum()), int(everything.diverged()[here].sum())
    found = results["missing"] or {"planned": 0, "missing": 0}
    parts = []
    if diverged > _TOO_MANY * runs:
        parts.append(f"{of(diverged, runs)} runs diverged")
    if found["missing"] > _TOO_MANY * found["planned"]:
        parts.append(f"{of(found['missing'], found['planned'])} runs are missing")
    return " and ".join(parts)


def _control(everything: RunTable, spec: AnalysisSpec) -> str:
    here = (everything.frame[everything.focus] == everything.control).to_numpy()
    failed, runs = int(everything.failed(spec.collapse_below)[here].sum()), int(here.sum())
    return f"the control fails in {of(failed, runs)} runs" if failed and failed >= 0.1 * runs else ""


def _methods(arm: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """Whether other methods say something else: the other side of 0, or mostly nothing where something is said."""
    known = [row for row in results["specification"] if row["level"] == arm["level"] and row["ci_low"] is not None]
    # The mean over epochs is another question.
    rows = [row for row in known if row["endpoint"] == LAST]
    if not rows or arm["low"] is None:
        return ""
    # On log odds of error, less is more.
    signs = [_side(row) * (-1 if row["scale"] == "log_odds" else 1) for row in rows]
    own = 1 if arm["low"] > 0 else -1 if arm["high"] < 0 else 0
    opposite = sum(sign == -own for sign in signs) if own else min(signs.count(1), signs.count(-1))
    if opposite:
        return f"{of(opposite, len(rows))} other analyses point the other way"
    agree = signs.count(own)
    if own and agree < 0.5 * len(rows):
        return f"only {of(agree, len(rows))} analyses exclude no difference"
    return ""


def _side(row: Mapping[str, Any]) -> int:
    return 1 if row["ci_low"] > 0 else -1 if row["ci_high"] < 0 else 0
