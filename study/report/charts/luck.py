"""Was it luck: what a few runs would have shown, where the spread comes from, what picking the best run gains."""

import math
from typing import Any

import altair as alt
import pandas as pd

from study.report.charts.axes import error_axis, error_of, positive_axis, value_axis, whole_ticks
from study.report.charts.figure import Figure, finished
from study.report.charts.labels import arm_legend, ordered_labels, plain_legend
from study.report.charts.marks import arm_colour, arm_shape, plain_shape, row, row_labels, row_words, vertical
from study.report.results import Results
from study.report.text import THIN, number, sentence, share, significant

HEIGHT = 230
SPREADS = ("seen between runs", "from the finite test set alone", "real differences, on endless test images")


def wrong_way(results: Results) -> Figure | None:
    """The chance that a few runs of each arm order them wrongly."""
    table = []
    for found in (results.objects.get("luck") or {}).get("contrasts", ()):
        for chance in (found.get("single_run") or {}).get("wrong_way") or ():
            if chance["model"] is None:
                continue
            known = chance["low"] is not None
            bounds = f" ({share(chance['low'])} to {share(chance['high'])})" if known else ""
            table.append(
                {
                    "arm": results.focus.label(found["level"]),
                    "runs": str(chance["runs"]),
                    "chance": 100 * chance["model"],
                    "low": 100 * chance["low"] if known else None,
                    "high": 100 * chance["high"] if known else None,
                    "words": f"{share(chance['model'])}{bounds}",
                    "resampled": "–" if chance["data"] is None else share(chance["data"]),
                }
            )
    if not table:
        return None
    frame = pd.DataFrame(table)
    runs = list(dict.fromkeys(frame["runs"]))
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    axis = alt.Axis(labelAngle=0)
    place: dict[str, Any] = {
        "x": alt.X("runs:N", sort=runs, title="Runs of each of the two", axis=axis),
        "xOffset": alt.XOffset("arm:N", sort=arms),
        "color": arm_colour(results),
    }
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("runs:N", title="runs of each"),
        alt.Tooltip("words:N", title="chance (interval)"),
        alt.Tooltip("resampled:N", title="among these runs"),
    ]
    base = alt.Chart(alt.NamedData("wrong_way"))
    scale = alt.Scale(domain=[0, max(50.0, float(frame["high"].max(skipna=True) or 0.0))], nice=False)
    y = alt.Y(
        "chance:Q", title="Chance of the wrong order, per cent", scale=scale, axis=alt.Axis(tickCount=5, ticks=False)
    )
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q", **place),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            y=y, shape=arm_shape(results), tooltip=tooltip, **place
        ),
    ).properties(height=HEIGHT)
    words = [f"{r.arm}, {r.runs} runs of each: {r.words}" for r in frame.itertuples()]
    control = results.focus.label(results.control)
    return Figure(
        key="wrong-way",
        title="How often a few runs point the wrong way",
        caption=(
            f"The chance that the average of so many runs of an arm and of {control}, in one cell, puts the two in the "
            f"wrong order, given the difference found here. At 50{THIN}% a coin does as well. Bars are intervals."
        ),
        alternative=f"Chance of the wrong order against {control}. {'; '.join(words)}.",
        variants={"": (finished(chart, widest=760),)},
        data={"wrong_way": frame},
        download="wrong_way",
        legend_field="arm",
        legend=arm_legend(results, arms),
    )


def variance_shares(results: Results) -> Figure | None:
    """How much of the spread of all runs each factor, the block, their interplay and the single run carry."""
    found = ((results.objects.get("luck") or {}).get("variance_shares") or {}).get(results.scale)
    if not found:
        return None
    frame = pd.DataFrame(
        {
            "term": [
                "the single run" if t["term"] == "residual" else results.term_label(t["term"]) for t in found["terms"]
            ],
            "share": [100 * t["share"] for t in found["terms"]],
            "low": [100 * t["share"] if t["ci_low"] is None else 100 * t["ci_low"] for t in found["terms"]],
            "high": [100 * t["share"] if t["ci_high"] is None else 100 * t["ci_high"] for t in found["terms"]],
        }
    )
    frame["short"] = [f"{number(value, 1)}{THIN}%" for value in frame["share"]]
    ends = zip(frame["short"], frame["low"], frame["high"], strict=True)
    frame["words"] = [f"{value} ({number(low, 1)} to {number(high, 1)})" for value, low, high in ends]
    order = list(frame["term"])
    data = alt.NamedData("variance_shares")
    low, high = min(0.0, float(frame["low"].min())), max(float(frame["high"].max()), 1.0)
    scale = alt.Scale(domain=[low, high + 0.02 * (high - low)], nice=False)
    x = alt.X(
        "share:Q",
        title="Share of the variance of all runs, per cent",
        scale=scale,
        axis=alt.Axis(tickCount=5, ticks=False),
    )
    y = row("term", order)
    base = alt.Chart(data)
    tooltip = [alt.Tooltip("term:N", title="source"), alt.Tooltip("words:N", title="share (interval)")]
    chart = alt.layer(
        vertical(0.0, "zero"),
        base.mark_rule(strokeWidth=3, yOffset=7, strokeCap="round").encode(x=alt.X("low:Q"), x2="high:Q", y=y),
        base.mark_point(filled=True, size=70, opacity=1, yOffset=7).encode(x=x, y=y, tooltip=tooltip),
        *row_labels(order, -7, "term", dx=6),
        *row_words(data, order, -7, "term"),
    ).properties(height=alt.Step(32))
    scale_words = "log odds of error" if results.counts else f"the {results.response.name}"
    return Figure(
        key="variance-shares",
        title="Where the spread comes from",
        caption=(
            f"Shares of the variance of {scale_words} over all runs, with intervals from resampled "
            f"{found['resampled']}. An estimate below 0 means no more spread than chance gives."
        ),
        alternative="; ".join(f"{r.term}: {r.words}" for r in frame.itertuples()) + ".",
        variants={"": (finished(chart, reserve=150, widest=760),)},
        data={"variance_shares": frame},
        download="variance_shares",
    )


