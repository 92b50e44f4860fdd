"""How large is the difference? In each cell, in every run, and on new images."""

import altair as alt

from study.report.format import p_value
from study.report.parts import marks
from study.report.parts.figure import Figure, grid
from study.report.parts.frames import differences, effects_caption, effects_words
from study.report.parts.labels import arm_column, arms_of, cell_order, columns
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row, known
from study.report.sections.runs import every_run
from study.report.verdict import Verdict

ROW_HEIGHT = 38


def section(results: Results, verdict: Verdict) -> Section | None:
    text = (verdict.answer("helps"), verdict.answer("size"))
    items = (by_cell(results), every_run(results), scopes(results))
    return made("effects", "How large is the difference?", items, text, finding=verdict.brief("size"))


def by_cell(results: Results) -> Figure | None:
    """The differences inside each combination of the other factors."""
    frame = differences(results, known(results.lists["simple_effects"]), "label")
    if frame.empty or frame["cell"].nunique() < 2:
        return None
    rows = marks.effect_rows(results, frame, alt.Undefined, arms_of(results, frame))
    rows = rows.properties(height=alt.Step(ROW_HEIGHT))
    chart = marks.small_multiples(rows, "cell", cell_order(results, frame["cell"]), "cell_effects")
    return Figure(
        key="effects-by-cell",
        title=f"Difference from {results.arm(results.control)} in each cell",
        caption="A panel is one combination of the other factors. " + effects_caption(results, frame),
        alternative=effects_words(results, frame),
        plot=grid(chart, columns(results), 230, reserve=75, phone=2),
        data={"cell_effects": frame},
    )


def scopes(results: Results) -> Table | None:
    """The differences on these test images, and on new images too."""
    found = results.found("images")
    rows = [row for row in found.get("contrasts", ()) if (row.get("these_images") or {}).get("se") is not None]
    unit = results.unit

    def bounds(row: Row) -> str:
        return results.response.bounds(row["ci_low"], row["ci_high"])

    headings = (
        arm_column(results),
        Column("Difference", lambda r: results.response.difference(r["estimate_pp"])),
        Column("On these images", lambda r: bounds(r["these_images"])),
        Column("On new images too", lambda r: bounds(r["new_images_too"])),
        Column("p, new images", lambda r: p_value(r["new_images_too"]["p"])),
        Column("Pairs better / worse", lambda r: _pairs(r["mcnemar"])),
    )
    caption = (
        f"Unadjusted intervals for new {unit}s scored on these {found.get('images', 0):,} test images, and for new "
        f"{unit}s on new images of the same kind (both random; multi-reader multi-case analysis). Pairs: single runs "
        "of the same cell that McNemar's test tells apart, for and against."
    )
    return plain("scopes", "On this test set, and on new images", caption, headings, rows)


def _pairs(found: Row | None) -> str:
    return f"{found['better']:,} / {found['worse']:,} of {found['pairs']:,}" if found else ""
