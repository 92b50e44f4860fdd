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
    tuned,
)
from study.report.verdict import Verdict


def sections(results: Results, verdict: Verdict, explain: Explanation | None = None) -> list[Section]:
    """The page after the verdict, the evidence first, without the sections that have nothing to show."""
    compared = bool(verdict.arms)
    found = [
        effects.section(results, verdict) if compared else runs.section(results),
        interactions.section(results, verdict) if compared else None,
        luck.section(results, verdict) if compared else None,
        tuned.section(results, verdict) if compared else None,
        planning.section(results, verdict) if compared else None,
        sequential.section(results) if compared else None,
        explain.section(results, verdict.fallen) if explain else None,
        collapse.section(results, compared),
        # From here on the appendix.
        cells.section(results),
        epochs.section(results, compared),
        methods_compared.section(results) if compared else None,
        checks.section(results) if compared else None,
        methods.section(results, explain.methods(results) if explain else ()),
        provenance.section(results),
    ]
    return [section for section in found if section is not None]
