"""Words for arms and cells, and their order on the page."""

import pandas as pd

from study.report.parts.table import Column
from study.report.results import Results


def ordered_levels(results: Results) -> list[str]:
    """The keys of the factor of interest's levels, the control first."""
    return sorted(results.focus.levels, key=lambda level: level != results.control)


def ordered_labels(results: Results) -> list[str]:
    """The labels of the factor of interest's levels, the control first."""
    return [results.arm(level) for level in ordered_levels(results)]


def arms_of(results: Results, table: pd.DataFrame) -> list[str]:
    """The labels among `table`'s arms, the control first."""
    present = set(table["arm"])
    return [label for label in ordered_labels(results) if label in present]


def arm_column(results: Results) -> Column:
    """The first column of a table with a row an arm."""
    return Column(results.focus.title, lambda row: results.arm(row["level"]), words=True)


def cell_order(results: Results, present: pd.Series) -> list[str]:
    """The labels of the cells that are present, in the design's order."""
    have = set(present)
    return [label for label in map(results.cell_label, results.cell_grid()) if label in have]


def columns(results: Results) -> int:
    """How many cells stand side by side: a level of the last factor each, if these are few."""
    levels = len(results.others[-1].levels) if results.others else 1
    return levels if levels <= 4 else 3
