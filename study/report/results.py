"""A results directory, read: every file that is there, checked for the keys the report relies on."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from study.errors import MALFORMED, StudyError
from study.files import read_json
from study.reading import one_line
from study.report.format import THIN, Response, listing
from study.table_file import read_frame
from study.words import level_key, unit

Row = Mapping[str, Any]

# What the report reads from each row of a list, or from the object itself.
LISTS = {
    "contrasts": {"level", "scale", "estimate", "ci_low", "ci_high", "p_adjusted", "label"},
    "simple_effects": {"level", "scale", "estimate", "ci_low", "ci_high", "label", "cell"},
    "interactions": {"level", "scale", "cell", "estimate", "ci_low", "ci_high", "p_adjusted"},
    "anova": {"term", "df1", "df2", "F", "p"},
    "cells": {"levels", "runs", "median", "mean", "sd", "min", "max", "collapsed", "diverged"},
    "curves": {"levels", "epoch", "q10", "median", "q90"},
    "curve_contrasts": {"level", "scale", "epoch", "estimate", "ci_low", "ci_high"},
    "sequential_path": {"level", "blocks", "estimate", "ci_low", "ci_high", "naive_low", "naive_high", "label"},
    "specification": {"level", "scale", "method", "handling", "endpoint", "estimate", "ci_low", "ci_high", "primary"},
}
OBJECTS = {
    "verdicts": {"question", "stamp", "headline", "control", "arms", "answers"},
    "collapse": {"threshold", "arms", "cells", "comparisons"},
    "luck": {"contrasts", "variance_shares", "best_of_k"},
    "images": {"arms", "contrasts"},
    "mixed": {"terms", "components", "contrasts"},
    "tuned": {"factor", "contrasts", "choices"},
    "ranks": {"arms", "critical_difference"},
    "diagnostics": {"qq", "influence", "seeding"},
    "power": {"main", "cell"},
    "missing": {"missing", "bounds"},
    "negative_control": {"alpha", "contrast"},
    "sequential": {"looks", "budget", "blocks", "arms", "unsettled", "runs", "runs_of_budget"},
}
ANALYSIS = {"factors", "control", "block", "blocks", "plan", "outcome"}
PLAN = {
    *("alpha", "margin", "collapse_below"),
    *("validation_successes", "validation_trials", "validation_response"),
}
OUTCOME = {"successes", "trials", "response", "name", "unit", "better"}


def known(rows: Sequence[Row]) -> list[Row]:
    """The contrasts that have an estimate."""
    return [row for row in rows if row["estimate"] is not None]


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
        """The label in running text: a bare number needs the factor's title with it to say anything."""
        label = self.label(level)
        return f"{self.title} {label}" if _is_number(label) else label


