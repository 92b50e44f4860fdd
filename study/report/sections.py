"""The page's sections: which figure and which table answers which question."""

from dataclasses import dataclass
from typing import Any

from study.report import findings, words
from study.report.charts import checks, collapse, curves, effects, interactions, luck, mechanism, methods, runs
from study.report.charts import sequential as sequential_charts
from study.report.charts.figure import Figure
from study.report.methods import further
from study.report.results import Results
from study.report.tables import inference
from study.report.tables import sequential as sequential_tables
from study.report.tables import study as study_tables
from study.report.tables.table import Table
from study.report.verdict import Verdict


@dataclass(frozen=True)
class Section:
    """A part of the page; it is left out when it has nothing to show."""

    key: str
    title: str
    text: tuple[str, ...] = ()
    items: tuple[Figure | Table, ...] = ()


def sections(results: Results, conclusion: Verdict) -> list[Section]:
    """The page after the verdict, in reading order, without the sections that have nothing to show."""
    inferred = _inferred(results, conclusion)
    why = [mechanism.scores(results), mechanism.gap(results), curves.learning_curves(results)]
    counted = [collapse.collapse_rates(results), study_tables.collapsed(results)]
    made = [study_tables.provenance(results), study_tables.cost(results)]
    found = [
        inferred["effects"],
        inferred["sequential"],
        inferred["luck"],
        Section("runs", "Every run", (), _kept(runs.every_run(results))),
        Section(
            "why",
            "Why" if results.mechanism else "Over the epochs",
            _causes(conclusion),
            _kept(*why, *inferred["why"].items),
        ),
        inferred["interactions"],
        inferred["methods-compared"],
        Section("collapse", "Collapse", findings.collapse(results), _kept(*counted, *inferred["collapse"].items)),
        Section("cells", "All cells in numbers", (), _kept(study_tables.cells(results))),
        inferred["checks"],
        inferred["planning"],
        Section("methods", "Methods", _methods(results)),
        Section("provenance", "Provenance and cost", (), _kept(*made)),
    ]
    return [section for section in found if section.items or section.text]


def _inferred(results: Results, conclusion: Verdict) -> dict[str, Section]:
    """The sections that infer; empty while the verdict concludes nothing."""
    parts = [
        Section(
            "effects",
            "How large is the difference?",
            (),
            _kept(
                effects.overall(results),
                effects.by_cell(results),
                inference.scopes(results),
                effects.tuned(results),
                inference.choices(results),
            ),
        ),
        Section(
            "sequential",
            "When was it settled?",
            words.sequential(results),
            _kept(sequential_charts.path(results), sequential_tables.settled(results)),
        ),
        Section(
            "luck",
            "Was it luck?",
            (*words.luck(results, conclusion), *findings.enough(results, conclusion)),
            _kept(
                luck.wrong_way(results),
                inference.luck(results),
                luck.spread(results),
                luck.variance_shares(results),
                luck.best_of_k(results),
            ),
        ),
        Section("why", "", (), _kept(curves.difference_by_epoch(results))),
        Section(
            "interactions",
            "Does it depend on the other factors?",
            (),
            _kept(*interactions.interactions(results), inference.interactions(results), inference.anova(results)),
        ),
        Section(
            "methods-compared",
            "Does the answer depend on the method?",
            words.robustness(results),
            _kept(methods.specification(results), *inference.mixed(results), inference.ranks(results)),
        ),
        Section("collapse", "", (), _kept(study_tables.collapse_tests(results))),
        Section(
            "checks",
            "Checks",
            findings.checks(results),
            _kept(
                inference.checks(results),
                checks.quantiles(results),
                checks.influence(results),
                study_tables.missing(results),
                study_tables.negative_control(results),
            ),
        ),
        Section("planning", "How many are enough?", words.planning(results), _kept(checks.power(results))),
    ]
    if not conclusion.arms:
        parts = [Section(part.key, part.title) for part in parts]
    return {part.key: part for part in parts}


def _methods(results: Results) -> tuple[str, ...]:
    return (*words.methods(results), *further(results))


def _causes(conclusion: Verdict) -> tuple[str, ...]:
    return tuple(f"{arm.name}: {arm.cause}" for arm in conclusion.arms if arm.cause)


def _kept(*items: Any) -> tuple[Any, ...]:
    return tuple(item for item in items if item is not None)
