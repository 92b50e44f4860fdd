"""How often each arm collapses."""

import altair as alt
import pandas as pd

from study.report.charts.figure import Figure, finished
from study.report.charts.labels import ordered_labels
from study.report.charts.marks import arm_colour, arm_shape, row, row_labels, row_words
from study.report.results import Results
from study.report.text import of, share

ROW_HEIGHT = 42
MARK = 9


def collapse_rates(results: Results) -> Figure | None:
    """The share of collapsed runs by arm with exact intervals."""
    if results.collapse is None or not results.collapse["arms"]:
        return None
    frame = pd.DataFrame(
        [
            {
                "arm": results.focus.label(r["level"]),
                "rate": 100 * r["rate"],
                "low": 100 * r.get("ci_low", r["rate"]),
                "high": 100 * r.get("ci_high", r["rate"]),
                "words": of(r["collapsed"], r["runs"]),
                "short": of(r["collapsed"], r["runs"]),
                "diverged": r.get("diverged", 0),
                "interval": f"{share(r['ci_low'])} to {share(r['ci_high'])}" if "ci_low" in r else "none",
            }
            for r in results.collapse["arms"]
        ]
    )
    order = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    data = alt.NamedData("collapse")
    y, colour = row("arm", order), arm_colour(results)
    x = alt.X(
        "rate:Q",
        title="Collapsed runs, per cent of all",
        scale=alt.Scale(domain=[0, 100], nice=False),
        axis=alt.Axis(tickCount=5, domain=False, ticks=False),
    )
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("words:N", title="collapsed"),
        alt.Tooltip("interval:N", title="interval"),
        alt.Tooltip("diverged:Q", title="of these diverged"),
    ]
    base = alt.Chart(data)
    bars = base.mark_rule(strokeWidth=3, yOffset=MARK, strokeCap="round")
    points = base.mark_point(filled=True, size=110, opacity=1, yOffset=MARK)
    chart = alt.layer(
        bars.encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip),
        *row_labels(order, -MARK),
        *row_words(data, order, -MARK),
    ).properties(height=alt.Step(ROW_HEIGHT))
    words = [f"{r.arm}: {r.words} runs collapsed, interval {r.interval}" for r in frame.itertuples()]
    return Figure(
        key="collapse",
        title="How often runs collapse",
        caption="Share of runs that collapsed or diverged, with exact intervals (Clopper and Pearson).",
        alternative="; ".join(words) + ".",
        variants={"": (finished(chart, reserve=110, widest=640),)},
        data={"collapse": frame},
        download="collapse",
    )
