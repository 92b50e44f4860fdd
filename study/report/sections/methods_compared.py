"""Does the answer depend on the method? Every defensible analysis of the same contrasts, the mixed model, and ranks."""

import re
from operator import itemgetter

import altair as alt
import pandas as pd

from study.report.format import degrees, number, optional, p_value, span, with_bounds
from study.report.parts import marks
from study.report.parts.axes import signed_axis
from study.report.parts.figure import Figure, Plot, grid
from study.report.parts.labels import arm_column, arms_of
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row, known
from study.words import level_key

METHODS = {
    "CR2": "cell means, errors by {block}",
    "CR2, main effects": "main effects only, errors by {block}",
    "repeated measures": "repeated-measures analysis of variance",
    "mixed model": "mixed model",
    "sign flips": "sign flips of whole {block}s",
    "Wilcoxon": "Wilcoxon's signed ranks",
    "trimmed mean": "trimmed mean",
    "binomial GLMM": "binomial mixed model of the counts",
    "HC3, no blocks": "{block}s ignored",
}
ROW_HEIGHT = 52


def section(results: Results) -> Section | None:
    items = (specification(results), mixed(results), ranks(results))
    return made(
        "methods-compared", "Does the answer depend on the method?", items, [_agreement(results)], appendix=True
    )


def specification(results: Results) -> Figure | None:
    """The contrasts under every method, handling of collapsed runs and endpoint, on the scale that decides."""
    frame = _frame(results, [row for row in known(results.lists["specification"]) if row["scale"] == results.scale])
    if frame.empty:
        return None
    first = [f"{r.arm}: {r.words}" for r in frame[frame["primary"]].itertuples()]
    reach = [
        f"{arm}: {rows['words'].iloc[0]} to {rows['words'].iloc[-1]}"
        for arm, rows in frame.sort_values("estimate").groupby("arm", sort=False)
    ]
    return Figure(
        key="specification",
        title="The same contrast, analysed in every defensible way",
        caption=(
            f"A point is one analysis, its bar the unadjusted {results.level} interval; the "
            "thin line marks the analysis of the plan. Runs that did not collapse form a selected group: an arm that "
            "loses its worst runs looks better. Every panel has its own axis."
        ),
        alternative=f"Analysis of the plan: {'; '.join(first)}. Lowest and highest of all: {'; '.join(reach)}.",
        plot=_plot(results, frame),
        data={"specification": frame},
    )


def _frame(results: Results, rows: list[Row]) -> pd.DataFrame:
    endpoints = list(dict.fromkeys(r["endpoint"] for r in rows))
    handlings: dict[str, list[str]] = {}
    show = results.response.change
    table = []
    for r in rows:
        seen = handlings.setdefault(r["method"], [])
        if r["handling"] not in seen:
            seen.append(r["handling"])
        table.append(
            {
                "arm": results.arm(r["level"]),
                "method": str(METHODS.get(r["method"], r["method"])).format(block=results.unit),
                "handling": r["handling"],
                "endpoint": r["endpoint"],
                # Without learning curves there is one endpoint, and perhaps no epoch.
                "choice": f"{r['handling']}, {r['endpoint']}" if len(endpoints) > 1 else r["handling"],
                "lane": (2 * (seen.index(r["handling"]) % 2) + endpoints.index(r["endpoint"])) / 3,
                "estimate": r["estimate"],
                "low": r["ci_low"],
                "high": r["ci_high"],
                "p": r.get("p"),
                "words": with_bounds(show(r["estimate"]), span(r["ci_low"], r["ci_high"], show)),
                "primary": bool(r["primary"]),
            }
        )
    return pd.DataFrame(table)


