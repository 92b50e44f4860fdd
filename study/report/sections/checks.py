"""Checks of what the tests assume, what missing runs could change, and the control against itself."""

from operator import itemgetter

import altair as alt
import pandas as pd

from study.report.format import THIN, listing, number, optional, p_value, significant
from study.report.parts.axes import signed_axis
from study.report.parts.figure import Figure, grid
from study.report.parts.labels import arm_column, arms_of
from study.report.parts.marks import arm_colour, plain_shape, small_multiples, told
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results

FEW = 5
"""Runs of a cell below which quantiles show nothing."""


def section(results: Results) -> Section | None:
    items = (tests(results), quantiles(results), influence(results), missing(results), negative_control(results))
    return made("checks", "Checks", items, [_summary(results)], appendix=True)


def tests(results: Results) -> Table | None:
    """Tests of what the tests assume."""
    found = results.found("diagnostics")
    if not found:
        return None
    rows = []
    levene, shapiro = (found.get(key) or {} for key in ("levene", "shapiro"))
    if levene.get("p") is not None:
        value = f"F {significant(levene['statistic'], 3)}, p {p_value(levene['p'])}"
        rows.append(("Equal spread in all cells", value, "Brown and Forsythe"))
    if shapiro.get("p") is not None:
        value = f"W {number(shapiro['statistic'], 3)}, p {p_value(shapiro['p'])}"
        rows.append(("Normal residuals", value, "Shapiro and Wilk"))
    for row in found["pairing"] or ():
        if row["variance_ratio"] is not None:
            by = "variance of the difference against unpaired runs"
            rows.append((f"Pairing, {results.arm(row['level'])}", number(row["variance_ratio"], 2), by))
    for row in found["influence"] or ():
        if row["largest_change"] is not None:
            value = f"{number(row['largest_change'], 2)} SE" + (", the sign turns" if row["sign_changes"] else "")
            by = f"largest change without one {results.unit} ({row['largest_block']})"
            rows.append((f"Influence, {results.arm(row['level'])}", value, by))
    rows.append(("Seeding", found["seeding"]["in_words"], "repeated weights, predictions or outcomes"))
    columns = (
        Column("Check", itemgetter(0), words=True),
        Column("Found", itemgetter(1), words=True),
        Column("By", itemgetter(2), words=True),
    )
    caption = (
        "They inform and choose nothing: the contrasts need none of them, as each has its own error over whole blocks."
    )
    return plain("checks", "Checks", caption, columns, rows)


def quantiles(results: Results) -> Figure | None:
    """Residuals against normal quantiles, an arm a panel."""
    found = results.found("diagnostics").get("qq")
    if not found or min(row["runs"] for row in results.cells) < FEW:
        return None
    frame = pd.DataFrame(
        {"arm": results.arm(arm["level"]), "normal": x, "residual": y}
        for arm in found
        for x, y in zip(arm["theoretical"], arm["observed"], strict=True)
    )
    diagonal = [{"normal": end, "residual": end} for end in (frame["normal"].min(), frame["normal"].max())]
    axis = alt.Axis(tickCount=4, ticks=False, grid=False, labelFlush=False)
    x = alt.X("normal:Q", title="Normal quantile", axis=axis)
    y = alt.Y("residual:Q", title="Residual, in its SD", axis=axis)
    line = alt.Chart(alt.InlineData(values=diagonal)).mark_line(style="zero", strokeWidth=1.2)
    layers = alt.layer(
        line.encode(x=x, y=y),
        alt.Chart().mark_point(filled=True, size=16, opacity=0.8).encode(x=x, y=y, color=arm_colour(results)),
    ).properties(height=170)
    chart = small_multiples(layers, "arm", arms_of(results, frame), "quantiles")
    worst = frame.loc[frame["residual"].abs().groupby(frame["arm"]).idxmax()]
    words = [f"{r['arm']}: largest residual {number(r['residual'], 1)} SD" for r in worst.to_dict("records")]
    return Figure(
        key="quantiles",
        title="Are the residuals normal?",
        caption=(
            "Residuals of the model of cells and blocks, in order, against what a normal distribution would give; on "
            "the line they agree. The contrasts rest on means over blocks, which are closer to normal than single runs."
        ),
        alternative="; ".join(words) + ".",
        plot=grid(chart, 5, 170, axis=46),
        data={"quantiles": frame},
    )


