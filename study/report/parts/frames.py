"""Results as the tables that charts draw and readers download."""

from collections.abc import Iterable, Sequence

import pandas as pd

from study.report.format import with_bounds
from study.report.parts.axes import error_of
from study.report.results import Results, Row


def differences(results: Results, rows: Iterable[Row], *more: str) -> pd.DataFrame:
    """Contrasts in words too, with the entries `more` as they are."""
    show, bounds = results.response.difference, results.response.bounds
    return pd.DataFrame(
        {
            "arm": results.arm(row["level"]),
            **{name: row[name] for name in more},
            "difference": row["estimate"],
            "low": row["ci_low"],
            "high": row["ci_high"],
            "words": with_bounds(show(row["estimate"]), bounds(row["ci_low"], row["ci_high"])),
        }
        for row in rows
    )


def outcomes(results: Results, table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The arm, the cell and the outcome of each row, and the error of a proportion: `columns` hold successes and
    trials, or a number."""
    cells = table[[factor.name for factor in results.others]].to_dict("records")
    frame = pd.DataFrame(
        {
            "arm": table[results.focus.name].map(results.arm),
            "cell": [results.cell_label(cell) for cell in cells],
            "outcome": table[columns[0]],
        }
    )
    if results.counts:
        frame["outcome"] = 100.0 * frame["outcome"] / table[columns[1]]
        frame["error"] = error_of(frame["outcome"], table[columns[1]])
    return frame
