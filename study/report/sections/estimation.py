"""The estimation plot: every run, and beside it what the interval says about the difference (Ho et al. 2019)."""

from typing import Any

import altair as alt
import pandas as pd

from study.report.explanation import Explanation
from study.report.parts import marks
from study.report.parts.axes import error_of
from study.report.parts.figure import Figure, beside
from study.report.parts.frames import differences, effects_words, every_outcome, outcome_axis
from study.report.parts.labels import arms_of
from study.report.results import Results, known
from study.report.verdict import Verdict

ROW_HEIGHTS = 48, 72
ALL_ROWS = 240
"""Pixels: of a row, where there are many and where there are few, and of all rows, where that allows it."""
WIDE = 720


def estimation(results: Results, verdict: Verdict, explain: Explanation | None = None) -> Figure | None:
    """The first screen's figure; None without a difference."""
    effects = differences(results, known(results.contrasts), "label")
    if effects.empty:
        return None
    runs = every_outcome(results)
    again = explain.rescored(results) if explain else None
    hollow = ""
    if again is not None:
        fallen = runs["arm"].isin({results.arm(level) for level in verdict.fallen})
        saved = runs[fallen].assign(outcome=again.outcome, kind="rescored")
        saved["words"] = saved["outcome"].map(results.response.value)
        saved["error"] = error_of(saved["outcome"], results.trials)
        runs = pd.concat([runs, saved], ignore_index=True)
        hollow = f" Hollow: {again.words}." if fallen.any() else ""
    order = arms_of(results, runs)
    threshold = _threshold(results, runs)
    below = results.response.beyond(results.analysis["plan"]["collapse_below"])
    line = "" if threshold is None else f" Runs left of the dashed line count as collapsed: they end{below}."
    cross = " A cross is a run that diverged." if runs["state"].eq("diverged").any() else ""
    left = _runs(results, runs, order, threshold)
    right = marks.effect_rows(results, effects, alt.NamedData("effects"), order, named=False)
    return Figure(
        key="effects",
        title=f"Every run, and the difference from {results.arm(results.control)}",
        caption=(
            f"Left: a dot is a run.{hollow}{cross}{line} Right: the difference with its {results.level} interval"
            f"{', which hold for all at once' if len(effects) > 1 else ''}"
            + (f", and the margin of {results.response.margin(results.margin)} as a band." if results.margin else ".")
        ),
        alternative=effects_words(results, effects),
        plot=beside(left, right.properties(height=alt.Step(_height(order))), WIDE),
        data={"effects": effects, "runs": runs},
        follows=results.block is not None,
    )


def _runs(results: Results, runs: pd.DataFrame, order: list[str], threshold: float | None) -> alt.LayerChart:
    field, look = outcome_axis(results, runs)
    title = results.response.title + (", spaced by log error" if results.counts else "")
    base = alt.Chart(alt.NamedData("runs"))
    place = {
        "x": alt.X(f"{field}:Q", title=title, **look),
        "y": marks.row("arm", order),
        "yOffset": alt.YOffset("lane:Q", scale=alt.Scale(domain=[-1.0, 1.15])),
        "color": marks.arm_colour(results),
    }
    tips = {"block:N": results.unit, "words:N": results.response.name, "arm:N": results.focus.title, "cell:N": "cell"}
    dots = base.transform_filter("datum.kind === 'run'").mark_point(filled=True, opacity=0.7, size=18)
    hollow = base.transform_filter("datum.kind === 'rescored'").mark_point(filled=False, opacity=0.6, size=18)
    layers: list[Any] = []
    if threshold is not None:
        at = alt.Chart(alt.InlineData(values=[{field: threshold}]))
        layers.append(at.mark_rule(strokeDash=[4, 3]).encode(x=alt.X(f"{field}:Q", **look)))
    layers += [
        hollow.encode(description=marks.told(tips), **place),
        dots.encode(shape=marks.state_shape(), description=marks.told(tips | {"state:N": "status"}), **place),
        *marks.row_labels(order, -marks.MARK - 6),
    ]
    return alt.layer(*layers).properties(height=alt.Step(_height(order)))


def _height(order: list[str]) -> int:
    least, most = ROW_HEIGHTS
    return max(least, min(most, ALL_ROWS // len(order)))


def _threshold(results: Results, runs: pd.DataFrame) -> float | None:
    """Where a run counts as collapsed, on the axis that is drawn, if runs are found beyond it."""
    bound = results.analysis["plan"]["collapse_below"]
    if not bound or not results.counts:
        return None
    return 100.0 * (1.0 - bound) if (runs["error"] > 100.0 * (1.0 - bound)).any() else None
