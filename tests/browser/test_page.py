"""The page in a real browser: drawn, quiet, closed, usable."""

import re
from pathlib import Path
from typing import Any

import pytest

DRAWN = "html[data-ready=yes]"
DOTS = "#figure-runs svg .dots_marks path"
DIMMED = "dots => dots.filter(dot => Number(getComputedStyle(dot).opacity) < 0.5).length"
LIMIT = 5_000_000
WIDTHS = (320, 390, 1000, 1600)


class Opened:
    """A page with all that it logged and asked for; what is folded is opened, unless it is asked for `folded`."""

    def __init__(self, browser: Any, path: Path, folded: bool = False, **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1000, "height": 900}, **options})
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(DRAWN, timeout=120_000)
        if not folded:
            self.page.evaluate("document.querySelectorAll('details.more').forEach(fold => { fold.open = true; })")

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()

    def dots(self) -> Any:
        """The dots of the runs."""
        return self.page.locator(DOTS)


@pytest.fixture
def opened(browser: Any, small: Path) -> Any:
    with Opened(browser, small) as found:
        yield found


def test_the_page_is_quiet_and_asks_for_nothing_but_itself(opened: Opened, small: Path) -> None:
    assert opened.messages == []
    assert opened.requests == [small.as_uri()]


def test_every_figure_is_drawn(opened: Opened) -> None:
    figures = opened.page.locator("figure[data-figure]")
    assert figures.count() >= 15
    for i in range(figures.count()):
        for chart in figures.nth(i).locator(".chart").all():
            assert chart.locator("svg").count() == 1
            assert chart.locator("svg path").count() > 5


def test_the_appendix_and_the_details_are_folded_and_drawn_at_their_width(browser: Any, small: Path) -> None:
    with Opened(browser, small, folded=True, viewport={"width": 1280, "height": 900}) as found:
        page = found.page
        assert page.locator("details.more[open]").count() == 0
        assert not page.locator("#figure-specification").is_visible()
        short = page.evaluate("document.documentElement.scrollHeight")
        page.locator("#methods-compared summary").first.click()
        assert page.locator("#figure-specification").is_visible()
        widths = page.evaluate(
            "['effects', 'specification'].map(key => document.querySelector(`#figure-${key}`).clientWidth)"
        )
        assert widths[0] == widths[1]
        drawn = page.evaluate("document.querySelector('#figure-specification .chart svg').clientWidth")
        assert 0.6 * widths[1] < drawn <= widths[1]
        page.evaluate("document.querySelectorAll('details.more').forEach(fold => { fold.open = true; })")
        # What most readers need is less than half of the page.
        assert short < 0.5 * page.evaluate("document.documentElement.scrollHeight")


def test_a_link_into_a_folded_part_opens_it(browser: Any, small: Path) -> None:
    with Opened(browser, small, folded=True) as found:
        found.page.evaluate("location.hash = 'methods'")
        found.page.wait_for_selector("#methods details.more[open]")


def test_what_is_folded_is_printed(browser: Any, small: Path) -> None:
    with Opened(browser, small, folded=True) as found:
        found.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        folds = found.page.locator("details.more")
        assert found.page.locator("details.more[open]").count() == folds.count() > 5
        found.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert found.page.locator("details.more[open]").count() == 0


def test_every_run_is_a_dot(opened: Opened) -> None:
    assert opened.dots().count() == 5 * 2 * 2 * 5


def test_a_dot_tells_its_seed_accuracy_and_status(opened: Opened) -> None:
    opened.dots().first.scroll_into_view_if_needed()
    opened.dots().first.hover()
    tooltip = opened.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    told = tooltip.inner_text()
    assert re.search(r"seed\s*\d", told)
    assert re.search(r"accuracy\s*\d+\.\d\d\s*%", told)
    assert re.search(r"status\s*ok", told)


