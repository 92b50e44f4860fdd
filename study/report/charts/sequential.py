"""The path of a sequential study: each contrast's interval from look to look."""

import altair as alt
import pandas as pd

from study.report.charts.axes import signed_axis
from study.report.charts.figure import Figure, finished
from study.report.charts.labels import ordered_labels
from study.report.charts.marks import arm_colour, arm_shape, small_multiples
from study.report.results import Results
from study.report.text import THIN, difference, interval

HEIGHT = 190


def path(results: Results) -> Figure | None:
    """Intervals by number of blocks, a panel an arm."""
    about, rows = results.sequential, results.lists["sequential_path"]
    if not about or not rows:
        return None
    unit = f"{THIN}pp" if results.counts else ""
    frame = pd.DataFrame(
        [
            {
                "arm": results.focus.label(row["level"]),
                "blocks": row["blocks"],
                "difference": row["estimate"],
                "low": row["ci_low"],
                "high": row["ci_high"],
                "naive_low": row["naive_low"],
                "naive_high": row["naive_high"],
                "words": f"{difference(row['estimate'])}{unit} "
                f"({interval(row['ci_low'], row['ci_high']) or 'no interval yet'})",
                "verdict": row["verdict"],
            }
            for row in rows
        ]
    )
    frame = _cut(frame, results.margin or 0.0)
    arms = [label for label in ordered_labels(results) if label in set(frame["arm"])]
    block = results.block or "block"
    looks = about["looks"]
    ticks = looks if len(looks) <= 7 else looks[:: -(-len(looks) // 6)]
    x = alt.X(
        "blocks:Q",
        title=f"{block.capitalize()}s",
        scale=alt.Scale(domain=[looks[0], looks[-1]], nice=False, padding=8),
        axis=alt.Axis(values=list(ticks), grid=False),
    )
    axis = signed_axis(labelBound=True, minExtent=34, maxExtent=34)
    y = alt.Y("difference:Q", title="Difference, pp" if results.counts else "Difference", axis=axis)
    colour = arm_colour(results)
    tooltip = [
        alt.Tooltip("arm:N", title=results.focus.title),
        alt.Tooltip("blocks:Q", title=f"{block}s"),
        alt.Tooltip("words:N", title="difference (interval)"),
        alt.Tooltip("verdict:N", title="conclusion"),
    ]
    margin = alt.Chart(alt.InlineData(values=[{"at": -(results.margin or 0.0), "end": results.margin or 0.0}]))
    zero = alt.Chart(alt.InlineData(values=[{"at": 0.0}])).mark_rule(style="zero").encode(y=alt.Y("at:Q"))
    points = alt.Chart().mark_point(filled=True, size=50, opacity=1)
    dashed = alt.Chart().mark_line(strokeWidth=1.2, strokeDash=[4, 3])
    layers = alt.layer(
        *([margin.mark_rect(style="band").encode(y=alt.Y("at:Q"), y2="end:Q")] if results.margin else []),
        alt.Chart().mark_area(opacity=0.18).encode(x=x, y=alt.Y("from:Q"), y2="to:Q", color=colour),
        zero,
        alt.Chart().mark_rule(strokeWidth=2, opacity=0.5).encode(x=x, y=alt.Y("from:Q"), y2="to:Q", color=colour),
        dashed.encode(x=x, y=alt.Y("naive_from:Q"), color=colour),
        dashed.encode(x=x, y=alt.Y("naive_to:Q"), color=colour),
        alt.Chart().mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        points.encode(x=x, y=y, color=colour, shape=arm_shape(results), tooltip=tooltip),
    ).properties(height=HEIGHT)
    chart = small_multiples(layers, "arm", arms, "path", y="independent")
    level = f"{100 * (1 - results.alpha):g}{THIN}%"
    last = frame.groupby("arm", sort=False).tail(1)
    ends = [f"{r.arm} after {r.blocks} {block}s: {r.words}, {r.verdict}" for r in last.itertuples()]
    return Figure(
        key="path",
        title=f"Difference from {results.focus.label(results.control)} as {block}s were added",
        caption=(
            f"The band is the {level} interval, which holds at all looks and arms at once; it ends where the contrast "
            f"was settled, or at the budget. Dashed: the ordinary interval of a fixed number of {block}s, which is not "
            "valid for someone who stops when it looks good."
            + (" The shaded ground is the margin." if results.margin else "")
            + " Intervals too wide for a panel are cut off; every panel has its own vertical scale."
        ),
        alternative=f"{'; '.join(ends)}.",
        variants={"": (finished(chart, facets=len(arms), columns=min(4, len(arms)), narrowest=220, axis=58),)},
        data={"path": frame},
        download="path",
    )


def _cut(frame: pd.DataFrame, margin: float) -> pd.DataFrame:
    """The intervals as drawn: the first ones, of few blocks, would squeeze all others to nothing."""
    parts = []
    for _, arm in frame.groupby("arm", sort=False):
        ends = arm[["low", "high"]].astype(float)
        widths = (ends["high"] - ends["low"]).dropna()
        reach = 2.0 * float(widths.iloc[-1]) if len(widths) else float(arm["difference"].abs().max())
        low = min(float(arm["difference"].min()), -1.5 * margin) - reach
        high = max(float(arm["difference"].max()), 1.5 * margin) + reach
        drawn = {"from": "low", "to": "high", "naive_from": "naive_low", "naive_to": "naive_high"}
        bounds = {"from": low, "to": high}
        cut = {
            name: arm[source].astype(float).fillna(bounds.get(name, 0.0)).clip(low, high)
            for name, source in drawn.items()
        }
        parts.append(arm.assign(**cut))
    return pd.concat(parts, ignore_index=True)
