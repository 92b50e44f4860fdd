"""Is it luck? What a few runs would have shown, where the spread comes from, what picking the best run gains."""

import math
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from study.report.format import THIN, number, optional, plural, share, significant, span, with_bounds
from study.report.parts import marks
from study.report.parts.axes import error_axis, error_of, positive_axis, value_axis, whole_ticks
from study.report.parts.figure import Figure, panel
from study.report.parts.labels import arm_column, arms_of
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row
from study.report.verdict import Verdict

HEIGHT = 230
SPREADS = {
    "seen between runs": "run_variance",
    "from the finite test set alone": "sampling_variance",
    "real differences, on endless test images": "distribution_variance",
}


def section(results: Results, verdict: Verdict) -> Section | None:
    noise = (spread(results), components(results), variance_shares(results))
    items = (checks(results), table(results), *noise, best_of_k(results))
    return made("luck", "Is it luck?", items, [verdict.answer("luck")], finding=verdict.brief("luck"))


def checks(results: Results) -> Figure | None:
    """A hundred quick checks of one run each: how many put an arm and the control in the wrong order."""
    table = [
        {
            "arm": results.arm(found["level"]),
            "chance": 100 * chance["model"],
            "low": 100 * chance["lowest"],
            "high": 100 * chance["highest"],
            "words": with_bounds(share(chance["model"]), _range(chance)),
            "short": share(chance["model"]),
        }
        for found in results.found("luck").get("contrasts", ())
        for chance in found["wrong_way"]
        if chance["runs"] == 1 and chance["model"] is not None
    ]
    if not table:
        return None
    frame = pd.DataFrame(table)
    order, control = arms_of(results, frame), results.arm(results.control)
    hundred = frame.loc[frame.index.repeat(100), ["arm", "chance"]].assign(check=list(range(100)) * len(frame))
    hundred["wrong"] = hundred["check"] < hundred["chance"].round()
    x = alt.X("check:Q", axis=None, scale=alt.Scale(domain=[0, 100], nice=False))
    one = alt.Chart(alt.NamedData("hundred")).transform_calculate(end="datum.check + 0.7")
    y = marks.row("arm", order)
    bars = [
        one.transform_filter(shown)
        .mark_bar(height=14, yOffset=marks.MARK, **look)
        .encode(x=x, x2="end:Q", y=y, **({"color": marks.arm_colour(results)} if not look else {}))
        for shown, look in (("datum.wrong", {}), ("!datum.wrong", {"style": "faint"}))
    ]
    data = alt.NamedData("wrong_way")
    rows = alt.layer(*bars, *marks.row_labels(order, -marks.MARK), *marks.row_words(data, order, -marks.MARK))
    words = [f"{r.arm}: {r.words}" for r in frame.itertuples()]
    return Figure(
        key="wrong-way",
        title="Of a hundred quick checks, how many point the wrong way",
        caption=(
            f"A check is one run of an arm and one of {control} in one cell, with the effect found there; the strong "
            "strokes are the checks that put the two in the wrong order, averaged over the cells (lowest to highest "
            f"cell). At 50{THIN}% a coin does as well."
        ),
        alternative=f"Chance of the wrong order against {control}. {'; '.join(words)}.",
        plot=panel(rows.properties(height=alt.Step(36)), reserve=150, wide=760),
        data={"wrong_way": frame, "hundred": hundred},
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
            Column(f"Wrong, {plural(count, 'run')}", partial(_chance, "wrong_way", count))
            for count in (runs[0] if runs else ())
        ),
        Column("Better", _ahead),
        Column("ε, in order", _in_order),
        Column("False headline", partial(_chance, "false_headline", 1)),
        Column("Matters", lambda r: optional(r["matters"], share)),
        Column(f"Enough {block}s, one cell", lambda r: r["seeds_enough"]["cell"]),
        Column(f"Enough {block}s, all cells", lambda r: r["seeds_enough"]["grid"]),
    )
    caption = (
        f"Against {results.arm(results.control)}. Wrong: chance that the mean of so many runs of each, in "
        "one cell, puts them in the wrong order. Better: share of pairs of single runs in which the arm is ahead. "
        f"ε, in order: almost stochastic order of the {block} means, an upper bound; below 0.5 the arm is ahead at "
        "almost every quantile (Dror, Shlomov and Reichart 2019). "
        "False headline: chance that two single runs differ by more than the margin if there were no effect. "
        f"Matters: probability that the difference exceeds the margin (flat prior). Enough: the {block}s that would "
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
    tips = marks.told({"term:N": "source", "words:N": "share (interval)"})
    chart = alt.layer(
        marks.vertical(0.0),
        base.mark_rule(strokeWidth=3, yOffset=7, strokeCap="round").encode(x=alt.X("low:Q"), x2="high:Q", y=y),
        marks.dots(base, 70, yOffset=7).encode(x=x, y=y, description=tips),
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
        plot=panel(chart, reserve=150, wide=760),
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
        description=marks.told({"arm:N": results.focus.title, "way:N": "spread", "words:N": "standard deviation"}),
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
        plot=panel(chart, legend="way", wide=760),
        data={"spread": frame},
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
        title = f"Best {response.name}, spaced by log error"
        y = alt.Y("error:Q", title=title, **error_axis(list(frame["error"])))
    else:
        look = value_axis(float(frame["best"].min()), float(frame["best"].max()))
        y = alt.Y("best:Q", title=f"{response.title}, of the best", **look)
    tips = marks.told({"arm:N": results.focus.title, "k:Q": "runs", "words:N": "best of them"})
    base, colour = alt.Chart(alt.NamedData("best_of_k")), marks.arm_colour(results)
    chart = alt.layer(
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        marks.dots(base, 40).encode(x=x, y=y, color=colour, shape=marks.arm_shape(results), description=tips),
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
        plot=panel(chart, legend="arm", axis=56, wide=760),
        data={"best_of_k": frame},
    )


def _alike(results: Results, found: Row) -> str:
    """How much runs of one block have in common."""
    if found.get("icc") is None:
        return ""
    two_digits = partial(number, digits=2)
    value = with_bounds(two_digits(found["icc"]), span(found["icc_low"], found["icc_high"], two_digits))
    return f" Runs of one {results.unit} are alike with an intraclass correlation of {value}, the cells' means removed."


def _range(chance: Row) -> str:
    """The chances of the cells, lowest to highest; empty where they are one."""
    return "" if chance["lowest"] == chance["highest"] else span(chance["lowest"], chance["highest"], share)