def test_a_click_on_a_dot_follows_its_seed_through_the_figures(opened: Opened) -> None:
    lines = "#figure-curves svg .mark-line path, #figure-statistics-gap svg .mark-line path"
    before = opened.page.locator(lines).count()
    opened.dots().first.scroll_into_view_if_needed()
    opened.dots().first.click()
    opened.page.wait_for_function("document.getElementById('followed').hidden === false")
    opened.page.wait_for_timeout(500)
    assert opened.dots().evaluate_all(DIMMED) == 5 * 2 * 2 * 4
    assert opened.page.locator(lines).count() > before
    followed = opened.page.locator("select.follow").first.input_value()
    assert followed in opened.page.locator("#followed").inner_text()
    opened.page.locator("#followed button").click()
    opened.page.wait_for_timeout(500)
    assert opened.dots().evaluate_all(DIMMED) == 0


def test_pointing_at_a_learning_curve_shows_single_runs(opened: Opened) -> None:
    dashed = "#figure-curves svg .mark-line path[stroke-dasharray]"
    chart = opened.page.locator("#figure-curves .chart svg")
    chart.scroll_into_view_if_needed()
    assert opened.page.locator(dashed).count() == 0
    lines = opened.page.locator("#figure-curves svg .mark-line path[opacity='0']")
    assert lines.count() == 5 * 2 * 2 * 5
    x, y = lines.first.evaluate(
        "line => { const p = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM());"
        " return [p.x, p.y]; }"
    )
    opened.page.mouse.move(x, y)
    opened.page.wait_for_function(f"document.querySelectorAll(`{dashed}`).length > 0")
    assert re.fullmatch(r"seed \d", opened.page.locator("#followed").inner_text().strip())
    assert opened.page.locator("#followed button").count() == 0
    opened.page.mouse.move(2, 2)
    opened.page.wait_for_function(f"document.querySelectorAll(`{dashed}`).length === 0")
    assert opened.page.locator("#followed").is_hidden()


def test_a_seed_can_be_followed_from_the_keyboard(opened: Opened) -> None:
    select = opened.page.locator("#figure-runs select.follow")
    select.focus()
    select.select_option("3")
    opened.page.wait_for_timeout(500)
    assert opened.dots().evaluate_all(DIMMED) == 5 * 2 * 2 * 4
    assert opened.page.locator("#figure-curves select.follow").input_value() == "3"


def test_the_switch_changes_the_axis(opened: Opened) -> None:
    figure = opened.page.locator("#figure-runs")
    log_error = figure.locator(".chart svg").first.inner_html()
    assert "spaced by log error" in figure.locator(".chart svg").first.text_content()
    figure.get_by_text("All, evenly spaced").click()
    drawn = "document.querySelector('#figure-runs .chart svg').textContent"
    opened.page.wait_for_function(f"!{drawn}.includes('log error')")
    assert figure.locator(".chart svg").first.inner_html() != log_error
    assert opened.dots().count() == 5 * 2 * 2 * 5
    figure.locator("input[type=radio]").nth(1).focus()
    opened.page.keyboard.press("ArrowLeft")
    opened.page.wait_for_function("document.querySelector('#figure-runs .chart svg').textContent.includes('log error')")


