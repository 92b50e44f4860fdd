"""The estimation plot: every run, and beside it what the interval says about the difference (Ho et al. 2019)."""

import textwrap
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
LINE = 18
"""Characters of a line of a name."""


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
        saved["recorded"] = runs.loc[fallen, "error"]
        runs = pd.concat([runs, saved], ignore_index=True)
        hollow = f" Hollow, joined by a line: {again.words}." if fallen.any() else ""
    order = arms_of(results, runs)
    threshold = _threshold(results, runs)
    below = results.response.beyond(results.analysis["plan"]["collapse_below"])
    line = "" if threshold is None else f" Runs left of the dashed line count as collapsed: they end{below}."
    cross = " A cross is a run that diverged." if runs["state"].eq("diverged").any() else ""
    names = {name: _lines(name) for name in order}
    numbers = {name: [""] for name in order}
    for arm, words in zip(effects["arm"], effects["words"], strict=True):
        numbers[str(arm)] = str(words).replace(" (", "\n(", 1).split("\n")
    several, together = (
        ("the differences with their", "s that hold for all at once")
        if len(effects) > 1
        else ("the difference with its", "")
    )
    left = _runs(results, runs, order, threshold, marks.row_column("left", names, labelColor="var(--ink)"))
    right = marks.effect_rows(
        results, effects, alt.NamedData("effects"), order, marks.row_column("right", numbers)
    ).properties(height=alt.Step(_height(order)))
    axes = marks.column_width(names) + marks.column_width(numbers)
    return Figure(
        key="effects",
        title=f"Every run, and the difference from {results.arm(results.control)}",
        caption=(
            f"A dot is a run.{hollow}{cross}{line} The second plot has {several} {results.level} interval{together}"
            + (f", and the margin of {results.response.margin(results.margin)} as a band." if results.margin else ".")
        ),
        alternative=effects_words(results, effects),
        plot=beside(left, right, axes, WIDE),
        data={"effects": effects, "runs": runs},
        follows=results.block is not None,
    )


def _runs(
    results: Results, runs: pd.DataFrame, order: list[str], threshold: float | None, names: alt.Axis
) -> alt.LayerChart:
    field, look = outcome_axis(results, runs)
    title = results.response.title + (", spaced by log error" if results.counts else "")
    base = alt.Chart(alt.NamedData("runs"))
    place = {
        "x": alt.X(f"{field}:Q", title=title, **look),
        "y": marks.row("arm", order, names),
        "yOffset": alt.YOffset("lane:Q", scale=alt.Scale(domain=[alt.expr("named ? -1 : -0.2"), 1.2])),
        "color": marks.arm_colour(results),
    }
    tips = {
        "block:N": results.block or "run",
        "words:N": results.response.name,
        "arm:N": results.focus.title,
        "cell:N": "cell",
    }
    dots = base.transform_filter("datum.kind === 'run'").mark_point(filled=True, opacity=0.7, size=18)
    hollow = base.transform_filter("datum.kind === 'rescored'").mark_point(filled=False, opacity=0.6, size=18)
    joined = base.transform_filter("datum.kind === 'rescored'").mark_rule(opacity=0.25, strokeWidth=0.6)
    layers: list[Any] = []
    if threshold is not None:
        at = alt.Chart(alt.InlineData(values=[{field: threshold}]))
        layers.append(at.mark_rule(strokeDash=[4, 3]).encode(x=alt.X(f"{field}:Q", **look)))
    if "rescored" in set(runs["kind"]):
        layers.append(joined.encode(x2="recorded:Q", **place))
    layers += [
        hollow.encode(description=marks.told(tips), **place),
        dots.encode(shape=marks.state_shape(), description=marks.told(tips | {"state:N": "status"}), **place),
        *marks.row_labels(order, -marks.MARK - 6, axis=names),
    ]
    return alt.layer(*layers).properties(height=alt.Step(_height(order)))


def _lines(name: str) -> list[str]:
    """A name in lines, the words in brackets on lines of their own if it is too long for one."""
    parts = [name] if len(name) <= LINE else name.replace(" (", "\n(").split("\n")
    return [line for part in parts for line in textwrap.wrap(part, LINE)]


def _height(order: list[str]) -> int:
    least, most = ROW_HEIGHTS
    return max(least, min(most, ALL_ROWS // len(order)))


def _threshold(results: Results, runs: pd.DataFrame) -> float | None:
    """Where a run counts as collapsed, on the axis that is drawn, if runs are found beyond it."""
    bound = results.analysis["plan"]["collapse_below"]
    if not bound or not results.counts:
        return None
    return 100.0 * (1.0 - bound) if (runs["error"] > 100.0 * (1.0 - bound)).any() else None
