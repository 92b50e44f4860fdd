"""Words for arms and cells, and their order on the page."""

from collections.abc import Sequence

import pandas as pd

from study.report.parts.figure import Legend
from study.report.parts.table import Column
from study.report.results import Results, level_key


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
    return Column(results.focus.title.capitalize(), lambda row: results.arm(row["level"]), words=True)


def arm_legend(results: Results, labels: Sequence[str] | None = None) -> tuple[Legend, ...]:
    """Legend entries of the arms, or of those among `labels`."""
    return tuple(
        Legend(label, position)
        for position, label in enumerate(ordered_labels(results))
        if labels is None or label in labels
    )


def plain_legend(labels: Sequence[str]) -> tuple[Legend, ...]:
    return tuple(Legend(label, position, plain=True) for position, label in enumerate(labels))


def labelled(results: Results, table: pd.DataFrame) -> pd.Series:
    """The label of the factor of interest, row by row."""
    column = table[results.focus.name]
    return column.map({value: results.arm(value) for value in column.unique()})


def cell_labels(results: Results, table: pd.DataFrame) -> pd.Series:
    """The words for each row's cell."""
    names = [factor.name for factor in results.others]
    if not names:
        return pd.Series("all runs", index=table.index)
    keys = table[names].apply(lambda column: column.map({value: level_key(value) for value in column.unique()}))
    words = {
        tuple(values): results.cell_label(dict(zip(names, values, strict=True)))
        for values in keys.drop_duplicates().itertuples(index=False, name=None)
    }
    return pd.Series([words[values] for values in keys.itertuples(index=False, name=None)], index=table.index)


def cell_order(results: Results, present: pd.Series) -> list[str]:
    """The labels of the cells that are present, in the design's order."""
    have = set(present)
    return [label for label in map(results.cell_label, results.cell_grid()) if label in have] or ["all runs"]


def columns(results: Results) -> int:
    """How many cells stand side by side: a level of the last factor each, if these are few."""
    levels = len(results.others[-1].levels) if results.others else 1
    return levels if levels <= 4 else 3