def test_the_runs_can_be_downloaded(opened: Opened, small: Path) -> None:
    with opened.page.expect_download() as download:
        opened.page.locator("#save-runs").click()
    rows = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    wanted = (small.parent / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == wanted[0]
    assert len(rows) == len(wanted)


@pytest.mark.parametrize("kind", ["csv", "svg", "png"])
def test_every_figure_can_be_downloaded(browser: Any, small: Path, kind: str) -> None:
    with Opened(browser, small) as found:
        names = found.page.locator("figure[data-figure]").evaluate_all("all => all.map(figure => figure.id)")
    # Chromium lets a page start ten downloads in a row and then drops one.
    for start in range(0, len(names), 8):
        with Opened(browser, small) as found:
            for name in names[start : start + 8]:
                with found.page.expect_download() as download:
                    found.page.locator(f"#{name} [data-save={kind}]").click()
                assert download.value.suggested_filename.endswith(kind)
                check_file(Path(download.value.path()).read_bytes(), kind)
            assert found.messages == []


def check_file(content: bytes, kind: str) -> None:
    if kind == "csv":
        assert len(content.splitlines()) > 1
        assert b"NaN" not in content
    elif kind == "svg":
        assert content.startswith(b"<svg")
        assert b"var(--" not in content
    else:
        assert content.startswith(b"\x89PNG")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways(browser: Any, small: Path, wide: Path, hostile: Path, width: int) -> None:
    for path in (small, wide, hostile):
        with Opened(browser, path, viewport={"width": width, "height": 800}) as found:
            beyond = found.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert beyond <= 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, small: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with Opened(browser, small, color_scheme=scheme) as found:
        answer = axe.Axe().run(found.page)
    serious = [v for v in answer.response["violations"] if v["impact"] in {"serious", "critical"}]
    assert not serious, [(v["id"], [node["html"][:160] for node in v["nodes"]][:3]) for v in serious]


def test_the_charts_follow_the_colour_scheme(browser: Any, small: Path) -> None:
    label = "#figure-effects svg .mark-text text"
    colours = []
    for scheme in ("light", "dark"):
        with Opened(browser, small, color_scheme=scheme) as found:
            texts = found.page.locator(label)
            colours.append(texts.evaluate_all("e => e.map(x => getComputedStyle(x).fill)"))
    assert len(colours[0]) == len(colours[1])
    assert all(light != dark for light, dark in zip(*colours, strict=True))


def test_a_printed_page_is_light(browser: Any, small: Path) -> None:
    with Opened(browser, small, color_scheme="dark") as found:
        found.page.emulate_media(media="print")
        assert found.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        assert not found.page.locator("nav").is_visible()


def test_a_sheet_of_paper_holds_every_column(browser: Any, small: Path) -> None:
    # A4 without its margins.
    with Opened(browser, small, viewport={"width": 718, "height": 1000}) as found:
        found.page.emulate_media(media="print")
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 718
        columns = found.page.locator("#table-luck thead th, #table-cells thead th")
        assert columns.count() > 10
        assert all(column.is_visible() for column in columns.all())


def test_hostile_text_stays_text(browser: Any, hostile: Path) -> None:
    with Opened(browser, hostile) as found:
        assert found.page.evaluate("window.hacked") is None
        assert found.requests == [hostile.as_uri()]
        assert found.messages == []
        assert "<script>window.hacked = 1</script>" in found.page.locator("main").inner_text()
        assert "{{ 7 * 7 }}" in found.page.locator("main").inner_text()
        found.dots().first.scroll_into_view_if_needed()
        found.dots().first.hover()
        found.page.locator("#vg-tooltip-element.visible").wait_for()
        assert found.page.evaluate("window.hacked") is None


def test_a_study_of_600_runs_is_small_and_whole(browser: Any, many: Path) -> None:
    assert many.stat().st_size < LIMIT
    with Opened(browser, many) as found:
        assert found.dots().count() == 600
        assert found.messages == []


def test_words_do_not_overlap_with_8_arms(browser: Any, wide: Path) -> None:
    overlapping = """figure => {
      const boxes = [...document.querySelectorAll(`#${figure} svg .mark-text text`)]
        .filter(t => t.textContent.trim() && t.getAttribute('stroke') === null && !t.style.stroke)
        .map(t => t.getBoundingClientRect());
      const apart = (a, b) => a.left >= b.right - 1 || a.top >= b.bottom - 2;
      const hit = (a, b) => !apart(a, b) && !apart(b, a);
      return boxes.filter((a, i) => boxes.some((b, j) => i < j && hit(a, b))).length;
    }"""
    for width in (390, 1000):
        with Opened(browser, wide, viewport={"width": width, "height": 800}) as found:
            for figure in ("figure-effects", "figure-effects-by-cell", "figure-runs", "figure-collapse"):
                assert found.page.evaluate(overlapping, figure) == 0, (figure, width)
