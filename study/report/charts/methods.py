"""Whether the answer depends on the method: every defensible analysis of the same contrasts, side by side."""

import math
from typing import Any

import altair as alt
import pandas as pd

from study.report.charts.axes import panel_ratio_axis, signed_axis
from study.report.charts.figure import Figure, Panel, finished
from study.report.charts.labels import ordered_labels, plain_legend
from study.report.charts.marks import arm_colour, plain_shape, row, row_labels, small_multiples
from study.report.results import Results
from study.report.text import THIN, times

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


def specification(results: Results) -> Figure | None:
    """The contrasts under every method, handling of collapsed runs and endpoint."""
    scales = [scale for scale in ("log_odds", "pp", "response") if _rows(results, scale)]
    if not scales:
        return None
    frames = {f"specification_{scale}": _frame(results, scale) for scale in scales}
    names = {"log_odds": "Odds ratio of an error", "pp": "Percentage points", "response": "Difference"}
    series = list(dict.fromkeys(choice for frame in frames.values() for choice in frame["choice"]))
    panels = {names[scale]: (_panel(results, frames[f"specification_{scale}"], scale, series),) for scale in scales}
    frame = frames[f"specification_{scales[0]}"]
    primary = frame[frame["primary"]]
    first = [f"{r.arm}: {r.words}" for r in primary.itertuples()]
    reach = [
        f"{arm}: {rows['words'].iloc[0]} to {rows['words'].iloc[-1]}"
        for arm, rows in frame.sort_values("estimate").groupby("arm", sort=False)
    ]
    return Figure(
        key="specification",
        title="The same contrast, analysed in every defensible way",
        caption=(
            f"A point is one analysis, its bar the unadjusted {100 * (1 - results.alpha):g}{THIN}% interval; the "
            "thin line marks the analysis of the plan. Runs that did not collapse form a selected group: an arm that "
            "loses its worst runs looks better. Every panel has its own axis."
        ),
        alternative=f"Analysis of the plan: {'; '.join(first)}. Lowest and highest of all: {'; '.join(reach)}.",
        variants=panels,
        data=frames,
        download=f"specification_{scales[0]}",
        legend_field="choice",
        legend=plain_legend(series),
    )


def _rows(results: Results, scale: str) -> list[Any]:
    rows = results.lists["specification"]
    return [r for r in rows if r["scale"] == scale and r["estimate"] is not None]


def _frame(results: Results, scale: str) -> pd.DataFrame:
    rows = _rows(results, scale)
    handlings: dict[str, list[str]] = {}
    for r in rows:
        seen = handlings.setdefault(r["method"], [])
        if r["handling"] not in seen:
            seen.append(r["handling"])
    endpoints = list(dict.fromkeys(r["endpoint"] for r in rows))
    table = []
    for r in rows:
        at, low, high = r["estimate"], r["ci_low"], r["ci_high"]
        if scale == "log_odds":
            at, low, high = (None if value is None else math.exp(value) for value in (at, low, high))
            bounds = f" ({times(low)} to {times(high)})" if low is not None and high is not None else ""
            words = f"{times(at)}×{bounds}"  # type: ignore[arg-type]
        else:
            bounds = f" ({results.response.bounds(low, high)})" if low is not None and high is not None else ""
            words = f"{results.response.change(at)}{bounds}"
        lane = 2 * (handlings[r["method"]].index(r["handling"]) % 2) + endpoints.index(r["endpoint"])
        table.append(
            {
                "arm": results.focus.label(r["level"]),
                "method": METHODS.get(r["method"], r["method"]).format(block=results.block or "run"),
                "handling": r["handling"],
                "endpoint": r["endpoint"],
                "choice": f"{r['handling']}, {r['endpoint']}",
                "lane": lane / 3,
                "estimate": at,
                "low": at if low is None else low,
                "high": at if high is None else high,
                "p": r.get("p"),
                "words": words,
                "primary": bool(r["primary"]),
            }
        )
    return pd.DataFrame(table)


def _panel(results: Results, frame: pd.DataFrame, scale: str, series: list[str]) -> Panel:
    methods = list(dict.fromkeys(frame["method"]))
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    y, colour = row("method", methods), arm_colour(results)
    lanes = alt.YOffset("lane:Q", scale=alt.Scale(domain=[-0.8, 1.28]))
    if scale == "log_odds":
        look, title, none = panel_ratio_axis(), "Odds ratio of an error (right is better)", 1.0
    else:
        look = {"scale": alt.Scale(zero=False, nice=False, padding=10), "axis": signed_axis()}
        title, none = "Difference, pp" if scale == "pp" else results.response.difference_title, 0.0
    x = alt.X("estimate:Q", title=title, **look)
    tooltip = [
        alt.Tooltip("method:N", title="method"),
        alt.Tooltip("choice:N", title="runs, endpoint"),
        alt.Tooltip("words:N", title="estimate (interval)"),
    ]
    zero = alt.Chart(alt.InlineData(values=[{"at": none}])).mark_rule(style="zero").encode(x=alt.X("at:Q"))
    plan = alt.Chart().transform_filter("datum.primary").mark_rule(strokeWidth=1, opacity=0.6)
    bars = alt.Chart().mark_rule(strokeWidth=1.5, opacity=0.6)
    points = alt.Chart().mark_point(filled=True, size=34, opacity=1)
    layers = alt.layer(
        zero,
        plan.encode(x=alt.X("estimate:Q"), color=colour),
        bars.encode(x=alt.X("low:Q"), x2="high:Q", y=y, yOffset=lanes, color=colour),
        points.encode(x=x, y=y, yOffset=lanes, color=colour, shape=plain_shape("choice", series), tooltip=tooltip),
        *row_labels(methods, -19, "method"),
    ).properties(height=alt.Step(ROW_HEIGHT))
    chart = small_multiples(layers, "arm", arms, f"specification_{scale}", x="independent")
    return finished(chart, facets=len(arms), columns=2, narrowest=300)