@dataclass(frozen=True)
class Results:
    """All that a results directory holds. Lists are empty, and objects and the table of curves absent, without a file.

    Attributes:
        short_question: the question in one line; empty if there is none.
        factors: the factor of interest first.
        control: the key of its level that the others are compared with.
        block: the name of the unit of replication; None if runs are independent.
        design: what was planned, in words and numbers; empty for a table that no study made.
        analysis: what was analysed, and by which plan.
        lists: the analysis files that hold rows (`LISTS`), by name.
        objects: the analysis files that hold one object (`OBJECTS`), by name, those that are there.
    """

    folder: Path
    name: str
    question: str
    short_question: str
    factors: tuple[Factor, ...]
    control: str
    block: str | None
    design: Row
    analysis: Row
    provenance: Row
    runs: pd.DataFrame
    curves: pd.DataFrame | None
    lists: Mapping[str, Sequence[Row]]
    objects: Mapping[str, Row]

    @property
    def heading(self) -> str:
        """The question, in one line if it was asked in one."""
        return self.short_question or self.question

    @property
    def focus(self) -> Factor:
        return self.factors[0]

    @property
    def others(self) -> tuple[Factor, ...]:
        return self.factors[1:]

    @property
    def unit(self) -> str:
        """The unit of replication in running text."""
        return unit(self.block)

    @property
    def alpha(self) -> float:
        return float(self.analysis["plan"]["alpha"])

    @property
    def level(self) -> str:
        """The level of intervals in words: 95 %."""
        return f"{100 * (1 - self.alpha):g}{THIN}%"

    @property
    def margin(self) -> float | None:
        """In percentage points, or in the response's unit; None without one."""
        return self.analysis["plan"]["margin"] or None

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
    def sequential(self) -> Row | None:
        """Where a sequential study settled its contrasts; None for a fixed design."""
        return self.objects.get("sequential")

    @property
    def outcome(self) -> tuple[str, ...]:
        """The columns of the table of runs that hold successes and trials, or the one that holds the response."""
        found = self.analysis["outcome"]
        return (found["successes"], found["trials"]) if self.counts else (found["response"],)

    @property
    def trials(self) -> int:
        """The trials of one run."""
        return int(self.runs[self.outcome[-1]].iloc[0])

    @property
    def counts(self) -> bool:
        """Whether the outcome is an accuracy; otherwise it is a response in a unit of its own."""
        return self.analysis["outcome"]["successes"] is not None

    @property
    def scale(self) -> str:
        """The scale that decides."""
        return "pp" if self.counts else "response"

    @functools.cached_property
    def response(self) -> Response:
        """What was measured, in words."""
        estimates = [row["estimate"] for row in self.contrasts]
        return Response.of(self.analysis["outcome"], self.margin, estimates)

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

    def arm(self, level: object) -> str:
        """The words for a level of the factor of interest."""
        return self.focus.label(level)

    @property
    def pooled_words(self) -> str:
        """Which arms the results rest on that pool arms."""
        levels = [self.arm(level) for level in self.analysis.get("pooled") or ()]
        if len(levels) == len(self.arms):
            return "over all arms"
        return f"over {listing(levels)} and the control, as runs of the others fail"

    def title(self, factor: str) -> str:
        """The words for a factor."""
        return next((each.title for each in self.factors if each.name == factor), factor)

    def found(self, name: str) -> Row:
        """An analysis file of one object; empty if it is not there."""
        return self.objects.get(name, {})

    def cell_grid(self) -> list[dict[str, str]]:
        """The combinations of the other factors' levels, in the design's order."""
        names = [factor.name for factor in self.others]
        return [dict(zip(names, levels, strict=True)) for levels in product(*(f.levels for f in self.others))]

    def cell_label(self, cell: Mapping[Any, Any]) -> str:
        """The words for a combination of the other factors' levels."""
        return " · ".join(f.words(cell[f.name]) for f in self.others if f.name in cell) or "all runs"

    def term_label(self, term: str, residual: str = "the single run") -> str:
        """The words for a term of a model, such as "block:factor"."""
        titles = {f.name: f.title for f in self.factors} | {"residual": residual}
        return " × ".join(titles.get(part, part) for part in term.split(":"))


def read_results(folder: Path | str) -> Results:
    """Read the results directory `folder`.

    Raises:
        StudyError: the directory or what every analysis writes is missing, or a file is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such results directory; give the folder that holds analysis/")
    with damage_told(folder):
        return _read(folder)


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Around what reads results: one that is not what this version writes is one line.

    Raises:
        StudyError: it is of another version and lacks what is shown, or damaged.
    """
    try:
        yield
    except (*MALFORMED, jinja2.TemplateError) as error:
        lacks = isinstance(error, KeyError)
        what = f"has no {error}, which this version reads" if lacks else f"is damaged ({type(error).__name__}: {error})"
        raise StudyError(f"{folder}: a result file {one_line(what)}; make the results again") from error


