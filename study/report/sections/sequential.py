"""When was it settled? The path of a sequential study from look to look, and what other designs would have cost."""

import altair as alt
import pandas as pd

from study.report.format import THIN, listing, optional, plural
from study.report.parts.axes import signed_axis, upright
from study.report.parts.figure import Figure, grid
from study.report.parts.frames import differences
from study.report.parts.labels import arm_column, arms_of
from study.report.parts.marks import arm_colour, path_layers, small_multiples
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row
from study.words import level_key

HEIGHT = 190


def section(results: Results) -> Section | None:
    about = results.sequential
    if about is None:
        return None
    text = (_course(results, about), _naive_peeking(results, about))
    return made("sequential", "When was it settled?", (path(results), settled(results)), text)


def path(results: Results) -> Figure | None:
    """Intervals by number of blocks, a panel an arm."""
    about, rows, response = results.sequential, results.lists["sequential_path"], results.response
    if not about or not rows:
        return None
    frame = differences(results, rows, "blocks", "naive_low", "naive_high", "label")
    frame.loc[frame["low"].isna(), "words"] += " (no interval yet)"
    margin = results.margin or 0.0
    frame = _cut(frame, margin)
    arms = arms_of(results, frame)
    block, looks = results.unit, about["looks"]
    ticks = looks if len(looks) <= 7 else looks[:: -(-len(looks) // 6)]
    x = alt.X(
        "blocks:Q",
        title=f"Number of {block}s",
        scale=alt.Scale(domain=[looks[0], looks[-1]], nice=False, padding=8),
        axis=alt.Axis(values=list(ticks), grid=False),
    )
    title = "Difference, pp" if results.counts else response.difference_title
    y = alt.Y("difference:Q", title=title, axis=signed_axis(**upright(34)))
    colour = arm_colour(results)
    tips = {"arm:N": results.focus.title, "blocks:Q": f"{block}s", "words:N": "difference (interval)"}
    band, zero, line, points = path_layers(results, x, y, ("from", "to"), 50, tips | {"label:N": "conclusion"})
    ground = alt.Chart(alt.InlineData(values=[{"at": -margin, "end": margin}])).mark_rect(style="band")
    dashed = alt.Chart().mark_line(strokeWidth=1.2, strokeDash=[4, 3])
    layers = alt.layer(
        *([ground.encode(y=alt.Y("at:Q"), y2="end:Q")] if margin else []),
        band,
        zero,
        alt.Chart().mark_rule(strokeWidth=2, opacity=0.5).encode(x=x, y=alt.Y("from:Q"), y2="to:Q", color=colour),
        dashed.encode(x=x, y=alt.Y("naive_from:Q"), color=colour),
        dashed.encode(x=x, y=alt.Y("naive_to:Q"), color=colour),
        line,
        points,
    ).properties(height=HEIGHT)
    chart = small_multiples(layers, "arm", arms, "path", y="independent")
    last = frame.groupby("arm", sort=False).tail(1)
    ends = [f"{r.arm} after {r.blocks} {block}s: {r.words}, {r.label}" for r in last.itertuples()]
    return Figure(
        key="path",
        title=f"Difference from {results.arm(results.control)} as {block}s were added",
        caption=(
            f"The band is the {results.level} interval, which holds at all looks and arms at once; it ends where the "
            f"contrast was settled, or at the budget. Dashed: the ordinary interval of a fixed number of {block}s, "
            "which is not valid for someone who stops when it looks good."
            + (" The shaded ground is the margin." if margin else "")
            + " Intervals too wide for a panel are cut off; every panel has its own vertical scale."
        ),
        alternative=f"{'; '.join(ends)}.",
        plot=grid(chart, 4, 220, axis=58),
        data={"path": frame},
    )


def settled(results: Results) -> Table | None:
    """Where each contrast was settled, and what other designs would have done."""
    response = results.response
    last = {level_key(row["level"]): row for row in results.lists["sequential_path"]}
    none = {"estimate": None, "ci_low": None, "ci_high": None}  # of an arm that never had enough blocks for a look
    arms = results.found("sequential").get("arms", ())
    rows = [arm | {"last": last.get(level_key(arm["level"]), none)} for arm in arms]
    columns = (
        arm_column(results),
        Column("Settled after", lambda r: r["settled_at"] or f"open after {r['blocks']}"),
        Column("Conclusion", lambda r: r["label"], words=True),
        Column("Difference", lambda r: optional(r["last"]["estimate"], response.difference)),
        Column("Interval", lambda r: response.bounds(r["last"]["ci_low"], r["last"]["ci_high"])),
        Column("Fixed design", lambda r: r["fixed_blocks"]),
        Column("Naive peeking", lambda r: _naive(r["naive"], results.unit), words=True),
    )
    caption = (
        f"In {results.unit}s. Fixed design: how many would show the same with a chance of 80{THIN}%, planned in "
        "advance by someone who knew difference and spread as they were found here. Naive peeking: the first "
        "conclusion of someone who looks as often, takes the ordinary t interval, and stops as soon as it tells "
        "something."
    )
    return plain("settled", "Where each contrast was settled", caption, columns, rows)


def _course(results: Results, about: Row) -> str:
    """How the study grew, and what it would have cost otherwise."""
    block, looks = results.unit, about["looks"]
    some = [str(look) for look in looks]
    text = (
        f"The study began with {plural(looks[0], block)} and looked at the contrasts after "
        f"{listing(some) if len(some) < 5 else f'{some[0]}, {some[1]}, {some[2]} … {some[-1]}'}. A contrast "
        f"that was settled got no more {block}s. "
    )
    names = [results.arm(level) for level in about["unsettled"]]
    if names:
        spent = about["blocks"] >= about["budget"]
        text += f"Open {'when the budget was spent' if spent else 'so far'}: {listing(names)}. "
    else:
        text += f"All were settled after {plural(about['blocks'], block)}. "
    text += f"It took {plural(about['runs'], 'run')}; a fixed design of {about['budget']} {block}s takes "
    return text + f"{about['runs_of_budget']:,}."


def _naive_peeking(results: Results, about: Row) -> str:
    """What naive peeking would have claimed otherwise, or sooner."""
    parts = []
    for arm in about["arms"]:
        naive = arm["naive"]
        if naive and (naive["label"] != arm["label"] or arm["settled_at"] is None):
            instead = f"“{arm['label']}”" if arm["settled_at"] is not None else "nothing is settled"
            claim = f"“{naive['label']}” after {plural(naive['blocks'], results.unit)}"
            parts.append(f"{results.arm(arm['level'])} {claim}, where {instead}")
    return f"Naive peeking would have claimed something else: {'; '.join(parts)}." if parts else ""


def _naive(found: Row | None, block: str) -> str:
    return f"{found['label']}, after {found['blocks']} {block}s" if found else "no conclusion"


def _cut(frame: pd.DataFrame, margin: float) -> pd.DataFrame:
    """The intervals as drawn: the first ones, of few blocks, would squeeze all others to nothing."""
    ends = {"low": "from", "high": "to", "naive_low": "naive_from", "naive_high": "naive_to"}
    parts = []
    for _, arm in frame.groupby("arm", sort=False):
        numbers = arm[["difference", *ends]].astype(float)
        widths = (numbers["high"] - numbers["low"]).dropna()
        reach = 2.0 * widths.iloc[-1] if len(widths) else numbers["difference"].abs().max()
        low = min(numbers["difference"].min(), -1.5 * margin) - reach
        high = max(numbers["difference"].max(), 1.5 * margin) + reach
        # The first looks may have no interval yet.
        drawn = numbers.fillna({"low": low, "high": high, "naive_low": 0.0, "naive_high": 0.0}).clip(low, high)
        parts.append(arm.join(drawn[list(ends)].rename(columns=ends)))
    return pd.concat(parts, ignore_index=True)
