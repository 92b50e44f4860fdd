"""The answer to take along: as text, as a table in Markdown and LaTeX, and the study as a reference."""

import re
import unicodedata
from collections.abc import Sequence

from study.report.results import Results
from study.report.sections.methods import cited
from study.report.verdict import Arm, Verdict

_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    character: f"\\{character}" for character in "&%$#_{}"
}
_SYMBOLS = {"−": "$-$", "±": r"$\pm$", "→": r"$\rightarrow$", "\u202f": r"\,", "\u2009": r"\,", "–": "--"}


def copies(results: Results, verdict: Verdict) -> dict[str, str]:
    """What the page's buttons copy, by the words on them."""
    return {
        "Sentence": sentence(results, verdict),
        "Reply": reply(results, verdict),
        "Markdown": markdown(results, verdict),
        "LaTeX": latex(results, verdict),
        "BibTeX": bibtex(results),
    }


def documents(results: Results, verdict: Verdict, methods: Sequence[str]) -> dict[str, str]:
    """The answer and the methods as files, by name; `methods` are the paragraphs of the page."""
    answers = "".join(f"**{row['question']}** {row['answer']}\n\n" for row in verdict.answers)
    text = f"# {results.question}\n\n{verdict.headline}\n\n{markdown(results, verdict)}\n{answers}"
    return {
        "summary.md": text,
        "summary.tex": latex(results, verdict),
        "methods.md": "\n\n".join(paragraph for paragraph in methods if paragraph) + "\n",
        "references.bib": "".join(_entry(*work) for work in cited(methods).items()) + bibtex(results),
    }


def sentence(results: Results, verdict: Verdict) -> str:
    return f"{results.question} {verdict.headline}"


def reply(results: Results, verdict: Verdict) -> str:
    """Question, answer and the six answers in brief: eight lines of plain text."""
    rows = [f"- {row['question']} {row['brief']}" for row in verdict.answers]
    return "\n".join([results.question, verdict.headline, *rows]) + "\n"


def markdown(results: Results, verdict: Verdict) -> str:
    """The table of findings."""
    rows = [_headings(results), tuple("---" for _ in _headings(results)), *map(_row, verdict.arms)]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |\n" for row in rows)


def latex(results: Results, verdict: Verdict) -> str:
    """The table of findings for booktabs."""
    head, *body = (" & ".join(map(_tex, row)) + r" \\" for row in (_headings(results), *map(_row, verdict.arms)))
    lines = [rf"\begin{{tabular}}{{{'l' * len(_headings(results))}}}", r"\toprule", head, r"\midrule", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def bibtex(results: Results) -> str:
    """The study as an entry of its own."""
    last = str((results.provenance.get("cost") or {}).get("last_record") or "")
    digest = str(results.design.get("plan_digest") or "")
    entry = {
        "title": f"{{{_tex(results.question)}}}",
        "year": last[:4],
        "note": _tex(f"Study {results.name}, {len(results.runs):,} runs{f', plan {digest}' if digest else ''}"),
    }
    fields = "".join(f"  {name} = {{{value}}},\n" for name, value in entry.items() if value)
    return f"@misc{{{re.sub(r'[^A-Za-z0-9-]', '-', results.name)},\n{fields}}}\n"


def _entry(citation: str, work: str) -> str:
    """A work that the methods cite; its fields are for whoever keeps a bibliography to complete."""
    key = re.sub(r"[^A-Za-z0-9]", "", unicodedata.normalize("NFKD", citation))
    return f"@misc{{{key},\n  note = {{{_tex(work)}}},\n}}\n\n"


def _headings(results: Results) -> tuple[str, ...]:
    interval = f"Difference ({results.level} interval)"
    return (results.focus.title, "Mean (lowest to highest run)", interval, "Failed", "Conclusion", "Certainty")


def _row(arm: Arm) -> tuple[str, ...]:
    mean = f"{arm.mean} ({arm.runs})" if arm.runs else arm.mean
    difference = f"{arm.difference} ({arm.interval or 'no interval'})" if arm.difference else ""
    cells = (arm.name, mean, difference, arm.failed or "none", arm.label, arm.certainty)
    return tuple(cell or "–" for cell in cells)


def _tex(text: str) -> str:
    return "".join({**_TEX, **_SYMBOLS}.get(character, character) for character in text)
