"""The page: whole, self-contained, safe, and honest about what it is given."""

import html
import itertools
import json
import math
import re
import shutil
import struct
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pytest
import vl_convert

from study.cli import main
from study.errors import StudyError
from study.report import format as text
from study.report.page import build, embedded, render
from study.report.parts import theme
from study.report.parts.axes import effect_axis, error_axis, ratio_ticks, whole_ticks
from study.report.parts.figure import NARROW, Figure, laid_out
from study.report.pictures import both
from study.report.results import Factor, read_results
from study.report.sections import Section, sections
from study.report.sections.estimation import estimation
from study.report.sections.methods import cited
from study.report.verdict import verdict
from study.trainers.mnist.explanation import MnistExplanation
from study.words import level_key
from tests.report_fixture import ARMS, Arm, Scenario, write_results

SMALL = Scenario(seeds=5, epochs=4, lr=(1e-3,))
HOSTILE = Scenario(
    arms=(
        Arm("none", "<script>alert(1)</script>"),
        Arm("</script>", '</script><img src=x onerror="alert(2)">', gain=0.2, decay=0.9),
        Arm("a.b['c']", "{{ 7 * 7 }} & \u2028 \\u003c", gain=0.2, decay=0.999),
    ),
    seeds=4,
    epochs=3,
    lr=(1e-3,),
    name="<b>name</b>",
    question="<script>alert(3)</script>?",
    title="<i>title</i>",
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results") / "small", SMALL)


@pytest.fixture(scope="module")
def small_page(small: Path) -> str:
    return shown(small)


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """The small results, to be damaged."""
    return shutil.copytree(small, tmp_path / "copy")


class Elements(HTMLParser):
    """The start tags of a page, outside of scripts."""

    def __init__(self, page_: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page_)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def shown(folder: Path) -> str:
    """The page of the built-in trainer's results."""
    return render(read_results(folder), MnistExplanation(folder))[0]


def parts(folder: Path) -> dict[str, Section]:
    """The sections of that page, by key."""
    results, explain = read_results(folder), MnistExplanation(folder)
    return {part.key: part for part in sections(results, verdict(results), explain)}


def figures(folder: Path) -> dict[str, Figure]:
    """The figures of that page, by key."""
    results, explain = read_results(folder), MnistExplanation(folder)
    items = [item for part in parts(folder).values() for item in part.items]
    items.append(estimation(results, verdict(results), explain))
    return {item.key: item for item in items if isinstance(item, Figure)}


def payload(page_: str) -> dict:
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', page_, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_the_page_names_nothing_outside_of_itself(small_page: str) -> None:
    for tag, attributes in Elements(small_page).found:
        assert tag not in {"link", "iframe", "object", "embed"}
        assert attributes.get("src") is None
        assert (attributes.get("href") or "#").startswith("#")
    style = re.search(r"<style>(.*?)</style>", small_page, re.DOTALL)
    assert style
    assert "url(" not in style.group(1)
    assert "@import" not in style.group(1)


def test_every_figure_is_there_without_a_script_for_a_screen_and_for_a_phone(small: Path, small_page: str) -> None:
    without = re.sub(r"<script.*?</script>", "", small_page, flags=re.DOTALL)
    for key in figures(small):
        block = re.search(rf'<figure id="figure-{key}".*?</figure>', without, re.DOTALL)
        assert block
        assert [float(width) for width in re.findall(r'<svg[^>]* width="([\d.]+)"', block[0])][1] <= NARROW + 10
        assert block[0].count("<svg") == 2


def test_headings_are_in_order_and_every_link_has_its_target(small_page: str) -> None:
    elements = Elements(small_page).found
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in elements if tag == "a" and a.get("href")} <= set(ids)


def test_table_headers_carry_a_scope(small_page: str) -> None:
    assert all(attributes.get("scope") for tag, attributes in Elements(small_page).found if tag == "th")


def test_every_figure_has_numbers_in_words_and_titled_axes(small: Path) -> None:
    found = figures(small)
    assert set(found) >= {"effects", "runs", "scores", "statistics-gap", "curves", "collapse"}
    for figure in found.values():
        assert re.search(r"\d", figure.alternative), figure.key
        assert figure.caption
        for channel in ("x", "y"):
            assert titled(figure.plot.spec, channel), (figure.key, channel)


