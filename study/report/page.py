"""The report: a results directory becomes one HTML file that needs nothing else, no script either."""

import html
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from altair.utils.schemapi import debug_mode

from study import files
from study.report import pictures, summary
from study.report.explanation import Explanation
from study.report.format import plural
from study.report.parts import theme
from study.report.parts.figure import Figure
from study.report.parts.labels import ordered_labels
from study.report.results import Results, damage_told, read_results
from study.report.sections import sections
from study.report.sections.estimation import estimation
from study.report.sections.methods import cited
from study.report.sureness import sureness
from study.report.verdict import verdict

ASSETS = Path(__file__).parent / "assets"
GLOSSARY: dict[str, str] = json.loads((ASSETS / "glossary.json").read_text(encoding="utf-8"))
_TERM = re.compile(rf"\b({'|'.join(sorted(map(re.escape, GLOSSARY), key=len, reverse=True))})(s?)\b")


def build(
    results_dir: Path | str,
    out: Path | str | None = None,
    figures: Path | None = None,
    explain: Explanation | None = None,
) -> Path:
    """Write the report of `results_dir` to `out` (default: report.html in it).

    Each figure and the answer are written to the folder `figures` too, if it is given. An unfinished study has no
    figures but those on its page: apart from it they would not carry its stamp.

    Args:
        explain: what only the study's trainer knows of the results.

    Raises:
        StudyError: a result file is missing or damaged.
    """
    results = read_results(results_dir)
    target = Path(out) if out else results.folder / "report.html"
    for folder in filter(None, (target.parent, figures)):
        files.stay_inside(folder, results.folder)
    page = render(results, explain, os.path.relpath(figures / "share.png", target.parent) if figures else "")
    files.write_text(target, page.html)
    if figures is not None:
        pictures.save([] if results.interim else page.drawings, figures)
        for name, text in page.documents.items():
            files.write_text(figures / name, text)
        if page.documents and page.drawings:
            answer = results.objects["verdicts"]["headline"]
            pictures.share(results.heading, answer, page.drawings[0][1], figures)
    return target


class Page(NamedTuple):
    """The report.

    Attributes:
        html: the page.
        drawings: its figures, each with its drawing for a screen.
        documents: the answer and the methods as files, by name; empty for an unfinished study.
    """

    html: str
    drawings: list[tuple[Figure, str]]
    documents: dict[str, str]

    def _repr_html_(self) -> str:
        """The page in a notebook, on its first screen."""
        return f'<iframe srcdoc="{html.escape(self.html)}" width="100%" height="900" style="border: 0"></iframe>'


def render(results: Results, explain: Explanation | None = None, preview: str = "") -> Page:
    """The report of results that were read.

    Args:
        explain: what only the study's trainer knows of the results.
        preview: where the picture is that a link to the page is shown with, from the page; empty for none.

    Raises:
        StudyError: a result file is of another version and lacks what the page shows.
    """
    with damage_told(results.folder):
        return _render(results, explain, preview)


def _render(results: Results, explain: Explanation | None, preview: str) -> Page:
    conclusion = verdict(results)
    with debug_mode(False):  # the tests validate every specification; here it would take as long as all the rest
        parts = sections(results, conclusion, explain)
        first = estimation(results, conclusion, explain) if conclusion.arms else None
    figures = [item for part in parts for item in part.items if isinstance(item, Figure)]
    figures = figures if first is None else [first, *figures]
    drawings = {figure.key: pictures.both(figure) for figure in figures}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=jinja2.select_autoescape(("html", "j2")),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["terms"] = _terms
    methods = next((part.text for part in parts if part.key == "methods"), ())
    runs = results.runs.drop(columns=[name for name in results.runs if name == "correct_bits"])
    page = environment.get_template("template.html.j2").render(
        results=results,
        strip=_strip(results, explain),
        verdict=conclusion,
        first=first,
        sureness=sureness(results, conclusion),
        evidence=[part for part in parts if not part.appendix],
        appendix=[part for part in parts if part.appendix],
        keys={part.key for part in parts},
        works=cited(methods).values(),
        glossary=GLOSSARY,
        exploratory=bool(results.provenance.get("deviations")),
        copies=summary.copies(results, conclusion) if conclusion.arms else {},
        drawings=drawings,
        positions={label: i for i, label in enumerate(ordered_labels(results))},
        blocks=results.runs[results.block].factorize(sort=True)[1] if results.block else (),
        preview=preview if conclusion.arms and first else "",
        data=embedded(
            {
                "name": results.name,
                "unit": results.block or "run",
                "light": theme.LIGHT,
                "scale": theme.SCALE,
                "files": {"all-runs": runs.to_csv(index=False)} | {figure.key: figure.csv for figure in figures},
            }
        ),
        swatch=theme.swatch,
        is_figure=lambda item: isinstance(item, Figure),
        palette=theme.stylesheet(),
        style=(ASSETS / "style.css").read_text(encoding="utf-8"),
        script=(ASSETS / "page.js").read_text(encoding="utf-8"),
    )
    return Page(
        page,
        [(figure, drawings[figure.key][0]) for figure in figures],
        summary.documents(results, conclusion, methods) if conclusion.arms else {},
    )


def embedded(value: Any) -> str:
    """JSON that can stand inside a script element whatever text it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _terms(text: str) -> str:
    """HTML of a text in which the first mention of each word of the glossary opens its meaning, without a script."""
    numbers = {word: number for number, word in enumerate(GLOSSARY)}
    seen: set[str] = set()

    def button(found: re.Match[str]) -> str:
        if found[1] in seen:
            return found[0]
        seen.add(found[1])
        return f'<button type="button" class="term" popovertarget="term-{numbers[found[1]]}">{found[0]}</button>'

    return _TERM.sub(button, html.escape(text))


def _strip(results: Results, explain: Explanation | None) -> list[str]:
    """What the answer rests on, in a few words each."""
    counts = results.provenance.get("runs") or {}
    runs = len(results.runs)
    parts = [
        f"{counts.get('done', runs):,} of {counts['planned']:,} runs" if counts.get("planned") else f"{runs:,} runs"
    ]
    if results.block:
        blocks = plural(results.runs[results.block].nunique(), results.unit)
        parts.append(blocks if results.unit == results.block else f"{blocks} ({results.block})")
    if explain is not None:
        parts.append(explain.setting(results))
    return parts
