"""The report: a results directory becomes one HTML file that needs nothing else."""

import functools
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
from study.report.payload import embedded, payload
from study.report.results import Results, read_results
from study.report.sections import sections
from study.report.sections.methods import cited
from study.report.sureness import sureness
from study.report.verdict import verdict

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
    page, drawn = render(results, explain)
    target = Path(out) if out else results.folder / "report.html"
    files.write_text(target, page)
    if figures is not None:
        pictures.save([] if results.interim else drawn, figures)
    return target


def render(results: Results, explain: Explanation | None = None) -> tuple[str, list[Figure]]:
    """The page as HTML, and its figures.

    Raises:
        StudyError: a result file is of another version and lacks what the page shows.
    """
    try:
        conclusion = verdict(results)
        with debug_mode(False):  # the tests validate every specification; here it would take as long as all the rest
            parts = sections(results, conclusion, explain)
    except KeyError as error:
        raise StudyError(
            f"{results.folder}: a result file has no {error}, which this version reads; make the results again"
        ) from error
    figures = [item for part in parts for item in part.items if isinstance(item, Figure)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=jinja2.select_autoescape(("html", "j2")),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("template.html.j2").render(
        results=results,
        verdict=conclusion,
        sureness=sureness(results, conclusion),
        sections=parts,
        keys={part.key for part in parts},
        works=cited(paragraph for part in parts if part.key == "methods" for paragraph in part.text),
        positions={label: i for i, label in enumerate(ordered_labels(results))},
        blocks=results.runs[results.block].factorize(sort=True)[1] if results.block else (),
        data=embedded(payload(results, figures)),
        swatch=theme.swatch,
        is_figure=lambda item: isinstance(item, Figure),
        palette=theme.stylesheet(),
        style=(ASSETS / "style.css").read_text(encoding="utf-8"),
        script=(ASSETS / "page.js").read_text(encoding="utf-8"),
        library=library(),
    )
    return page, figures


@functools.cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
