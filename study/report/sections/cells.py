"""All cells in numbers."""

from operator import itemgetter

from study.report.format import optional
from study.report.parts.labels import ordered_levels
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Group, Table, entries
from study.report.results import Results
from study.words import level_key


def section(results: Results) -> Section | None:
    return made("cells", "All cells in numbers", [cells(results)], appendix=True)


def cells(results: Results) -> Table:
    """Every cell of the design, by arm."""
    response = results.response
    show, focus = response.value, results.focus.name
    unit = f",{response.difference_unit}" if response.difference_unit else ""
    columns = (
        Column("Cell", lambda r: results.cell_label(r["levels"]), words=True),
        Column("Runs", itemgetter("runs")),
        Column("Median", lambda r: optional(r["median"], show)),
        Column("Mean", lambda r: optional(r["mean"], show)),
        Column(f"SD{unit}", lambda r: optional(r["sd"], response.spread)),
        Column("Lowest", lambda r: optional(r["min"], show)),
        Column("Highest", lambda r: optional(r["max"], show)),
        Column("Collapsed", itemgetter("collapsed")),
        Column("Diverged", itemgetter("diverged")),
    )
    groups = []
    for position, level in enumerate(ordered_levels(results)):
        rows = [row for row in results.cells if level_key(row["levels"][focus]) == level]
        if rows:
            groups.append(Group(results.arm(level), position, entries(columns, rows)))
    some = "" if response.counts else " that have a number"
    caption = f"Over all runs of a cell{some}, collapsed ones too."
    return Table("cells", f"All cells: {response.name}", caption, columns, tuple(groups))
