"""Was it luck? What a few runs would have shown, where the spread comes from, what picking the best run gains."""

import math
from collections.abc import Container, Sequence
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from study.report.format import THIN, number, optional, plural, sentence, share, significant, span, with_bounds
from study.report.parts import marks
from study.report.parts.axes import error_axis, error_of, positive_axis, value_axis, whole_ticks
from study.report.parts.figure import Figure, panel
from study.report.parts.labels import arm_column, arm_legend, arms_of, plain_legend
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row
from study.words import level_key

HEIGHT = 230
SPREADS = {
    "seen between runs": "run_variance",
    "from the finite test set alone": "sampling_variance",
    "real differences, on endless test images": "distribution_variance",
}


def section(results: Results, fallen: Container[str]) -> Section | None:
    """The sentences leave out the levels that have `fallen`, that is, collapse."""
    noise = (spread(results), components(results), variance_shares(results))
    items = (wrong_way(results), table(results), *noise, best_of_k(results))
    text = (_risks(results, fallen), _noise(results, fallen), _enough(results, fallen))
    return made("luck", "Was it luck?", items, text)


def wrong_way(results: Results) -> Figure | None:
    """The chance that a few runs of each arm order them wrongly."""
    table = [
        {
            "arm": results.arm(found["level"]),
            "runs": str(chance["runs"]),
            "chance": 100 * chance["model"],
            "low": 100 * chance["lowest"],
            "high": 100 * chance["highest"],
            "words": with_bounds(share(chance["model"]), _range(chance)),
            "resampled": optional(chance["data"], share),
        }
        for found in results.found("luck").get("contrasts", ())
        for chance in found["wrong_way"]
        if chance["model"] is not None
    ]
    if not table:
        return None
    frame = pd.DataFrame(table)
    arms, control = arms_of(results, frame), results.arm(results.control)
    runs = list(dict.fromkeys(frame["runs"]))
    place: dict[str, Any] = {
        "x": alt.X("runs:N", sort=runs, title="Runs of each of the two", axis=alt.Axis(labelAngle=0)),
        "xOffset": alt.XOffset("arm:N", sort=arms),
        "color": marks.arm_colour(results),
    }
    scale = alt.Scale(domain=[0, max(50.0, float(frame["high"].max(skipna=True) or 0.0))], nice=False)
    axis = alt.Axis(tickCount=5, ticks=False)
    y = alt.Y("chance:Q", title="Chance of the wrong order, per cent", scale=scale, axis=axis)
    tips = {"runs:N": "runs of each", "words:N": "chance (range of cells)", "resampled:N": "among these runs"}
    tooltip = marks.tooltip({"arm:N": results.focus.title} | tips)
    base = alt.Chart(alt.NamedData("wrong_way"))
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q", **place),
        marks.dots(base, 80).encode(y=y, shape=marks.arm_shape(results), tooltip=tooltip, **place),
    ).properties(height=HEIGHT)
    words = [f"{r.arm}, {r.runs} runs of each: {r.words}" for r in frame.itertuples()]
    return Figure(
        key="wrong-way",
        title="How often a few runs point the wrong way",
        caption=(
            f"The chance that the average of so many runs of an arm and of {control}, in one cell, puts the two in the "
            "wrong order, given the difference found in that cell. Points are averages over the cells, bars reach from "
            f"the cell with the lowest chance to that with the highest. At 50{THIN}% a coin does as well."
        ),
        alternative=f"Chance of the wrong order against {control}. {'; '.join(words)}.",
        variants={"": (panel(chart, legend="arm", widest=760),)},
        data={"wrong_way": frame},
        legend=arm_legend(results, arms),
    )


def table(results: Results) -> Table | None:
    """What a handful of runs would have said."""
    rows = results.found("luck").get("contrasts", ())
    runs = [[chance["runs"] for chance in row["wrong_way"]] for row in rows]
    if any(counts != runs[0] for counts in runs):
        return None
    block = results.unit
    columns = (
        arm_column(results),
        *(
            Column(f"Wrong, {plural(count, 'run')}", partial(_chance, "wrong_way", count), wide=count != 1)
            for count in (runs[0] if runs else ())
        ),
        Column("Better", _ahead),
        Column("ε, in order", _in_order, wide=True),
        Column("False headline", partial(_chance, "false_headline", 1), wide=True),
        Column("Matters", lambda r: optional(r["matters"], share), wide=True),
        Column(f"{block.capitalize()}s, one cell", lambda r: r["seeds_enough"]["cell"]),
        Column(f"{block.capitalize()}s, all cells", lambda r: r["seeds_enough"]["grid"], wide=True),
    )
    caption = (
        f"Against {results.arm(results.control)}. Wrong: chance that the mean of so many runs of each, in "
        "one cell, puts them in the wrong order. Better: share of pairs of single runs in which the arm is ahead. "
        f"ε, in order: almost stochastic order of the {block} means, an upper bound; below 0.5 the arm is ahead at "
        "almost every quantile (Dror, Shlomov and Reichart 2019). "
        "False headline: chance that two single runs differ by more than the margin if there were no effect. "
        f"Matters: probability that the difference exceeds the margin (flat prior). {block.capitalize()}s that would "
        "have been enough to find the difference as it was found here, an underestimate when it was lucky."
    )
    return plain("luck", "What a handful of runs would have said", caption, columns, rows)