def titled(spec: dict, channel: str) -> bool:
    """Whether an axis of the channel, if any is drawn, has a title."""
    if "spec" in spec:
        return titled(spec["spec"], channel)
    if "hconcat" in spec:
        return all(titled(part, channel) for part in spec["hconcat"])
    definitions = [layer.get("encoding", {}).get(channel, {}) for layer in spec.get("layer", [spec])]
    drawn = [d for d in definitions if "field" in d and d.get("axis", {}) is not None and not words(d.get("axis", {}))]
    return not drawn or any(d.get("title") for d in drawn)


def words(axis: dict) -> bool:
    """Whether an axis is a column of names or numbers beside a plot, see `marks.row_column`."""
    return axis.get("labelExpr", "").startswith("named ? '' : {")


def test_every_specification_is_valid_and_compiles(small: Path) -> None:
    for figure in figures(small).values():
        data = {name: json.loads(table.head(20).to_json(orient="records")) for name, table in figure.data.items()}
        for width in (figure.plot.wide, NARROW):
            spec = laid_out(figure.plot, width)
            spec["datasets"] = spec.get("datasets", {}) | data
            alt.Chart.from_dict(spec, validate=True)
            vl_convert.vegalite_to_vega(spec)


def test_no_raw_factor_code_stands_where_a_word_is_known(small_page: str) -> None:
    visible = re.sub(r"<(script|style).*?</\1>", "", small_page, flags=re.DOTALL)
    words = re.sub(r"<[^>]*>", " ", visible)
    assert not re.search(r"contrib_stale|\bnan\b|\bNone\b|seed:bn|\bundefined\b", words)


def test_text_from_the_study_is_shown_and_never_run(tmp_path: Path) -> None:
    page_ = shown(write_results(tmp_path / "hostile", HOSTILE))
    elements = Elements(page_).found
    assert [tag for tag, _ in elements].count("script") == 2
    assert not [tag for tag, _ in elements if tag in {"img", "b", "i"}]
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    data = payload(page_)
    assert '</script><img src=x onerror=""alert(2)"">' in data["files"]["effects"]
    assert "{{ 7 * 7 }}" in page_


def test_embedded_json_can_end_no_script_and_start_no_comment() -> None:
    value = {"</script>": ["<!--", "\u2028", "&amp;", "]]>"]}
    text_ = embedded(value)
    assert not re.search(r"[<>&\u2028]", text_)
    assert json.loads(text_) == value


def test_an_unfinished_study_is_stamped_and_infers_nothing(tmp_path: Path) -> None:
    page_ = shown(write_results(tmp_path / "interim", replace(SMALL, done=3)))
    assert "INTERIM 30 of 50 runs." in page_
    keys = set(payload(page_)["files"])
    assert {"runs", "curves", "scores"} <= keys
    assert not keys & {"effects", "effects-by-cell", "specification", "wrong-way", "power", "interaction-1"}
    assert "Does it help?" not in re.sub(r"<section id=\"methods\".*?</section>", "", page_, flags=re.DOTALL)


def test_the_study_without_optional_files_is_a_page_without_their_sections(copy: Path) -> None:
    for path in (copy / "analysis").glob("*.json"):
        if path.stem not in {"analysis", "verdicts", "contrasts", "cells"}:
            path.unlink()
    for name in ("mechanism.json", "provenance.json", "curves.parquet", "statistics_gap.parquet", "runs.parquet"):
        (copy / name).unlink()
    page_ = render(read_results(copy)).html
    assert set(payload(page_)["files"]) == {"effects", "runs", "all-runs"}


def test_a_table_of_any_study_needs_no_design_and_no_word_about_bn(tmp_path: Path) -> None:
    table = pd.DataFrame(
        [
            {"method": method, "size": size, "subject": subject, "score": 10.0 + bonus + subject % 3 + 0.1 * size}
            for method, bonus in (("old", 0.0), ("new", 2.0))
            for size in (1, 2)
            for subject in range(6)
        ]
    )
    table["score"] += table.index % 5 * 0.01
    table.to_csv(tmp_path / "table.csv", index=False)
    arguments = [
        "analyze",
        str(tmp_path / "table.csv"),
        "--response",
        "score",
        "--factor",
        "method",
        "--factor",
        "size",
    ]
    assert main([*arguments, "--block", "subject", "--control", "method=old", "--out", str(tmp_path / "out")]) == 0
    assert main(["report", str(tmp_path / "out")]) == 0
    page_ = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    visible = re.sub(r"<(script|style).*?</\1>", "", page_, flags=re.DOTALL)
    assert "Does method make a difference?" in visible
    assert "Better than “old”" in visible
    assert not re.search(r"batch|moving|normalis|accuracy|\bBN\b|\bpp\b", visible)


