"""The report: a results directory becomes one HTML file that needs nothing else."""

import functools
from collections.abc import Iterable
from pathlib import Path

import jinja2
import vl_convert
from altair.utils.schemapi import debug_mode

from study import files
from study.errors import StudyError
from study.report import pictures
from study.report.explanation import Explanation
from study.report.parts import theme
from study.report.parts.figure import Figure
from study.report.parts.labels import ordered_labels
from study.report.parts.section import Section
from study.report.payload import embedded, payload
from study.report.results import Results, read_results
from study.report.sections import sections
from study.report.sections.methods import cited
from study.report.sureness import sureness
from study.report.verdict import Verdict, verdict

ASSETS = Path(__file__).parent / "assets"


def build(
    results_dir: Path | str,
    out: Path | str | None = None,
    figures: Path | None = None,
    explain: Explanation | None = None,
) -> Path:
    """Write the report of `results_dir` to `out` (default: report.html in it), and each figure as a file to `figures`.

    An unfinished study has no figures but those on its page: apart from it they would not carry its stamp.

    Args:
        explain: what only the study's trainer knows of the results.

    Raises:
        StudyError: a result file is missing or damaged.
    """
    results = read_results(results_dir)
    target = Path(out) if out else results.folder / "report.html"
    conclusion, parts = _content(results, explain)
    files.write_text(target, _page(results, conclusion, parts))
    if figures is not None:
        pictures.save([] if results.interim else _figures(parts), figures)
    return target


def render(results: Results, explain: Explanation | None = None) -> str:
    """The page as HTML.

    Raises:
        StudyError: a result file is of another version and lacks what the page shows.
    """
    return _page(results, *_content(results, explain))


def _content(results: Results, explain: Explanation | None) -> tuple[Verdict, list[Section]]:
    try:
        conclusion = verdict(results, explain)
        with debug_mode(False):  # the tests validate every specification; here it would take as long as all the rest
            return conclusion, sections(results, conclusion, explain)
    except KeyError as error:
        raise StudyError(
            f"{results.folder}: a result file has no {error}, which this version reads; make the results again"
        ) from error


def _figures(parts: Iterable[Section]) -> list[Figure]:
    return [item for part in parts for item in part.items if isinstance(item, Figure)]


def _page(results: Results, conclusion: Verdict, parts: list[Section]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=jinja2.select_autoescape(("html", "j2")),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("template.html.j2").render(
        results=results,
        verdict=conclusion,
        sureness=sureness(results, conclusion),
        sections=parts,
        works=cited(paragraph for part in parts if part.key == "methods" for paragraph in part.text),
        positions={label: i for i, label in enumerate(ordered_labels(results))},
        blocks=results.runs[results.block].factorize(sort=True)[1] if results.block else (),
        data=embedded(payload(results, _figures(parts))),
        swatch=theme.swatch,
        is_figure=lambda item: isinstance(item, Figure),
        palette=theme.stylesheet(),
        style=(ASSETS / "style.css").read_text(encoding="utf-8"),
        script=(ASSETS / "page.js").read_text(encoding="utf-8"),
        library=library(),
    )


@functools.cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