def _chance(kind: str, runs: int, row: Row) -> str:
    """The chance of `kind` with so many runs of each."""
    found = row[kind] or ()
    return optional(next((chance["model"] for chance in found if chance["runs"] == runs), None), share)


def _ahead(row: Row) -> str:
    found = row["better"]
    return optional(found["unpaired"] if found["paired"] is None else found["paired"], share)


def _in_order(row: Row) -> str:
    return optional(row["almost_stochastic_order"]["arm_over_control"]["eps_min"], partial(number, digits=2))


def variance_shares(results: Results) -> Figure | None:
    """How much of the spread of all runs each factor, the block, their interplay and the single run carry."""
    found = results.found("luck").get("variance_shares")
    if not found:
        return None
    frame = pd.DataFrame([{"term": results.term_label(term["term"])} | _percent(term) for term in found["terms"]])
    order = list(frame["term"])
    data = alt.NamedData("variance_shares")
    low, high = min(0.0, float(frame["low"].min())), max(float(frame["high"].max()), 1.0)
    scale = alt.Scale(domain=[low, high + 0.02 * (high - low)], nice=False)
    axis = alt.Axis(tickCount=5, ticks=False)
    x = alt.X("share:Q", title="Share of the variance of the runs, per cent", scale=scale, axis=axis)
    y, base = marks.row("term", order), alt.Chart(data)
    tooltip = marks.tooltip({"term:N": "source", "words:N": "share (interval)"})
    chart = alt.layer(
        marks.vertical(0.0),
        base.mark_rule(strokeWidth=3, yOffset=7, strokeCap="round").encode(x=alt.X("low:Q"), x2="high:Q", y=y),
        marks.dots(base, 70, yOffset=7).encode(x=x, y=y, tooltip=tooltip),
        *marks.row_labels(order, -7, "term", dx=6),
        *marks.row_words(data, order, -7, "term"),
    ).properties(height=alt.Step(32))
    return Figure(
        key="variance-shares",
        title="Where the spread comes from",
        caption=(
            f"Shares of the variance of the {results.response.name} {results.pooled_words}, with intervals from "
            f"resampled {found['resampled']}. An estimate below 0 means no more spread than chance gives."
            f"{_alike(results, found)}"
        ),
        alternative="; ".join(f"{r.term}: {r.words}" for r in frame.itertuples()) + ".",
        variants={"": (panel(chart, reserve=150, widest=760),)},
        data={"variance_shares": frame},
    )


def _percent(term: Row) -> dict[str, Any]:
    """A term's share in per cent, with the ends of its bar, and in words."""
    ends = (term["share"] if term[end] is None else term[end] for end in ("share", "ci_low", "ci_high"))
    value, low, high = (100 * end for end in ends)
    short = f"{number(value, 1)}{THIN}%"
    words = f"{short} ({number(low, 1)} to {number(high, 1)})"
    return {"share": value, "low": low, "high": high, "short": short, "words": words}


def spread(results: Results) -> Figure | None:
    """The spread between runs of a cell, and what the finite test set alone would give."""
    table = [
        {
            "arm": results.arm(arm["level"]),
            "way": way,
            "lane": lane / 2,
            "sd": math.sqrt(arm[variance]),
            "words": f"{significant(math.sqrt(arm[variance]))}{THIN}pp",
        }
        for arm in results.found("images").get("arms", ())
        for lane, (way, variance) in enumerate(SPREADS.items())
        if (arm[variance] or 0.0) > 0.0
    ]
    if not table:
        return None
    frame = pd.DataFrame(table)
    order = arms_of(results, frame)
    look = positive_axis(frame["sd"].min(), frame["sd"].max())
    points = marks.dots(alt.Chart(alt.NamedData("spread")), 80).encode(
        x=alt.X("sd:Q", title="Standard deviation of accuracy, pp, log scale", **look),
        y=marks.row("arm", order),
        yOffset=alt.YOffset("lane:Q", scale=alt.Scale(domain=[-0.9, 1.45])),
        color=marks.arm_colour(results),
        shape=marks.plain_shape("way", list(SPREADS)),
        tooltip=marks.tooltip({"arm:N": results.focus.title, "way:N": "spread", "words:N": "standard deviation"}),
    )
    chart = alt.layer(*marks.row_labels(order, -18), points).properties(height=alt.Step(52))
    words = [f"{r.arm}, {r.way}: {r.words}" for r in frame.itertuples()]
    return Figure(
        key="spread",
        title="Test-set noise and real differences between runs",
        caption=(
            "Runs that are equally good still differ on a finite test set. What is left after that is real: it would "
            "show on endless test images (Jordan 2024). Within cells, averaged; a spread that is not above 0 is not "
            "drawn."
        ),
        alternative=f"Standard deviations. {'; '.join(words)}.",
        variants={"": (panel(chart, legend="way", widest=760),)},
        data={"spread": frame},
        legend=plain_legend(list(SPREADS)),
    )


