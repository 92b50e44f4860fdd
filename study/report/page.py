"""The report: a results directory becomes one HTML file that needs nothing else."""

import functools
import json
from pathlib import Path

import jinja2
import vl_convert
from altair.utils.schemapi import debug_mode

from study import files
from study.errors import StudyError
from study.report import theme, words
from study.report.charts import effects
from study.report.charts.figure import Figure
from study.report.charts.labels import ordered_labels
from study.report.payload import embedded, payload, records
from study.report.results import Results, read_results
from study.report.sections import sections
from study.report.verdict import verdict

TEMPLATES = Path(__file__).resolve().parents[2] / "report"
PICTURE_WIDTH = 560
"""Width of an exported panel in pixels; PNG files have twice as many."""


def build(results_dir: Path | str, out: Path | str | None = None) -> Path:
    """Write the report of `results_dir` to `out` (default: report.html in it) and the main figure to its figures/.

    Raises:
        StudyError: a result file is missing or damaged.
    """
    results = read_results(results_dir)
    target = Path(out) if out else results.folder / "report.html"
    files.write_text(target, render(results))
    save_pictures(results)
    return target


def render(results: Results) -> str:
    """The page as HTML.

    Raises:
        StudyError: a result file is of another version and lacks what the page shows.
    """
    try:
        conclusion = verdict(results)
        with debug_mode(False):  # the tests validate every specification; here it would take as long as all the rest
            parts = sections(results, conclusion)
    except KeyError as error:
        raise StudyError(
            f"{results.folder}: a result file has no {error}, which this version reads; make the results again"
        ) from error
    figures = [item for part in parts for item in part.items if isinstance(item, Figure)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(("html", "j2")),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("template.html.j2").render(
        results=results,
        verdict=conclusion,
        sureness=words.sureness(results, conclusion),
        sections=parts,
        positions={label: i for i, label in enumerate(ordered_labels(results))},
        blocks=_blocks(results),
        data=embedded(payload(results, figures)),
        symbol=theme.symbol_svg,
        shape=theme.shape_svg,
        is_figure=lambda item: isinstance(item, Figure),
        palette=theme.stylesheet(),
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "page.js").read_text(encoding="utf-8"),
        library=library(),
    )


def save_pictures(results: Results) -> None:
    """The main figure as SVG and PNG under figures/, for papers and slides."""
    figure = effects.overall(results)
    if figure is None or results.interim:
        return
    for position, panel in enumerate(next(iter(figure.variants.values()))):
        spec = json.loads(json.dumps(panel.spec))
        spec["datasets"] = spec.get("datasets", {}) | {n: records(table) for n, table in figure.data.items()}
        spec["width"], spec["config"] = PICTURE_WIDTH, theme.export_config()
        for parameter in spec.get("params", []):
            if parameter["name"] == "room":
                parameter["value"] = PICTURE_WIDTH - panel.reserve
        name = figure.key if position == 0 else f"{figure.key}-{position + 1}"
        folder = results.folder / "figures"
        files.write_text(folder / f"{name}.svg", vl_convert.vegalite_to_svg(spec))
        with files.replacing(folder / f"{name}.png") as temporary:
            temporary.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))


@functools.cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def _blocks(results: Results) -> list[str]:
    """The names of the blocks, in order."""
    if results.runs is None or results.block not in results.runs:
        return []
    values = results.runs[results.block].unique().tolist()
    return [str(value) for value in sorted(values, key=lambda v: (isinstance(v, str), v))]
