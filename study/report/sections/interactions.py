"""Does it depend on the other factors? The effect against each of them, its changes, the tests of all terms."""

import altair as alt
import pandas as pd

from study.report.format import degrees, number, optional, p_value, significant
from study.report.parts.axes import effect_axis
from study.report.parts.figure import Figure, grid
from study.report.parts.frames import differences
from study.report.parts.labels import arm_column, arms_of
from study.report.parts.marks import arm_colour, dots, horizontal, plain_shape, small_multiples, told
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Factor, Results, Row, known
from study.report.verdict import Verdict
from study.words import level_key

HEIGHT = 170
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])


def section(results: Results, verdict: Verdict) -> Section | None:
    items = (*(against(results, factor) for factor in results.others), changes(results), anova(results))
    text = [verdict.answer("depends")]
    title, finding = "Does it depend on the other factors?", verdict.brief("depends")
    return made("interactions", title, items, text, finding=finding) if results.others else None


def against(results: Results, factor: Factor) -> Figure | None:
    """The effect against the levels of one factor."""
    frame = _frame(results, factor)
    if frame.empty or frame["level"].nunique() < 2:
        return None
    series = list(dict.fromkeys(frame["series"]))
    several = len(series) > 1
    key = f"interaction-{results.others.index(factor) + 1}"
    name = key.replace("-", "_")
    x = alt.X(
        "level:N",
        sort=list(factor.labels),
        title=factor.title,
        axis=alt.Axis(
            labelAngle=0,
            labelOverlap="greedy",
            labelLimit=90,
            labelExpr="child_width < 120 ? split(datum.label, ' ') : datum.label",
        ),
        scale=alt.Scale(paddingInner=0.3, paddingOuter=0.25),
    )
    place = {"x": x, "xOffset": alt.XOffset("series:N", sort=series), "color": arm_colour(results)}
    ends = [float(value) for name in ("difference", "low", "high") for value in frame[name].dropna()]
    look = effect_axis(ends, results.margin or max(map(abs, ends)))
    y = alt.Y("difference:Q", title=results.response.difference_title, **look)
    dashes = alt.Scale(domain=series, range=[DASHES[i % len(DASHES)] for i in range(len(series))])
    at = {"series:N": "at"} if several else {}
    tips = {"arm:N": results.focus.title, "level:N": factor.title, **at, "words:N": "effect (interval)"}
    lines = alt.Chart().mark_line(strokeWidth=1.5)
    layers = alt.layer(
        horizontal(0.0),
        lines.encode(y=y, strokeDash=alt.StrokeDash("series:N", scale=dashes, legend=None), detail="series:N", **place),
        alt.Chart().mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q", **place),
        dots(alt.Chart(), 70).encode(y=y, shape=plain_shape("series", series), description=told(tips), **place),
    ).properties(height=HEIGHT)
    chart = small_multiples(layers, "arm", arms_of(results, frame), name)
    words = [
        f"{r.arm}, {factor.title} {r.level}{f', {r.series}' if several else ''}: {r.words}" for r in frame.itertuples()
    ]
    return Figure(
        key=key,
        title=f"The effect of {results.focus.title} by {factor.title}",
        caption=(
            f"The effect of each arm against {results.arm(results.control)}, by {factor.title}. A flat line "
            f"means that the effect does not depend on {factor.title}. The horizontal rule marks no effect, "
            f"{results.response.toward('up', 'down')}."
        ),
        alternative=f"Effect by {factor.title}. {'; '.join(words)}.",
        plot=grid(chart, 4, 170, legend="series" if several else "", axis=58, phone=2),
        data={name: frame},
    )


def changes(results: Results) -> Table | None:
    """How each contrast changes between the levels of each other factor."""
    response = results.response
    rows = results.lists["interactions"]
    columns = (
        arm_column(results),
        Column("From … to …", lambda r: _change(results, r["cell"]), words=True),
        Column("Change", lambda r: optional(r["estimate"], response.difference)),
        Column("Interval", lambda r: response.bounds(r["ci_low"], r["ci_high"])),
        Column("p, adjusted", lambda r: p_value(r["p_adjusted"])),
    )
    caption = (
        "How the effect of each arm changes from one level of another factor to another, averaged over the rest; the "
        "intervals of one factor hold at once."
    )
    return plain("interaction-tests", "Does the effect change?", caption, columns, rows)


def anova(results: Results) -> Table | None:
    """The tests of the factors and their interactions."""
    paired = results.block is not None
    corrected = (
        Column("p, corrected", lambda r: p_value(r["p_gg"])),
        Column("ε", lambda r: optional(r["epsilon_gg"], lambda value: number(value, 2))),
    )
    columns = (
        Column("Term", lambda r: results.term_label(r["term"]), words=True),
        Column("df", lambda r: f"{degrees(r['df1'])}, {optional(r['df2'], degrees)}"),
        Column("F", lambda r: optional(r["F"], lambda value: significant(value, 3))),
        Column("p", lambda r: p_value(r["p"])),
        *(corrected if paired else ()),
        Column("η²", lambda r: optional(r.get("ges"), lambda value: number(value, 3))),
    )
    scale = f"the {results.response.name}"
    caption = (
        f"Repeated-measures analysis of variance of {scale} over {results.unit}s. p, corrected: for unequal "
        "variances of differences, by Greenhouse and Geisser; ε: their epsilon; η²: generalised eta squared."
        if paired
        else f"Factorial analysis of variance (type III) of {scale} over independent runs, with the pooled variation "
        "within cells as its error; η²: generalised eta squared."
    )
    return plain("anova", "Analysis of variance", caption, columns, results.lists["anova"])


def _frame(results: Results, factor: Factor) -> pd.DataFrame:
    rest = [other for other in results.others if other.name != factor.name]

    def place(row: Row) -> list[int]:
        return [other.levels.index(level_key(row["cell"][other.name])) for other in rest]

    rows = sorted(known(results.lists["simple_effects"]), key=place)
    frame = differences(results, rows)
    frame["level"] = [factor.label(row["cell"][factor.name]) for row in rows]
    frame["series"] = [" · ".join(other.words(row["cell"][other.name]) for other in rest) or "all" for row in rows]
    return frame


def _change(results: Results, cell: Row) -> str:
    """The levels of the factor in `cell`, such as {"size": "2 - 1"}, in words: size 1 → size 2."""
    parts = []
    for name, change in cell.items():
        factor = next((f for f in results.others if f.name == name), None)
        parts.append(_from_to(factor, str(change)) if factor else str(change))
    return " · ".join(parts)


def _from_to(factor: Factor, change: str) -> str:
    pieces = change.split(" - ")
    for i in range(1, len(pieces)):
        after, before = " - ".join(pieces[:i]), " - ".join(pieces[i:])
        if {level_key(after), level_key(before)} <= set(factor.levels):
            return f"{factor.words(before)} → {factor.words(after)}"
    return change
