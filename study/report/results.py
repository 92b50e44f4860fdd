"""A results directory, read: every file that is there, checked for the keys the report relies on."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from study.errors import StudyError
from study.report.response import Response, decimals

Row = Mapping[str, Any]

# What the report reads from each row of a list, or from the object itself.
LISTS = {
    "contrasts": {"factor", "level", "control", "scale", "estimate", "ci_low", "ci_high", "verdict"},
    "simple_effects": {"level", "control", "scale", "estimate", "ci_low", "ci_high", "cell"},
    "interactions": {"level", "scale", "cell", "estimate", "ci_low", "ci_high", "p_adjusted"},
    "anova": {"term", "df1", "df2", "F", "p"},
    "cells": {"levels", "runs", "median", "min", "max"},
    "curves": {"levels", "epoch", "q10", "median", "q90"},
    "curve_contrasts": {"level", "scale", "epoch", "estimate", "ci_low", "ci_high"},
    "sequential_path": {"level", "blocks", "estimate", "ci_low", "ci_high", "naive_low", "naive_high", "verdict"},
    "specification": {"level", "scale", "method", "handling", "endpoint", "estimate", "ci_low", "ci_high", "primary"},
}
OBJECTS = {
    "analysis": {"factors", "control", "plan", "outcome"},
    "collapse": {"threshold", "arms", "cells"},
    "mechanism": {"arms", "cells"},
    "luck": {"contrasts", "variance_shares", "best_of_k"},
    "images": {"arms", "contrasts"},
    "mixed": {"terms", "variance_intervals", "contrasts"},
    "tuned": {"factor", "contrasts", "choices"},
    "ranks": {"arms", "critical_difference"},
    "diagnostics": {"qq", "influence", "seeding"},
    "power": {"main", "cell"},
    "missing": {"missing", "bounds"},
    "negative_control": {"alpha", "contrasts"},
    "sequential": {"looks", "budget", "blocks", "arms", "unsettled", "runs", "runs_of_budget"},
}


def level_key(value: object) -> str:
    """One spelling per level: 2e-4, "0.0002" and 0.0002 are the same level wherever they are written."""
    text = str(value)
    try:
        return repr(float(text)) if "_" not in text else text
    except ValueError:
        return text


@dataclass(frozen=True)
class Factor:
    """A factor as the reader sees it. `levels` are keys (see `level_key`), `labels` the words for them."""

    name: str
    title: str
    levels: tuple[str, ...]
    labels: tuple[str, ...]

    def label(self, level: object) -> str:
        key = level_key(level)
        return self.labels[self.levels.index(key)] if key in self.levels else str(level)

    def words(self, level: object) -> str:
        """The label in running text: a bare number needs the factor's title beside it to say anything."""
        label = self.label(level)
        return f"{self.title} {label}" if _is_number(label) else label


