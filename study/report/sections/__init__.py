"""The page's sections, a module each: its figures, its tables and its sentences, in one public function."""

from study.report.explanation import Explanation
from study.report.parts.section import Section
from study.report.results import Results
from study.report.sections import (
    cells,
    checks,
    collapse,
    effects,
    epochs,
    interactions,
    luck,
    methods,
    methods_compared,
    planning,
    provenance,
    runs,
    sequential,
)
from study.report.verdict import Verdict


def sections(results: Results, verdict: Verdict, explain: Explanation | None = None) -> list[Section]:
    """The page after the verdict, in reading order, without the sections that have nothing to show."""
    found = [
        effects.section(results, verdict),
        sequential.section(results, verdict),
        luck.section(results, verdict),
        runs.section(results, verdict),
        explain.section(results) if explain else None,
        epochs.section(results, verdict),
        interactions.section(results, verdict),
        methods_compared.section(results, verdict),
        collapse.section(results, verdict),
        cells.section(results, verdict),
        checks.section(results, verdict),
        planning.section(results, verdict),
        methods.section(results, explain.methods(results) if explain else ()),
        provenance.section(results, verdict),
    ]
    return [section for section in found if section is not None]