def influence(results: Results) -> Figure | None:
    """Each contrast without each block, and without each cell."""
    response = results.response
    without = (f"without one {results.unit}", "without one cell")
    table = []
    for arm in results.found("diagnostics").get("influence") or ():
        blocks = [(without[0], str(row["block"]), row["estimate"]) for row in arm["blocks"]]
        cells = [(without[1], results.cell_label(row["levels"]), row["estimate"]) for row in arm["cells"]]
        for kind, what, estimate in blocks + cells:
            if estimate is None:  # without that cell the arm shares no block with the control
                continue
            about = {"left_out": kind, "which": what, "effect": estimate, "words": response.difference(estimate)}
            table.append({"arm": results.arm(arm["level"]), **about})
    if not table:  # of two blocks and one cell, none can be spared
        return None
    frame = pd.DataFrame(table)
    arms = arms_of(results, frame)
    shown = [kind for kind in without if kind in set(frame["left_out"])]
    tips = {"left_out:N": "contrast", "which:N": "left out", "words:N": "effect"}
    points = (
        alt.Chart()
        .mark_point(filled=True, size=40, opacity=0.8)
        .encode(
            x=alt.X("effect:Q", title=response.difference_title, axis=signed_axis()),
            y=alt.Y("left_out:N", sort=shown, axis=None),
            color=arm_colour(results),
            shape=plain_shape("left_out", shown),
            description=told(tips),
        )
    )
    layers = alt.layer(points).properties(height=70)
    chart = small_multiples(layers, "arm", arms, "influence", x="independent")
    lowest_first = frame.sort_values("effect")
    reach = {name: list(lowest_first.loc[lowest_first["arm"] == name, "words"]) for name in arms}
    ends = [f"{name}: {words[0]} to {words[-1]}" for name, words in reach.items()]
    return Figure(
        key="influence",
        title=f"Does it hang on one {results.unit}, or on one cell?",
        caption=f"The contrast again without each {results.unit} (upper row) and each cell (lower row) in turn.",
        alternative=f"Lowest to highest when one is left out. {'; '.join(ends)}.",
        plot=grid(chart, 2, 260, legend="left_out"),
        data={"influence": frame},
    )


def missing(results: Results) -> Table | None:
    """What missing runs could change at most."""
    found = results.found("missing")
    if not found or not found["missing"]:
        return None
    show = results.response.difference
    columns = (
        arm_column(results),
        Column("As it is", lambda r: optional(r["estimate"], show)),
        Column("At worst", lambda r: optional(r["at_worst"], show)),
        Column("At best", lambda r: optional(r["at_best"], show)),
    )
    caption = (
        f"{found['missing']:,} of {found['planned']:,} runs are missing. The difference if all of the arm's missing "
        "runs had ended like the worst run and the control's like their cell, and the other way round."
    )
    return plain("missing", "What missing runs could change", caption, columns, found["bounds"])


def negative_control(results: Results) -> Table | None:
    """The control against itself under other seeds, and the real contrasts."""
    found = results.found("negative_control")
    if not found:
        return None
    show = results.response.difference
    again = found["contrast"]
    rows = [{**again, "name": f"{results.arm(again['control'])}, other seeds"}]
    rows += [{**row, "name": results.arm(row["level"])} for row in results.contrasts]
    columns = (
        Column(results.focus.title, itemgetter("name"), words=True),
        Column("Difference", lambda r: optional(r["estimate"], show)),
        Column("Interval", lambda r: " to ".join(optional(r[end], show) for end in ("ci_low", "ci_high"))),
        Column("p, adjusted", lambda r: p_value(r["p_adjusted"])),
    )
    caption = (
        "The control was trained once more under other seeds. Nothing sets the two apart: its interval should hold 0, "
        f"except in {100 * found['alpha']:g} of 100 studies. The real contrasts stand below it for comparison."
    )
    return plain("negative-control", "A negative control", caption, columns, rows)


def _summary(results: Results) -> str:
    """Whether the conclusions hang on one block, and whether seeds were seeds."""
    found = results.found("diagnostics")
    if not found:
        return ""
    block = results.unit
    parts = []
    rows = [row for row in found["influence"] or () if row.get("sign_changes") is not None]
    if rows:
        turned = [results.arm(row["level"]) for row in rows if row["sign_changes"]]
        parts.append(
            f"Without one {block}, the sign of the contrast changes for {listing(turned)}."
            if turned
            else f"No contrast changes its sign when any one {block} is left out."
        )
    spread = (found.get("levene") or {}).get("p")
    if spread is not None:
        p = p_value(spread) if spread < 0.001 else f"={THIN}{p_value(spread)}"
        parts.append(
            f"The cells {'differ' if spread < results.alpha else 'do not differ clearly'} in spread "
            f"(p{THIN}{p}), which the contrasts allow."
        )
    parts.append(
        f"Different {block}s gave the same run, so the replication is not one: see below."
        if found["seeding"].get("broken")
        else f"No two {block}s gave the same run."
    )
    return " ".join(parts)