@dataclass(frozen=True)
class Results:
    """All that a results directory holds. Tables are None and lists empty where a file is absent.

    Attributes:
        factors: the factor of interest first.
        control: the key of its level that the others are compared with; None if nothing is compared.
        block: the name of the unit of replication; None if runs are independent.
        alpha, margin, collapse_below: the plan's; the margin in percentage points, or in the response's unit.
        lists: the analysis files that hold rows (`LISTS`), by name.
        objects: the analysis files that hold one object (`OBJECTS`), by name, those that are there.
    """

    folder: Path
    name: str
    question: str
    factors: tuple[Factor, ...]
    control: str | None
    block: str | None
    alpha: float
    margin: float | None
    collapse_below: float | None
    design: Row
    provenance: Row
    runs: pd.DataFrame | None
    curves: pd.DataFrame | None
    gaps: pd.DataFrame | None
    lists: Mapping[str, Sequence[Row]]
    objects: Mapping[str, Row]

    @property
    def focus(self) -> Factor:
        return self.factors[0]

    @property
    def others(self) -> tuple[Factor, ...]:
        return self.factors[1:]

    @property
    def contrasts(self) -> Sequence[Row]:
        return self.lists["contrasts"]

    @property
    def cells(self) -> Sequence[Row]:
        return self.lists["cells"]

    @property
    def collapse(self) -> Row | None:
        return self.objects.get("collapse")

    @property
    def mechanism(self) -> Row | None:
        return self.objects.get("mechanism")

    @property
    def sequential(self) -> Row | None:
        """Where a sequential study settled its contrasts; None for a fixed design."""
        return self.objects.get("sequential")

    @property
    def outcome(self) -> tuple[str, ...]:
        """The columns of the table of runs that hold successes and trials, or the one that holds the response."""
        found = (self.objects.get("analysis") or {}).get("outcome") or {}
        if not self.counts:
            return (found.get("response") or "response",)
        return found.get("successes") or "test_correct", found.get("trials") or "test_trials"

    @property
    def trials(self) -> int:
        """The trials of one run, 10,000 where no table tells."""
        column = self.outcome[-1]
        return int(self.runs[column].iloc[0]) if self.runs is not None and column in self.runs else 10_000

    @property
    def counts(self) -> bool:
        """Whether the outcome is an accuracy; otherwise it is a response in a unit of its own."""
        return not any(row["scale"] == "response" for row in self.contrasts)

    @property
    def scale(self) -> str:
        """The scale on which effects are estimated first."""
        return "log_odds" if self.counts else "response"

    @property
    def difference_scale(self) -> str:
        """The scale on which the margin is given."""
        return "pp" if self.counts else "response"

    @functools.cached_property
    def response(self) -> Response:
        """What was measured, in words."""
        found = (self.objects.get("analysis") or {}).get("outcome") or {}
        counts = self.counts
        estimates = [abs(r["estimate"]) for r in self.contrasts if r["scale"] == "response" and r["estimate"]]
        return Response(
            name=str(found.get("name") or ("test accuracy" if counts else "response")),
            unit=str(found.get("unit") or ""),
            counts=counts,
            higher=found.get("better") != "lower",
            digits=decimals(self.margin or min(estimates, default=0.0)),
        )

    @property
    def simultaneous(self) -> bool:
        """Whether the intervals of all comparisons hold at once."""
        if self.sequential is not None:
            return True
        plan = (self.objects.get("analysis") or {}).get("plan") or {}
        return plan.get("adjust", "max-t") == "max-t"

    @property
    def interim(self) -> bool:
        """Whether the design plans runs that the results lack."""
        counts = self.provenance.get("runs") or {}
        return int(counts.get("planned", 0)) > int(counts.get("done", 0))

    @property
    def arms(self) -> tuple[str, ...]:
        """The levels that are compared with the control, in the design's order."""
        seen = {level_key(row["level"]) for row in self.contrasts}
        return tuple(level for level in self.focus.levels if level in seen)

    def contrast(self, level: str, scale: str) -> Row | None:
        """The contrast of `level` with the control, averaged over the other factors."""
        rows = (row for row in self.contrasts if row["scale"] == scale and level_key(row["level"]) == level)
        return next(rows, None)

    def cell_grid(self) -> list[dict[str, str]]:
        """The combinations of the other factors' levels, in the design's order."""
        return [
            dict(zip([f.name for f in self.others], levels, strict=True))
            for levels in product(*[f.levels for f in self.others])
        ]

    def cell_label(self, cell: Row) -> str:
        """The words for a combination of the other factors' levels."""
        return " · ".join(f.words(cell[f.name]) for f in self.others if f.name in cell) or "all runs"

    def term_label(self, term: str) -> str:
        """The words for a term of a model, such as "bn:dropout"."""
        titles = {f.name: f.title for f in self.factors}
        return " × ".join(titles.get(part, part) for part in term.split(":"))