def components(results: Results) -> Table | None:
    """The variance of single answers, by source."""
    rows = results.found("images").get("components") or ()
    columns = (
        Column("Source", lambda r: results.term_label(r["source"], "the single answer"), words=True),
        Column("Share of the variance", lambda r: optional(r["share"], share)),
        Column("Standard deviation", lambda r: f"{number(r['sd'], 1)}{THIN}pp"),
    )
    caption = (
        "A run's answer to one test image is right or wrong, 100 or 0 pp. Where its spread comes from besides the arm: "
        f"{results.unit}s that are better on all images, images that are harder for all, how these go together, and "
        "the rest (restricted maximum likelihood, averaged over the cells of the other factors)."
    )
    return plain("answers", "Runs and images", caption, columns, rows)


def best_of_k(results: Results) -> Figure | None:
    """What picking the best of k runs gains."""
    found = results.found("luck").get("best_of_k")
    if not found or found["runs"] < 2:
        return None
    response = results.response
    frame = pd.DataFrame(
        {"arm": results.arm(arm["level"]), "k": k, "best": value, "words": response.value(value)}
        for arm in found["arms"]
        for k, value in enumerate(arm["expected"], start=1)
    )
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
    tooltip = marks.tooltip({"arm:N": results.focus.title, "k:Q": "runs", "words:N": "best of them"})
    base, colour = alt.Chart(alt.NamedData("best_of_k")), marks.arm_colour(results)
    chart = alt.layer(
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        marks.dots(base, 40).encode(x=x, y=y, color=colour, shape=marks.arm_shape(results), tooltip=tooltip),
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
        variants={"": (panel(chart, legend="arm", widest=760),)},
        data={"best_of_k": frame},
        legend=arm_legend(results, arms_of(results, frame)),
    )


def _alike(results: Results, found: Row) -> str:
    """How much runs of one block have in common."""
    if found.get("icc") is None:
        return ""
    two_digits = partial(number, digits=2)
    value = with_bounds(two_digits(found["icc"]), span(found["icc_low"], found["icc_high"], two_digits))
    return f" Runs of one {results.unit} are alike with an intraclass correlation of {value}, the cells' means removed."


def _told(opening: str, parts: Sequence[str], rest: str = "") -> str:
    return f"{opening}: {'; '.join(parts)}.{rest}" if parts else ""


def _upright(rows: Sequence[Row], fallen: Container[str]) -> list[Row]:
    """The rows of the levels that do not collapse."""
    return [row for row in rows if level_key(row["level"]) not in fallen]


def _risks(results: Results, fallen: Container[str]) -> str:
    """What a single run of each would have told."""
    risks = [
        f"{results.arm(found['level'])} " + with_bounds(share(chance["model"]), _range(chance))
        for found in _upright(results.found("luck").get("contrasts", ()), fallen)
        for chance in found["wrong_way"]
        if chance["runs"] == 1 and chance["model"] is not None
    ]
    return _told(
        f"Someone who trains {results.arm(results.control)} and one other once each, as in a quick check, gets the two "
        "in the wrong order with this chance, averaged over the cells (lowest to highest cell)",
        risks,
    )


def _range(chance: Row) -> str:
    """The chances of the cells, lowest to highest; empty where they are one."""
    return "" if chance["lowest"] == chance["highest"] else span(chance["lowest"], chance["highest"], share)


def _noise(results: Results, fallen: Container[str]) -> str:
    """How much of the spread between runs is the finite test set."""
    parts = []
    for arm in _upright(results.found("images").get("arms", ()), fallen):
        if arm["run_variance"]:
            real = arm["distribution_sd"]
            left = "no more than chance" if real is None else f"{significant(real)}{THIN}pp"
            seen = significant(math.sqrt(arm["run_variance"]))
            parts.append(f"{results.arm(arm['level'])} {seen}{THIN}pp, of which {left} is real")
    rest = " Real is what would show on endless test images; the rest comes from the finite test set."
    return _told("Runs of one cell differ with a standard deviation of", parts, rest)


def _enough(results: Results, fallen: Container[str]) -> str:
    """How many blocks would have been enough to find what was found."""
    parts = []
    for found in _upright(results.found("luck").get("contrasts", ()), fallen):
        seeds = found["seeds_enough"]
        if seeds["grid"] is not None:
            cell = f", {seeds['cell']:,} with one cell alone" if seeds["cell"] and results.others else ""
            parts.append(f"{results.arm(found['level'])} {plural(seeds['grid'], results.unit)}{cell}")
    opening = "To find a difference as large as the one found here, this many would have been enough"
    return _told(opening, parts, " A lucky difference makes that look easier than it is.")