def test_every_figure_is_saved_as_svg_and_png_of_publication_size(copy: Path) -> None:
    stale = copy / "figures" / "of-an-older-report.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>")
    build(copy, figures=copy / "figures", explain=MnistExplanation(copy))
    keys = set(figures(copy))
    assert {path.name for path in (copy / "figures").iterdir()} == {
        *(f"{k}.{kind}" for k in keys for kind in ("svg", "png", "csv")),
        "summary.md",
        "summary.tex",
        "methods.md",
        "references.bib",
        "share.png",
    }
    shared = (copy / "figures" / "share.png").read_bytes()
    assert struct.unpack(">II", shared[16:24]) == (1200, 630)
    found = json.loads((copy / "analysis" / "verdicts.json").read_text(encoding="utf-8"))
    told = (copy / "figures" / "summary.md").read_text(encoding="utf-8")
    assert all(row["answer"] in told for row in found["answers"])
    methods = (copy / "figures" / "methods.md").read_text(encoding="utf-8")
    entries = (copy / "figures" / "references.bib").read_text(encoding="utf-8")
    assert len(re.findall(r"^@misc\{\w", entries, re.MULTILINE)) == 1 + len(cited([methods])) > 10
    assert entries.count("{") == entries.count("}")
    for key in keys:
        svg = (copy / "figures" / f"{key}.svg").read_text(encoding="utf-8")
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "var(--" not in svg
        content = (copy / "figures" / f"{key}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        # The width stands in the header; one plot fills a journal's column of 9 cm at 300 dots an inch.
        assert struct.unpack(">I", content[16:20])[0] > 9 / 2.54 * 300, key


def test_a_drawing_names_its_arms_and_cells_as_they_are(small: Path) -> None:
    """Rounding where marks are may round no text."""
    results = read_results(small)
    found = figures(small)
    for svg in both(found["curves"]):
        words = re.sub(r"<[^>]*>", "\n", svg)
        for level in results.focus.levels:
            assert results.arm(level) in words
        assert "validation accuracy" in words
    svg, _ = both(found["runs"])
    tips = re.findall(r'data-tip="([^"]*)"', svg)
    assert len(tips) == len(results.runs)
    assert any("tutorial (decay 0.9)" in tip and "dropout rate 0.3" in tip for tip in tips)
    assert max(len(digits) for digits in re.findall(r' transform="[^"]*?\.(\d+)', svg)) <= 2


def test_what_differs_between_cells_is_not_told_of_the_study(small: Path) -> None:
    results, explain = read_results(small), MnistExplanation(small)
    assert explain.setting(results) == "asker network, 4 epochs"
    longer = replace(results, factors=(*results.factors, Factor("epochs", "epochs", ("4", "8"), ("4", "8"))))
    assert explain.setting(longer) == "asker network"
    assert "for the epochs of its cell in batches" in explain.methods(longer)[0]


def test_a_notebook_shows_the_page_itself(small: Path) -> None:
    page = render(read_results(small), MnistExplanation(small))
    ((tag, attributes),) = Elements(page._repr_html_()).found
    assert tag == "iframe"
    assert attributes["srcdoc"] == page.html


def test_what_can_be_copied_holds_the_answer(small: Path, small_page: str) -> None:
    found = json.loads((small / "analysis" / "verdicts.json").read_text(encoding="utf-8"))
    texts = {
        html.unescape(name): html.unescape(text)
        for text, name in re.findall(r'data-copy="([^"]*)">(\w+)</button>', small_page)
    }
    assert set(texts) == {"Sentence", "Reply", "Markdown", "LaTeX", "BibTeX"}
    assert texts["Sentence"] == f"{found['question']} {found['headline']}"
    assert len(texts["Reply"].splitlines()) == 8
    assert all(row["brief"] in texts["Reply"] for row in found["answers"])
    rows = texts["Markdown"].splitlines()
    assert len(rows) == 2 + 1 + len(found["arms"])
    assert len({row.count("|") for row in rows}) == 1
    assert all(arm["label"] in row for arm, row in zip(found["arms"], rows[3:], strict=True))
    assert texts["LaTeX"].count(r"\\") == 2 + len(found["arms"])
    assert not re.search(r"(?<!\\)[%#_]", texts["LaTeX"])
    assert texts["BibTeX"].startswith("@misc{")


def test_every_work_that_the_methods_cite_is_listed_and_no_other(small: Path, small_page: str, tmp_path: Path) -> None:
    sequential = write_results(tmp_path, replace(SMALL, seeds=6, looks=(4, 6)))
    for folder, page_, least in ((small, small_page, 20), (sequential, shown(sequential), 20)):
        text_ = " ".join(parts(folder)["methods"].text)
        citations = set(re.findall(r"([A-ZÀ-Ž][^();:.]*? (?:et al\. )?(?:19|20)\d\d)", text_))
        assert len(citations) >= least
        listed = re.search(r'<ul class="works">(.*?)</ul>', page_, re.DOTALL)
        assert listed
        items = re.findall(r"<li>(.*?)</li>", listed.group(1))
        assert items == [html.escape(work, quote=False).replace("'", "&#39;") for work in cited([text_]).values()]
        for citation in citations:
            names, year = citation.rsplit(" ", 1)
            first = re.split(r",| and | et al", names)[0].split()[-1]
            assert any(item.startswith(first) and f"({year})" in item for item in items), citation


def test_without_a_result_its_method_is_not_told(copy: Path) -> None:
    for name in ("mixed", "images"):
        (copy / "analysis" / f"{name}.json").unlink()
    page_ = shown(copy)
    for work in ("Kenward, M. G.", "Hillis, S. L."):
        assert work not in page_
    assert "Greenhouse, S. W." in page_


def test_provenance_counts_the_runs_and_tells_deviations_as_text(small: Path, small_page: str) -> None:
    assert "50 of 50 planned, 0 diverged, 0 missing" in small_page
    assert "30 of 600 runs were recorded under another plan (ffff, study &lt;i&gt;pilot&lt;/i&gt;)." in small_page


def test_the_gap_is_told_by_training_step_from_before_the_first(small: Path) -> None:
    gap = figures(small)["statistics-gap"]
    assert sorted(set(gap.data["gap"]["step"])) == [0, 275, 550, 825, 1100]
    assert "Training step (275 an epoch)" in json.dumps(gap.plot.spec)


def test_the_steps_that_the_statistics_need_stand_beside_those_of_the_run(small: Path) -> None:
    (table,) = (item for item in parts(small)["why"].items if item.key == "recovery")
    rows = [[cell.text for cell in row] for group in table.groups for row in group.rows]
    assert [column.title for column in table.columns][4:7] == [
        "Steps needed, predicted",
        "Steps observed",
        "Steps of the run",
    ]
    assert [row[0] for row in rows] == [arm.label for arm in ARMS if arm.decay is not None]
    predicted, observed, had = zip(*(row[4:7] for row in rows), strict=True)
    assert set(had) == {"1,100"}
    assert {row[7] for row in rows} <= {f"layer 1 · {cell}" for cell in ("no dropout", "dropout rate 0.3")}
    # A start at 0 needs 11 steps; from 1 to the simulated variance of a thousandth or so, log(0.5 / 999) / log(decay).
    assert predicted[0] == "11"
    assert predicted[2] == "never"
    for steps, decay in ((predicted[1], 0.999), (predicted[3], 0.99)):
        assert int(steps.replace(",", "")) == pytest.approx(math.log(0.5 / 999) / math.log(decay), rel=0.05)
    # Seen at the end of an epoch of 275 steps.
    assert observed == ("1 to 275", "not in the run", "not in the run", "551 to 825")


def test_the_command_prints_the_verdict_and_the_path(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = copy / "page.html"
    assert main(["report", str(copy), "--out", str(target)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [verdict(read_results(copy)).headline, str(target)]
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not (copy / "figures").exists()


def test_a_damaged_file_is_one_clear_line(copy: Path) -> None:
    path = copy / "analysis" / "contrasts.json"
    path.write_text('[{"level": "keras"')
    with pytest.raises(StudyError, match=r"contrasts\.json: damaged, not JSON"):
        read_results(copy)
    path.write_text('[{"level": "keras"}]')
    with pytest.raises(StudyError, match=r"contrasts\.json: row 1 lacks ci_high, ci_low"):
        read_results(copy)
    path.write_text('{"level": "keras"}')
    with pytest.raises(StudyError, match=r"contrasts\.json: found a dict, expected a list"):
        read_results(copy)


def test_a_damaged_table_is_one_clear_line(copy: Path) -> None:
    (copy / "runs.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(StudyError, match=r"runs\.parquet: damaged"):
        read_results(copy)


def test_results_of_another_version_are_one_clear_line(copy: Path) -> None:
    path = copy / "analysis" / "power.json"
    power = json.loads(path.read_text())
    del power["main"]["seeds_for"]
    path.write_text(json.dumps(power))
    with pytest.raises(StudyError, match=r"no 'seeds_for', which this version reads"):
        render(read_results(copy))


def test_a_folder_without_results_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"found no analysis/analysis\.json.*run the analysis first"):
        read_results(tmp_path)
    with pytest.raises(StudyError, match="no such results directory"):
        read_results(tmp_path / "absent")


def test_one_level_has_one_spelling() -> None:
    assert len({level_key(value) for value in (2e-4, "0.0002", "2e-4", "0.00020")}) == 1
    assert level_key("1_000") == "1_000"
    assert level_key("keras") == "keras"


@pytest.mark.parametrize("ends", [(-45.0, 0.7), (-0.3, 0.4), (-0.02, 60.0), (-3e-4, 2e-4)])
def test_an_axis_of_effects_holds_all_of_them_and_the_margin(ends: tuple[float, float]) -> None:
    look = effect_axis(ends, 0.1)
    low, high = look["scale"].domain
    assert low < min(*ends, -0.1)
    assert high > max(*ends, 0.1)
    # A collapse squeezes a gain of a few margins to nothing on an even scale.
    assert (look["scale"].type is not alt.Undefined) == (max(map(abs, ends)) > 1.2)


def test_numbers_have_sensible_digits_and_a_true_minus() -> None:
    assert [text.difference(v) for v in (0.1234, -0.004, -12.345, 0.0)] == ["+0.12", "0.00", "−12.3", "0.00"]
    assert [text.significant(v) for v in (0.03671, 1.234, 5923.0, 0.0)] == ["0.037", "1.2", "5,900", "0"]
    assert [text.times(v) for v in (0.861, 1.05, 66.2, 1034.0)] == ["0.86", "1.05", "66", "1,000"]
    assert [text.p_value(p) for p in (0.0003, 0.0321, 0.5, None)] == ["<\u202f0.001", "0.032", "0.50", "–"]
    assert [text.share(s) for s in (0.0, 0.0002, 0.025, 0.37, 0.9999, 1.0)] == [
        "0\u202f%",
        "<\u202f0.1\u202f%",
        "2.5\u202f%",
        "37\u202f%",
        ">\u202f99.9\u202f%",
        "100\u202f%",
    ]
    assert text.listing(["a", "b", "c"]) == "a, b and c"
    assert text.moment("2025-11-20T09:05:00+01:00") == "20 Nov 2025, 08:05 UTC"


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.02), (0.35, 1.05), (0.5, 700.0), (0.99, 1.01), (1e-3, 1e4)])
def test_a_ratio_axis_has_a_few_round_ticks_and_no_effect_among_them(low: float, high: float) -> None:
    ticks = ratio_ticks(low, high)
    assert 1.0 in ticks
    assert 1 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)


