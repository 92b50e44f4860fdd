"""Results as the tables that charts draw and readers download."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from study.report.format import optional, with_bounds
from study.report.parts.axes import error_axis, error_of, spread_axis
from study.report.results import Results, Row


def differences(results: Results, rows: Iterable[Row], *more: str) -> pd.DataFrame:
    """Contrasts in words too, in their order, with the entries `more` as they are; empty without a row."""
    show, bounds = results.response.difference, results.response.bounds
    frame = pd.DataFrame(
        {
            "arm": results.arm(row["level"]),
            "cell": results.cell_label(row.get("cell") or {}),
            **{name: row[name] for name in more},
            "difference": row["estimate"],
            "low": row["ci_low"],
            "high": row["ci_high"],
            "short": show(row["estimate"]),
            "words": with_bounds(show(row["estimate"]), bounds(row["ci_low"], row["ci_high"])),
        }
        for row in rows
    )
    # A column of None alone would be one of objects.
    return frame.astype({name: float for name in ("difference", "low", "high") if name in frame})


def effects_caption(results: Results, frame: pd.DataFrame) -> str:
    """How to read a figure of differences."""
    together = " that hold for all of them at once" if len(frame) > 1 else ""
    text = f"Points are estimates, bars are {results.level} intervals{together}."
    if results.margin:
        text += f" The shaded band is the margin, {results.response.margin(results.margin)}."
    return text


def effects_words(results: Results, frame: pd.DataFrame) -> str:
    """What a figure of differences shows."""
    where = frame["cell"].nunique() > 1
    parts = [f"{r.arm}{f', {r.cell}' if where else ''}: {r.words}" for r in frame.itertuples()]
    return f"Differences from {results.arm(results.control)}. {'; '.join(parts)}."


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


def every_outcome(results: Results) -> pd.DataFrame:
    """All runs as they are drawn: `lane` (0 to 1) is the place of a run's block among all blocks."""
    runs = results.runs
    blocks = runs[results.block] if results.block else pd.Series(range(len(runs)), index=runs.index)
    lanes, distinct = blocks.factorize(sort=True)
    diverged = runs["status"].eq("diverged") if "status" in runs else pd.Series(False, index=runs.index)
    frame = outcomes(results, runs, results.outcome).assign(
        block=blocks.astype(str),
        lane=lanes / (len(distinct) - 1) if len(distinct) > 1 else 0.5,
        state=diverged.map({True: "diverged", False: "ok"}),
        kind="run",
    )
    show = results.response.value
    frame["words"] = [optional(None if pd.isna(value) else value, show) for value in frame["outcome"]]
    return frame


def outcome_axis(results: Results, frame: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """The column of such a table that is drawn, and its scale and axis."""
    if results.counts:
        return "error", error_axis(list(frame["error"].dropna()))
    drawn = frame["outcome"].dropna()
    return "outcome", spread_axis(float(drawn.min()), float(drawn.max()))