def _read(folder: Path) -> Results:
    analysis = _file(folder, "analysis", dict, ANALYSIS)
    if analysis is None:
        raise StudyError(
            f"{folder}: found no analysis/analysis.json, which says what was analysed; run the analysis first "
            "(study analyze)"
        )
    for part, keys in (("plan", PLAN), ("outcome", OUTCOME)):
        _require(_path(folder, "analysis"), f"the {part}", analysis[part], keys)
    # A study has its whole table; of another table there are the columns that were analysed.
    runs = read_table(folder / "runs.parquet")
    if runs is None:
        runs = read_table(folder / "analysis" / "runs.parquet")
    if runs is None:
        raise StudyError(f"{folder}: found no runs.parquet; run the analysis again (study analyze)")
    design = read_json(folder / "design.json", dict) or {}
    objects = {name: _file(folder, name, dict, keys) for name, keys in OBJECTS.items()}
    if objects["verdicts"] is None:
        raise StudyError(f"{folder}: found no verdicts.json; run the analysis again (study analyze)")
    factors = _factors(design, analysis)
    return Results(
        folder=folder,
        name=str(design.get("name") or folder.resolve().name),
        question=str(objects["verdicts"]["question"]),
        short_question=str(design.get("short_question") or ""),
        factors=factors,
        control=level_key(analysis["control"]["level"]),
        block=analysis["block"],
        design=design,
        analysis=analysis,
        provenance=read_json(folder / "provenance.json", dict) or {},
        runs=runs,
        curves=read_table(folder / "curves.parquet"),
        lists={name: _file(folder, name, list, keys) or () for name, keys in LISTS.items()},
        objects={name: value for name, value in objects.items() if value is not None},
    )


def _path(folder: Path, name: str) -> Path:
    """A result lies in analysis/ of a study, or in the folder itself."""
    inner = folder / "analysis" / f"{name}.json"
    return inner if inner.exists() else folder / f"{name}.json"


def _file(folder: Path, name: str, kind: type, keys: set[str]) -> Any:
    """A result that is an object with `keys`, or a list of them; None if there is no file."""
    path = _path(folder, name)
    value = read_json(path, kind)
    if isinstance(value, list):
        for position, row in enumerate(value, start=1):
            _require(path, f"row {position}", row, keys)
    elif value is not None:
        _require(path, "the file", value, keys)
    return value


def _require(path: Path, what: str, value: object, keys: set[str]) -> None:
    lacking = keys - set(value if isinstance(value, dict) else ())
    if lacking:
        raise StudyError(f"{path}: {what} lacks {', '.join(sorted(lacking))}; remove the file and make it again")


def _factors(design: Row, analysis: Row) -> tuple[Factor, ...]:
    """The factors that were analysed, in the words of the design, and with the levels that it plans."""
    declared = {str(factor["name"]): factor for factor in design.get("factors") or ()}
    given = {name: declared.get(name) or {"levels": levels} for name, levels in analysis["factors"].items()}
    focus = analysis["control"]["factor"]
    return tuple(_factor(name, given[name]) for name in sorted(given, key=lambda name: name != focus))


def _factor(name: str, given: Row) -> Factor:
    levels = tuple(level_key(level) for level in given["levels"])
    labels = tuple(str(label) for label in given.get("labels") or [])
    if len(labels) != len(levels) or len(set(labels)) != len(labels):
        # Two levels with one label would be one row in every figure.
        labels = tuple(f"{float(level):g}" if _is_number(level) else str(level) for level in given["levels"])
    # On one line: an expression of Vega holds no line separator.
    labels = tuple(" ".join(label.split()) for label in labels)
    return Factor(name, str(given.get("title") or name), levels, labels)


def read_table(path: Path) -> pd.DataFrame | None:
    """A Parquet file; None if there is no file.

    Raises:
        StudyError: it is damaged.
    """
    if not path.exists():
        return None
    try:
        return read_frame(path)
    except StudyError as error:
        raise StudyError(f"{error}; remove it and make it again") from error


def _is_number(level: object) -> bool:
    try:
        float(str(level))
    except ValueError:
        return False
    return True