def spread(results: Results) -> Figure | None:
    """The spread between runs of a cell, beside what the finite test set alone would give."""
    table = []
    for arm in (results.objects.get("images") or {}).get("arms", ()):
        values = (arm["run_variance"], arm["sampling_variance"], arm["distribution_variance"])
        for lane, (way, variance) in enumerate(zip(SPREADS, values, strict=True)):
            if variance is not None and variance > 0:
                sd = math.sqrt(variance)
                table.append(
                    {
                        "arm": results.focus.label(arm["level"]),
                        "way": way,
                        "lane": lane / 2,
                        "sd": sd,
                        "words": f"{significant(sd)}{THIN}pp",
                    }
                )
    if not table:
        return None
    frame = pd.DataFrame(table)
    order = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    look = positive_axis(frame["sd"].min(), frame["sd"].max())
    x = alt.X("sd:Q", title="Standard deviation of accuracy, pp, log scale", **look)
    lanes = alt.YOffset("lane:Q", scale=alt.Scale(domain=[-0.9, 1.45]))
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("way:N", title="spread"),
        alt.Tooltip("words:N", title="standard deviation"),
    ]
    points = alt.Chart(alt.NamedData("spread")).mark_point(filled=True, size=80, opacity=1)
    chart = alt.layer(
        *row_labels(order, -18),
        points.encode(
            x=x,
            y=row("arm", order),
            yOffset=lanes,
            color=arm_colour(results),
            shape=plain_shape("way", SPREADS),
            tooltip=tooltip,
        ),
    ).properties(height=alt.Step(52))
    return Figure(
        key="spread",
        title="Test-set noise and real differences between runs",
        caption=(
            "Runs that are equally good still differ on a finite test set. What is left after that is real: it would "
            "show on endless test images (Jordan 2024). Within cells, averaged; a spread that is not above 0 is not "
            "drawn."
        ),
        alternative="Standard deviations. "
        + "; ".join(f"{r.arm}, {r.way}: {r.words}" for r in frame.itertuples())
        + ".",
        variants={"": (finished(chart, widest=760),)},
        data={"spread": frame},
        download="spread",
        legend_field="way",
        legend=plain_legend(SPREADS),
    )


def best_of_k(results: Results) -> Figure | None:
    """What picking the best of k runs gains."""
    found = (results.objects.get("luck") or {}).get("best_of_k")
    if not found or found["runs"] < 2:
        return None
    response = results.response
    frame = pd.DataFrame(
        [
            {"arm": results.focus.label(arm["level"]), "k": k, "best": value, "words": response.value(value)}
            for arm in found["arms"]
            for k, value in enumerate(arm["expected"], start=1)
        ]
    )
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    scale = alt.Scale(domain=[1, found["runs"]], nice=False)
    axis = alt.Axis(values=whole_ticks(1, found["runs"], most=11), format="d", grid=False)
    x = alt.X("k:Q", title="Runs to pick the best from", scale=scale, axis=axis)
    if response.counts:
        frame["error"] = error_of(frame["best"], results.trials)
        title = f"{sentence(response.name)} of the best, spaced by log error"
        y = alt.Y("error:Q", title=title, **error_axis(list(frame["error"])))
    else:
        look = value_axis(float(frame["best"].min()), float(frame["best"].max()))
        y = alt.Y("best:Q", title=f"{response.title}, of the best", **look)
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("k:Q", title="runs"),
        alt.Tooltip("words:N", title="best of them"),
    ]
    base = alt.Chart(alt.NamedData("best_of_k"))
    points = base.mark_point(filled=True, size=40, opacity=1)
    chart = alt.layer(
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=arm_colour(results)),
        points.encode(x=x, y=y, color=arm_colour(results), shape=arm_shape(results), tooltip=tooltip),
    ).properties(height=HEIGHT)
    ends = frame[(frame["k"] == 1) | (frame["k"] == found["runs"])]
    return Figure(
        key="best-of-k",
        title="Picking the best of several runs",
        caption=(
            f"The expected {response.name} of the best of k runs of a cell, averaged over the cells. Comparing one "
            "arm's best of many with another's only run compares effort, not arms."
        ),
        alternative="; ".join(f"{r.arm}, best of {r.k}: {r.words}" for r in ends.itertuples()) + ".",
        variants={"": (finished(chart, widest=760),)},
        data={"best_of_k": frame},
        download="best_of_k",
        legend_field="arm",
        legend=arm_legend(results, arms),
    )