@pytest.mark.parametrize("ends", [(0.6, 91.0), (1.2, 3.0), (1.51, 1.64), (0.01, 0.02), (9.0, 10.0), (0.005, 60.0)])
def test_a_log_error_axis_has_three_ticks_or_more_within_it(ends: tuple[float, float]) -> None:
    look = error_axis(ends)
    low, high = look["scale"].domain
    ticks = look["axis"].values
    assert 3 <= len(ticks) <= 9
    assert all(low <= tick <= high for tick in ticks)


def test_whole_numbers_stand_once_on_their_axis() -> None:
    assert whole_ticks(1, 1) == [1]
    assert whole_ticks(1, 3) == [1, 2, 3]
    assert whole_ticks(1, 10) == [2, 4, 6, 8, 10]
    assert whole_ticks(0, 50) == [0, 10, 20, 30, 40, 50]


def test_a_log_error_axis_holds_all_errors() -> None:
    scale = error_axis([0.6, 91.0])["scale"]
    assert scale.domain[0] < 0.6
    assert scale.domain[1] > 91.0


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK])
def test_series_and_text_stand_out_from_the_paper(palette: dict[str, str]) -> None:
    for name in theme.SERIES:
        assert contrast(palette[name], palette["paper"]) >= 3.0, name
    for name in ("ink", "soft", "accent", "good", "bad", "even", "unsure"):
        assert contrast(palette[name], palette["paper"]) >= 4.5, name
        assert contrast(palette[name], palette["wash"]) >= 4.5, name


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_smallest_study_has_a_page(tmp_path: Path) -> None:
    simulated = ["simulate", "--out", str(tmp_path / "runs.csv"), "--factor", "bn=none,keras", "--seeds", "2"]
    assert main([*simulated, "--analyze", str(tmp_path / "out")]) == 0
    assert main(["report", str(tmp_path / "out")]) == 0
