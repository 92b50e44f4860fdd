"""`verdicts.json`: what is concluded, for machines and for the page. docs/analysis-files.md describes it."""

from collections.abc import Mapping
from typing import Any

from study.analysis.about import About
from study.analysis.advice import advice
from study.analysis.answers import answers, without_conclusion
from study.analysis.briefs import headline
from study.analysis.verdict import arms, side
from study.analysis.words import Words
from study.design.response import AnalysisSpec
from study.report.format import Response
from study.stats.table import RunTable

SCHEMA = 1


def verdicts(
    everything: RunTable, spec: AnalysisSpec, results: Mapping[str, Any], about: About, reason: str = ""
) -> dict[str, Any]:
    """All that is concluded of a table of runs.

    Args:
        everything: all runs, those that diverged too.
        results: by name, as plain values.
        reason: why nothing is inferred, where that is so.
    """
    stamp = about.stamp or reason
    control = {"level": everything.control, **side(everything, spec, everything.control)}
    head = {
        "schema": SCHEMA,
        "study": about.study,
        "question": about.question or f"Does {about.titles.get(everything.focus, everything.focus)} make a difference?",
        "stamp": stamp,
        "decides": {
            "scale": everything.scale,
            "unit": "pp" if everything.counts else spec.unit,
            "level": 1 - spec.alpha,
            "margin": spec.margin,
            "better": spec.better,
            "blocks": None if everything.block is None else int(everything.frame[everything.block].nunique()),
        },
        "control": control,
    }
    if stamp:
        return head | {"headline": stamp, "arms": [], "answers": without_conclusion(stamp)}
    found = arms(everything, spec, results, about.deviations)
    outcome = results["analysis"]["outcome"]
    response = Response.of(outcome, spec.margin, [row["estimate"] for row in results["contrasts"]])
    words = Words(everything, spec, about, response, results, control)
    found = [arm | {"advice": advice(words, arm).text} for arm in found]
    return head | {"headline": headline(words, found), "arms": found, "answers": answers(words, found)}
