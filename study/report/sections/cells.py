"""All cells in numbers."""

from study.report.format import optional, sentence
from study.report.parts.labels import ordered_levels
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Group, Table, entries
from study.report.results import Results, level_key
from study.report.verdict import Verdict


def section(results: Results, verdict: Verdict) -> Section | None:
    return made("cells", "All cells in numbers", [cells(results)])


def cells(results: Results) -> Table:
    """Every cell of the design, by arm."""
    response = results.response
    show = response.value
    groups = []
    for position, level in enumerate(ordered_levels(results)):
        rows = tuple(
            entries(
                results.cell_label(row["levels"]),
                row["runs"],
                optional(row["median"], show),
                optional(row["mean"], show),
                optional(row["sd"], response.spread),
                optional(row["min"], show),
                optional(row["max"], show),
                row["collapsed"],
                row["diverged"],
            )
            for row in results.cells
            if level_key(row["levels"][results.focus.name]) == level
        )
        if rows:
            groups.append(Group(results.arm(level), position, rows))
    columns = (
        Column("Cell", words=True),
        Column("Runs", wide=True),
        Column("Median"),
        Column("Mean", wide=True),
        Column(f"SD{response.difference_unit and f',{response.difference_unit}'}", wide=True),
        Column("Lowest"),
        Column("Highest"),
        Column("Collapsed"),
        Column("Diverged", wide=True),
    )
    some = "" if response.counts else " that have a number"
    caption = f"Over all runs of a cell{some}, collapsed ones too."
    return Table("cells", f"{sentence(response.name)} by cell", caption, columns, tuple(groups))
