"""What was done, in sentences, from the design that was run and the results that are there."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from study.report.format import listing, plural
from study.report.parts.section import Section, made
from study.report.results import Results

ASSETS = Path(__file__).parents[1] / "assets"


def section(results: Results, more: Sequence[str]) -> Section | None:
    """The paragraphs; `more` are those of the study's trainer, told after the design."""
    primary = (_outcome(results), _inference(results), _collapse(results), _absent(results))
    return made("methods", "Methods", (), (_design(results), *more, *primary, *_further(results)), appendix=True)


def cited(paragraphs: Iterable[str]) -> dict[str, str]:
    """The works that the paragraphs cite, by their citation, in the order of the alphabet."""
    text = " ".join(paragraphs)
    works: dict[str, str] = json.loads((ASSETS / "references.json").read_text(encoding="utf-8"))
    return {citation: work for citation, work in works.items() if citation in text}


def _further(results: Results) -> list[str]:
    """A sentence for each result besides the primary comparison, a paragraph a subject."""
    there = {name for name, rows in results.lists.items() if rows} | set(results.objects)
    subjects: list[dict[str, str]] = json.loads((ASSETS / "methods.json").read_text(encoding="utf-8"))
    return [
        " ".join(text.format(block=results.unit) for name, text in subject.items() if name in there)
        for subject in subjects
    ]


def _design(results: Results) -> str:
    factors = [f"{factor.title} ({', '.join(factor.labels)})" for factor in results.factors]
    text = f"{'A full factorial design of ' if len(factors) > 1 else 'One factor, '}{listing(factors)}"
    planned = len(results.design.get("seeds") or ())
    if results.sequential is not None:
        text += f", sequential: at most {plural(results.sequential['budget'], results.unit)} in every cell."
    else:
        repeated = results.unit if results.block else "repetition"
        text += f", with {plural(planned, repeated)} in every cell." if planned else "."
    if results.block:
        text += (
            f" All cells of one {results.unit} share what it decides, so the {results.unit} is a block and "
            "differences are taken within it."
        )
    return text


def _outcome(results: Results) -> str:
    response = results.response
    if results.counts:
        return (
            f"The outcome is the {response.name}, successes of {results.trials:,} trials a run. It is analysed in "
            "percentage points and as log odds of error, log((n − k + ½) / (k + ½)) for k of n (Haldane 1956; Anscombe "
            "1956). Every run counts as it scored, diverged ones too."
        )
    unit = f", in {response.unit}" if response.unit else ""
    text = f"The outcome is the {response.name}{unit}; {response.toward('higher', 'lower')}."
    lost = sum(row["diverged"] for row in results.cells)
    if lost:
        text += f" {plural(lost, 'run')} diverged: counted as failed, and in no mean."
    return text


def _inference(results: Results) -> str:
    if not results.contrasts:
        return ""
    compared = f"Each arm is compared with {results.arm(results.control)}"
    if results.others:
        compared += ", averaged over the other factors with equal weights"
    if results.sequential is not None:
        return (
            f"{compared}, by sequential t tests of the {results.unit}s' differences: e-processes with a half-normal "
            "mixture over positive and over negative effects, and their confidence sequences (Robbins 1970; Lai 1976; "
            "Wang and Ramdas 2024). They hold at any number of looks; the level is shared over the arms (Bonferroni)."
            + _labels(results)
        )
    errors = (
        f"errors robust to the likeness of runs of one {results.unit} (CR2: Bell and McCaffrey 2002; Satterthwaite's "
        "degrees of freedom: Pustejovsky and Tipton 2018)"
        if results.block
        else "a variance of its own for each cell (Welch 1947)"
    )
    text = f"{compared}, with {errors}."
    if results.block:
        text += (
            f" Where runs are missing, the {results.unit}s are effects of the model, so that each is compared with "
            "itself."
        )
    if len(results.arms) > 1:
        text += (
            " Intervals and p values hold for all arms at once, by the largest of correlated t statistics (max-T: "
            "Hothorn, Bretz and Westfall 2008), each with a standard error of its own."
        )
    return text + _labels(results)


def _labels(results: Results) -> str:
    """What the labels mean."""
    fails = " An arm whose runs fail more often than the control's is labelled so, whatever its mean."
    if not results.margin:
        return f" The interval decides the label: better or worse, if it excludes 0; inconclusive otherwise.{fails}"
    margin = results.response.margin(results.margin)
    return (
        f" A difference matters from the margin of {margin} on. The interval alone decides the label, by the logic of "
        "Schuirmann (1987): better or worse, if it excludes 0; by more than the margin, if it lies beyond it; "
        "negligible, if it lies inside the margin; equivalent, if it lies inside and holds 0; inconclusive otherwise. "
        "“Depends on” replaces the label where the intervals at two levels of another factor lie on different sides of "
        f"0.{fails}"
    )


def _collapse(results: Results) -> str:
    if results.collapse is None:
        return ""
    bound = results.response.beyond(results.collapse["threshold"])
    exact = "Shares have exact intervals (Clopper and Pearson 1934)."
    return f"A run has collapsed if it {f'ends{bound} or ' if bound else ''}diverges. {exact}"


def _absent(results: Results) -> str:
    reasons = [f"{name}: {reason}" for name, reason in (results.analysis.get("absent") or {}).items()]
    return f"Not computed: {'; '.join(reasons)}" if reasons else ""
