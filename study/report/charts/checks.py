"""Checks of what the tests assume, and how many seeds would do."""

import math

import altair as alt
import pandas as pd

from study.report.charts.axes import panel_ratio_axis, positive_axis, signed_axis
from study.report.charts.figure import Figure, finished
from study.report.charts.labels import ordered_labels, plain_legend
from study.report.charts.marks import arm_colour, plain_shape, small_multiples
from study.report.results import Results
from study.report.text import THIN, number, plural, times

SCOPES = ("averaged over all cells", "in a single cell")


def quantiles(results: Results) -> Figure | None:
    """Residuals against normal quantiles, an arm a panel."""
    found = results.objects.get("diagnostics")
    if not found or not found["qq"]:
        return None
    frame = pd.DataFrame(
        [
            {"arm": results.focus.label(arm["level"]), "normal": x, "residual": y}
            for arm in found["qq"]
            for x, y in zip(arm["theoretical"], arm["observed"], strict=True)
        ]
    )
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    ends = [float(frame["normal"].min()), float(frame["normal"].max())]
    diagonal = pd.DataFrame({"normal": ends, "residual": ends})
    axis = alt.Axis(tickCount=4, ticks=False, grid=False, labelFlush=False)
    x = alt.X("normal:Q", title="Normal quantile", axis=axis)
    y = alt.Y("residual:Q", title="Residual, in its SD", axis=axis)
    line = alt.Chart(alt.InlineData(values=diagonal.to_dict("records"))).mark_line(style="zero", strokeWidth=1.2)
    layers = alt.layer(
        line.encode(x=x, y=y),
        alt.Chart().mark_point(filled=True, size=16, opacity=0.8).encode(x=x, y=y, color=arm_colour(results)),
    ).properties(height=170)
    chart = small_multiples(layers, "arm", arms, "quantiles")
    worst = frame.loc[frame["residual"].abs().groupby(frame["arm"]).idxmax()]
    words = [
        f"{arm}: largest residual {number(y, 1)} SD" for arm, y in zip(worst["arm"], worst["residual"], strict=True)
    ]
    return Figure(
        key="quantiles",
        title="Are the residuals normal?",
        caption=(
            "Residuals of the model of cells and blocks, in order, against what a normal distribution would give; on "
            "the line they agree. The contrasts rest on means over blocks, which are closer to normal than single runs."
        ),
        alternative="; ".join(words) + ".",
        variants={"": (finished(chart, facets=len(arms), columns=5, narrowest=170, axis=46),)},
        data={"quantiles": frame},
        download="quantiles",
    )


def influence(results: Results) -> Figure | None:
    """Each contrast without each block, and without each cell."""
    found = results.objects.get("diagnostics")
    if not found or not found["influence"]:
        return None
    without = (f"without one {results.block}", "without one cell")
    table = []
    for arm in found["influence"]:
        rows = [(without[0], str(r["block"]), r["estimate"]) for r in arm["blocks"]]
        rows += [(without[1], results.cell_label(r["levels"]), r["estimate"]) for r in arm["cells"]]
        for kind, what, estimate in rows:
            at = math.exp(estimate) if results.counts else estimate
            words = f"{times(at)}×" if results.counts else results.response.difference(at)
            name = results.focus.label(arm["level"])
            table.append({"arm": name, "left_out": kind, "which": what, "effect": at, "words": words})
    if not table:  # of two blocks and one cell, none can be spared
        return None
    frame = pd.DataFrame(table)
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    if results.counts:
        x = alt.X("effect:Q", title="Odds ratio of an error", **panel_ratio_axis())
    else:
        scale = alt.Scale(zero=False, nice=False, padding=10)
        x = alt.X("effect:Q", title=results.response.difference_title, scale=scale, axis=signed_axis())
    shown = [kind for kind in without if kind in set(frame["left_out"])]
    tooltip = [
        alt.Tooltip("left_out:N", title="contrast"),
        alt.Tooltip("which:N", title="left out"),
        alt.Tooltip("words:N", title="effect"),
    ]
    points = alt.Chart().mark_point(filled=True, size=40, opacity=0.8)
    layers = alt.layer(
        points.encode(
            x=x,
            y=alt.Y("left_out:N", sort=shown, axis=None),
            color=arm_colour(results),
            shape=plain_shape("left_out", shown),
            tooltip=tooltip,
        )
    ).properties(height=70)
    chart = small_multiples(layers, "arm", arms, "influence", x="independent")
    reach = []
    for name in arms:
        mine = frame[frame["arm"] == name].sort_values("effect")
        reach.append(f"{name}: {mine['words'].iloc[0]} to {mine['words'].iloc[-1]}")
    return Figure(
        key="influence",
        title=f"Does it hang on one {results.block}, or on one cell?",
        caption=f"The contrast anew without each {results.block} (upper row) and each cell (lower row) in turn.",
        alternative=f"Lowest to highest when one is left out. {'; '.join(reach)}.",
        variants={"": (finished(chart, facets=len(arms), columns=2, narrowest=260),)},
        data={"influence": frame},
        download="influence",
        legend_field="left_out",
        legend=plain_legend(shown),
    )


def power(results: Results) -> Figure | None:
    """How many blocks a study needs to find an effect."""
    found = results.objects.get("power")
    if not found:
        return None
    unit = results.response.difference_unit
    table = [
        {
            "scope": name,
            "effect": f"{r['effect']:g}{unit}",
            "seeds": r["seeds"],
            "low": r["seeds"] if r["low"] is None else r["low"],
            "high": r["seeds"] if r["high"] is None else r["high"],
            "words": f"{r['seeds']:,}"
            + (f" ({r['low']:,} to {r['high']:,})" if r["low"] is not None and r["high"] is not None else ""),
        }
        for name, key in zip(SCOPES, ("main", "cell"), strict=True)
        for r in found[key]["seeds_for"]
        if r["seeds"] is not None
    ]
    if not table:
        return None
    frame = pd.DataFrame(table)
    effects = list(dict.fromkeys(frame["effect"]))
    block = results.block or "run"
    look = positive_axis(float(frame["low"].min()), float(frame["high"].max()))
    y = alt.Y("seeds:Q", title=f"{block.capitalize()}s, log scale", **look)
    x = alt.X("effect:N", sort=effects, title="True difference to be found", axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("scope:N", sort=list(SCOPES))
    base = alt.Chart(alt.NamedData("power"))
    tooltip = [
        alt.Tooltip("scope:N", title="contrast"),
        alt.Tooltip("effect:N", title="difference"),
        alt.Tooltip("words:N", title=f"{block}s (range)"),
    ]
    points = base.mark_point(filled=True, size=80, opacity=1)
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=x, xOffset=offset, y=alt.Y("low:Q"), y2="high:Q"),
        points.encode(x=x, xOffset=offset, y=y, shape=plain_shape("scope", SCOPES), tooltip=tooltip),
    ).properties(height=220)
    words = [f"{r.effect} {r.scope}: {r.words} {block}s" for r in frame.itertuples()]
    chance = f"{100 * found['power']:g}{THIN}%"
    return Figure(
        key="power",
        title=f"How many {block}s find which difference",
        caption=(
            f"{block.capitalize()}s needed to find a true difference with a chance of {chance}, from the spread "
            "measured here (over all arms, collapsed runs included), adjusted for "
            f"{plural(found['contrasts'], 'comparison')}. Bars carry the uncertainty of that spread."
        ),
        alternative="; ".join(words) + ".",
        variants={"": (finished(chart, widest=640),)},
        data={"power": frame},
        download="power",
        legend_field="scope",
        legend=plain_legend(SCOPES),
    )
