"""Whether the effect depends on the other factors: the effect drawn against each of them."""

import math
from typing import Any

import altair as alt
import pandas as pd

from study.report.charts.axes import panel_ratio_axis, signed_axis
from study.report.charts.figure import Figure, finished
from study.report.charts.labels import ordered_labels, plain_legend
from study.report.charts.marks import arm_colour, plain_shape, small_multiples
from study.report.results import Factor, Results, level_key
from study.report.text import sentence, times

HEIGHT = 200
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])


def interactions(results: Results) -> list[Figure]:
    """A figure a factor: a flat line means that the effect does not depend on it."""
    return [figure for factor in results.others if (figure := _figure(results, factor)) is not None]


def _figure(results: Results, factor: Factor) -> Figure | None:
    frame = _frame(results, factor)
    if frame.empty or frame["level"].nunique() < 2:
        return None
    series = list(dict.fromkeys(frame["series"]))
    several = len(series) > 1
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    key = f"interaction-{results.others.index(factor) + 1}"
    name = key.replace("-", "_")
    x = alt.X(
        "level:N",
        sort=list(factor.labels),
        title=factor.title,
        axis=alt.Axis(labelAngle=0, labelOverlap="greedy", labelLimit=90),
        scale=alt.Scale(paddingInner=0.3, paddingOuter=0.25),
    )
    place: dict[str, Any] = {"x": x, "xOffset": alt.XOffset("series:N", sort=series), "color": arm_colour(results)}
    y = _vertical(results)
    dashes = alt.Scale(domain=series, range=[DASHES[i % len(DASHES)] for i in range(len(series))])
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("level:N", title=factor.title),
        *([alt.Tooltip("series:N", title="at")] if several else []),
        alt.Tooltip("words:N", title="effect (interval)"),
    ]
    none = alt.Chart(alt.InlineData(values=[{"at": 1.0 if results.counts else 0.0}]))
    lines = alt.Chart().mark_line(strokeWidth=1.5)
    bars = alt.Chart().mark_rule(strokeWidth=2)
    points = alt.Chart().mark_point(filled=True, size=70, opacity=1)
    layers = alt.layer(
        none.mark_rule(style="zero").encode(y=alt.Y("at:Q")),
        lines.encode(y=y, strokeDash=alt.StrokeDash("series:N", scale=dashes, legend=None), detail="series:N", **place),
        bars.encode(y=alt.Y("low:Q"), y2="high:Q", **place),
        points.encode(y=y, shape=plain_shape("series", series), tooltip=tooltip, **place),
    ).properties(height=HEIGHT)
    chart = small_multiples(layers, "arm", arms, name, y="independent")
    words = [
        f"{r.arm}, {factor.title} {r.level}{f', {r.series}' if several else ''}: {r.words}" for r in frame.itertuples()
    ]
    return Figure(
        key=key,
        title=sentence(f"{results.focus.title} and {factor.title}"),
        caption=(
            f"The effect of each arm against {results.focus.label(results.control)}, by {factor.title}. A flat line "
            f"means that the effect does not depend on {factor.title}. Every panel has its own vertical scale; the "
            f"horizontal rule marks no effect, {results.response.toward('up', 'down')}."
        ),
        alternative=f"Effect by {factor.title}. {'; '.join(words)}.",
        variants={"": (finished(chart, facets=len(arms), columns=min(4, len(arms)), narrowest=200, axis=58),)},
        data={name: frame},
        download=name,
        legend_field="series",
        legend=plain_legend(series) if several else (),
    )


def _frame(results: Results, factor: Factor) -> pd.DataFrame:
    response = results.response
    rest = [other for other in results.others if other.name != factor.name]
    table = []
    for row in results.lists["simple_effects"]:
        if row["scale"] != results.scale or row["estimate"] is None:
            continue
        at, low, high = row["estimate"], row["ci_low"], row["ci_high"]
        if results.counts:
            at, low, high = (
                math.exp(at),
                None if low is None else math.exp(low),
                None if high is None else math.exp(high),
            )
        words = f"{times(at)}×" if results.counts else response.difference(at)
        if low is not None and high is not None:
            words += f" ({times(low)} to {times(high)})" if results.counts else f" ({response.bounds(low, high)})"
        cell = row["cell"]
        table.append(
            {
                "arm": results.focus.label(row["level"]),
                "level": factor.label(cell[factor.name]),
                "series": " · ".join(f.words(cell[f.name]) for f in rest) or "all",
                "effect": at,
                "low": at if low is None else low,
                "high": at if high is None else high,
                "words": words,
                "order": tuple(f.levels.index(level_key(cell[f.name])) for f in rest),
            }
        )
    if not table:
        return pd.DataFrame()
    return pd.DataFrame(table).sort_values("order", kind="stable", ignore_index=True).drop(columns="order")


def _vertical(results: Results) -> alt.Y:
    # The same width for every panel's labels, so that panels with scales of their own still stand in line.
    if not results.counts:
        axis = signed_axis(labelBound=True, minExtent=40, maxExtent=40)
        return alt.Y(
            "effect:Q", title=results.response.difference_title, scale=alt.Scale(zero=False, padding=12), axis=axis
        )
    return alt.Y("effect:Q", title="Odds ratio of an error", **panel_ratio_axis(minExtent=40, maxExtent=40))