def read_results(folder: Path | str) -> Results:
    """Read the results directory `folder`.

    Raises:
        StudyError: the directory or every result in it is missing, or a file is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such results directory; give the folder that holds analysis/")
    design = _json(folder / "design.json", dict) or {}
    lists = {name: _rows(_file(folder, name), keys) for name, keys in LISTS.items()}
    found = {name: _object(_file(folder, name), keys) for name, keys in OBJECTS.items()}
    objects = {name: value for name, value in found.items() if value is not None}
    if not lists["contrasts"] and not lists["cells"]:
        raise StudyError(
            f"{folder}: found no analysis/contrasts.json or analysis/cells.json; run the analysis first (study analyze)"
        )
    about = objects.get("analysis") or {}
    plan = {**(about.get("plan") or {}), **(design.get("plan") or {})}
    factors, control = _factors(design, about, lists, folder)
    return Results(
        folder=folder,
        name=str(design.get("name") or folder.resolve().name),
        question=str(design.get("question") or f"Does {factors[0].title} make a difference?"),
        factors=factors,
        control=control,
        block=design.get("block") or about.get("block"),
        alpha=float(plan.get("alpha") or 0.05),
        margin=plan.get("margin_pp", plan.get("margin")) or None,
        collapse_below=plan.get("collapse_below"),
        design=design,
        provenance=_json(folder / "provenance.json", dict) or {},
        # A study has its whole table; of another table there are the columns that were analysed.
        runs=next(
            (t for t in map(_table, (folder / "runs.parquet", folder / "analysis" / "runs.parquet")) if t is not None),
            None,
        ),
        curves=_table(folder / "curves.parquet"),
        gaps=_table(folder / "statistics_gap.parquet"),
        lists=lists,
        objects=objects,
    )


def _file(folder: Path, name: str) -> Path:
    """A result lies in analysis/ of a study, or in the folder itself."""
    inner = folder / "analysis" / f"{name}.json"
    return inner if inner.exists() else folder / f"{name}.json"


def _factors(
    design: Row, about: Row, lists: Mapping[str, Sequence[Row]], folder: Path
) -> tuple[tuple[Factor, ...], str | None]:
    control = design.get("control") or about.get("control")
    contrasts, cells = lists["contrasts"], lists["cells"]
    if control:
        focus = str(control["factor"])
    else:
        focus = str(contrasts[0]["factor"]) if contrasts else next(iter(cells[0]["levels"]))
        control = {"level": contrasts[0]["control"]} if contrasts else None
    if design.get("factors"):
        declared = {str(factor["name"]): factor for factor in design["factors"]}
    elif about.get("factors"):
        declared = {name: {"levels": levels} for name, levels in about["factors"].items()}
    elif cells:
        declared = {name: {"levels": _distinct(row["levels"][name] for row in cells)} for name in cells[0]["levels"]}
    else:
        declared = {focus: {"levels": _distinct([contrasts[0]["control"], *(row["level"] for row in contrasts)])}}
    if focus not in declared:
        raise StudyError(f"{folder}: the factor {focus!r} of the contrasts is not among the factors {list(declared)}")
    factors = [_factor(name, given) for name, given in declared.items()]
    factors.sort(key=lambda factor: factor.name != focus)
    return tuple(factors), level_key(control["level"]) if control else None


def _distinct(values: Iterable[object]) -> list[object]:
    return list(dict.fromkeys(values))


def _factor(name: str, given: Row) -> Factor:
    levels = tuple(level_key(level) for level in given["levels"])
    labels = tuple(str(label) for label in given.get("labels") or [])
    if len(labels) != len(levels) or len(set(labels)) != len(labels):
        # Two levels with one label would be one row in every figure.
        labels = tuple(f"{float(level):g}" if _is_number(level) else str(level) for level in given["levels"])
    return Factor(name, str(given.get("title") or name), levels, labels)


def _json(path: Path, kind: type) -> Any:
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: damaged, not JSON ({error}); remove it and make it again") from error
    if value is not None and not isinstance(value, kind):
        raise StudyError(f"{path}: found a {type(value).__name__}, expected a {kind.__name__}; make it again")
    return value


def _rows(path: Path, keys: set[str]) -> Sequence[Row]:
    rows = _json(path, list) or []
    for position, row in enumerate(rows):
        _require(path, f"row {position + 1}", row, keys)
    return rows


def _object(path: Path, keys: set[str]) -> Row | None:
    value = _json(path, dict)
    if value is not None:
        _require(path, "the file", value, keys)
    return value


def _require(path: Path, what: str, value: object, keys: set[str]) -> None:
    found = set(value) if isinstance(value, dict) else set()
    if keys - found:
        raise StudyError(f"{path}: {what} lacks {', '.join(sorted(keys - found))}; remove the file and make it again")


def _table(path: Path) -> pd.DataFrame | None:
    if not path.exists():
        return None
    try:
        return pd.read_parquet(path)
    except Exception as error:  # pyarrow raises a dozen kinds for a damaged file
        raise StudyError(
            f"{path}: damaged, cannot be read as a table ({error}); remove it and make it again"
        ) from error


def _is_number(level: object) -> bool:
    try:
        float(str(level))
    except ValueError:
        return False
    return True