def _plot(results: Results, frame: pd.DataFrame) -> Plot:
    methods, series = (list(dict.fromkeys(frame[name])) for name in ("method", "choice"))
    title = "Difference, pp" if results.counts else results.response.difference_title
    x = alt.X("estimate:Q", title=title, scale=alt.Scale(zero=False, nice=False, padding=10), axis=signed_axis())
    place = {
        "y": marks.row("method", methods),
        "yOffset": alt.YOffset("lane:Q", scale=alt.Scale(domain=[-0.8, 1.28])),
        "color": marks.arm_colour(results),
    }
    shown = marks.told({"method:N": "method", "choice:N": "runs, endpoint", "words:N": "estimate (interval)"})
    plan = alt.Chart().transform_filter("datum.primary").mark_rule(strokeWidth=1, opacity=0.6)
    bars = alt.Chart().mark_rule(strokeWidth=1.5, opacity=0.6)
    dots = marks.dots(alt.Chart(), 34)
    layers = alt.layer(
        marks.vertical(0.0),
        plan.encode(x=alt.X("estimate:Q"), color=place["color"]),
        bars.encode(x=alt.X("low:Q"), x2="high:Q", **place),
        dots.encode(x=x, shape=marks.plain_shape("choice", series), description=shown, **place),
        *marks.row_labels(methods, -19, "method"),
    ).properties(height=alt.Step(ROW_HEIGHT))
    chart = marks.small_multiples(layers, "arm", arms_of(results, frame), "specification", x="independent")
    return grid(chart, 2, 300, legend="choice")


def mixed(results: Results) -> Table | None:
    """The contrasts of the mixed model."""
    found, response = results.found("mixed"), results.response
    if not found:
        return None
    columns = (
        arm_column(results),
        Column("Difference", lambda r: optional(r["estimate"], response.difference)),
        Column("Interval", lambda r: response.bounds(r["ci_low"], r["ci_high"])),
        Column("df", lambda r: optional(r["df"], degrees)),
        Column("p, adjusted", lambda r: p_value(r["p_adjusted"])),
    )
    terms = str(found["random"]).split(" + ")
    # What the model says of itself names its terms as the formula does.
    said = str(found["message"])
    for term in sorted(terms, key=len, reverse=True):
        said = re.sub(rf"(?<![\w:]){re.escape(term)}(?![\w:])", results.term_label(term), said)
    spread = [f"{results.term_label(row['term'])} {results.response.spread(row['sd'])}" for row in found["components"]]
    caption = (
        f"Fitted {results.pooled_words} by restricted maximum likelihood, with Kenward and Roger's degrees of "
        f"freedom. Standard deviations of its random terms: {', '.join(spread)}. {said}"
    )
    return plain("mixed", "The mixed model's contrasts", caption.strip(), columns, found["contrasts"])


def ranks(results: Results) -> Table | None:
    """Mean ranks of all arms, the control too."""
    found = results.found("ranks")
    if not found:
        return None
    gap = found["critical_difference"]
    caption = (
        f"The best arm within a {results.unit} has rank 1; the table has each arm's mean over the {found['blocks']} of "
        f"{results.analysis['blocks']} {results.unit}s that have every arm. "
        f"Friedman's test: p {p_value(found['p'])}"
        + ("." if gap is None else f"; ranks that differ by more than {number(gap, 2)} differ (Nemenyi).")
    )
    columns = (arm_column(results), Column("Mean rank", lambda r: number(r["mean_rank"], 2)))
    return plain("ranks", "Ranks", caption, columns, sorted(found["arms"], key=itemgetter("mean_rank")))


def _agreement(results: Results) -> str:
    """How many of the analyses agree with the one of the plan."""
    parts = []
    for level in results.arms:
        rows = [r for r in known(results.lists["specification"]) if level_key(r["level"]) == level]
        rows = [r for r in rows if r["scale"] == results.scale]
        primary = next((r for r in rows if r["primary"]), None)
        if primary is not None and len(rows) > 1:
            same = [r for r in rows if r["estimate"] * primary["estimate"] > 0]
            clear = sum(r["ci_low"] is not None and r["ci_low"] * r["ci_high"] > 0 for r in same)
            parts.append(
                f"{results.arm(level)}: {len(same)} of {len(rows)} point the same way, {clear} with an interval that "
                "excludes no effect"
            )
    return (
        f"Of the analyses below in {'points' if results.counts else 'its own unit'}, {'; '.join(parts)}."
        if parts
        else ""
    )
