"""How often each arm collapses, where, and whether more often than the control."""

from collections.abc import Mapping
from functools import partial

import altair as alt
import pandas as pd

from study.report.format import of, p_value, share, span
from study.report.parts.figure import Figure, panel
from study.report.parts.labels import arm_column, arms_of, ordered_levels
from study.report.parts.marks import interval_rows
from study.report.parts.section import Section, made
from study.report.parts.table import Cell, Column, Table, plain
from study.report.results import Results, Row
from study.words import level_key

ROW_HEIGHT = 33


def section(results: Results, compared: bool) -> Section | None:
    found = results.collapse
    if found is None:
        return None
    items = (rates(results, found), by_cell(results, found), comparisons(results, found) if compared else None)
    return made("collapse", "Collapse", items, [_counts(results, found)])


def rates(results: Results, found: Row) -> Figure | None:
    """The share of collapsed runs by arm with exact intervals."""
    if not found["arms"]:
        return None
    frame = pd.DataFrame(
        {
            "arm": results.arm(row["level"]),
            "rate": 100 * row["rate"],
            "low": 100 * row["ci_low"],
            "high": 100 * row["ci_high"],
            "words": of(row["failed"], row["runs"]),
            "short": of(row["failed"], row["runs"]),
            "diverged": row["diverged"],
            "interval": span(row["ci_low"], row["ci_high"], share),
        }
        for row in found["arms"]
    )
    scale = alt.Scale(domain=[0, 100], nice=False)
    axis = alt.Axis(tickCount=5, domain=False, ticks=False)
    x = alt.X("rate:Q", title="Collapsed runs, per cent of all", scale=scale, axis=axis)
    numbers = {"words:N": "collapsed", "interval:N": "interval", "diverged:Q": "of these diverged"}
    tips = {"arm:N": results.focus.title} | numbers
    chart = alt.layer(*interval_rows(results, alt.NamedData("collapse"), arms_of(results, frame), x, tips))
    words = [f"{r.arm}: {r.words} runs collapsed, interval {r.interval}" for r in frame.itertuples()]
    return Figure(
        key="collapse",
        title="How often runs collapse",
        caption="Share of runs that collapsed or diverged, with exact intervals (Clopper and Pearson).",
        alternative="; ".join(words) + ".",
        plot=panel(chart.properties(height=alt.Step(ROW_HEIGHT)), reserve=110, wide=640),
        data={"collapse": frame},
    )


def by_cell(results: Results, found: Row) -> Table | None:
    """Collapsed runs: a cell a row, an arm a column; None if no run collapsed or there is one cell only."""
    if not results.others or not any(row["failed"] for row in found["cells"]):
        return None
    counts = {tuple(level_key(row["levels"][f.name]) for f in results.factors): row for row in found["cells"]}
    columns = (
        Column("Cell", results.cell_label, words=True),
        *(Column(results.arm(level), partial(_share, counts=counts, level=level)) for level in ordered_levels(results)),
    )
    caption = "Collapsed runs of all runs, by cell. A stronger ground is a larger share."
    return plain("collapse", "Collapsed runs by cell", caption, columns, results.cell_grid())


def comparisons(results: Results, found: Row) -> Table | None:
    """Whether an arm collapses more often than the control."""
    arms = {level_key(row["level"]): row for row in found["arms"]}
    if not any(row["failed"] for row in arms.values()):
        return None
    rows = [row | arms[level_key(row["level"])] for row in found["comparisons"]]
    block = results.block and results.unit
    test = (
        f"exact, by flips of whole {block}s, which allow runs of one {block} to be alike"
        if block
        else "Fisher's exact test of independent runs"
    )
    columns = (
        arm_column(results),
        Column("Collapsed", lambda r: share(r["rate"])),
        Column("Interval", lambda r: span(r["ci_low"], r["ci_high"], share)),
        Column("p, adjusted" if len(rows) > 1 else "p", _p),
    )
    adjusted = "; adjusted by Holm" if len(rows) > 1 else ""
    caption = f"Against {results.arm(results.control)}. p: {test}{adjusted}."
    return plain("collapse-tests", "Do they collapse more often?", caption, columns, rows)


def _p(row: Row) -> str:
    smallest = row["p_smallest"]
    bound = ", the smallest possible" if smallest is not None and row["p"] <= smallest * (1 + 1e-9) else ""
    return p_value(row["p_adjusted"]) + bound


def _share(cell: dict[str, str], counts: Mapping[tuple[str, ...], Row], level: str) -> Cell:
    here = counts.get((level, *cell.values()))
    return Cell("–") if here is None else Cell(f"{here['failed']}/{here['runs']}", here["rate"])


def _counts(results: Results, found: Row) -> str:
    """How many runs failed, and what none at all still allows."""
    arms = found["arms"]
    collapsed, runs, diverged = (sum(row[key] for row in arms) for key in ("collapsed", "runs", "diverged"))
    text = f"{of(collapsed, runs)} runs collapsed" + (f", and {diverged:,} diverged." if diverged else ".")
    bounds = [f"{results.arm(row['level'])} {share(row['ci_high'])}" for row in arms if not row["failed"]]
    if bounds:
        text += f" Where none did, the true rate may still be as high as: {', '.join(bounds)}."
    return text
