"""The page in a real browser: drawn, quiet, closed, usable."""

import re
from pathlib import Path
from typing import Any

import pytest

from study.cli import main

DOTS = "#figure-runs .broad [data-tip]"
DIMMED = "dots => dots.filter(dot => Number(getComputedStyle(dot).opacity) < 0.5).length"
SCREEN = {"width": 1280, "height": 900}
LIMIT = 3_000_000
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


def test_every_figure_is_drawn_without_scripts_too(browser: Any, small: Path) -> None:
    for width, shown, hidden in ((1280, ".broad", ".narrow"), (390, ".narrow", ".broad")):
        context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
        page = context.new_page()
        page.goto(small.as_uri())
        figures = page.locator("figure[data-figure]")
        assert figures.count() >= 15
        for i in range(figures.count()):
            assert figures.nth(i).locator(f"{shown} svg path").count() > 5
        first = page.locator("#figure-effects")
        assert first.locator(shown).is_visible()
        assert not first.locator(hidden).is_visible()
        context.close()


def test_the_first_screen_holds_the_answer_its_six_rows_and_the_plot(
    browser: Any, small: Path, many: Path, wide: Path
) -> None:
    for path in (small, many, wide):
        with Opened(browser, path, folded=True, viewport=SCREEN) as found:
            rows = found.page.locator(".answers > div")
            assert rows.count() == 6
            plot = found.page.locator("#figure-effects .broad svg")
            for part in (found.page.locator(".headline"), *rows.all(), plot):
                box = part.bounding_box()
                assert box is not None
                assert box["y"] + box["height"] <= SCREEN["height"], path


TEXTS = """() => {
  const texts = [...document.querySelectorAll('figure svg text')]
    .filter(t => t.textContent.trim() && t.checkVisibility({ contentVisibilityAuto: true })
      && t.getClientRects().length && t.getAttribute('stroke') === null)
    .map(t => ({ box: t.getBoundingClientRect(), words: t.textContent, figure: t.closest('figure').id }));
  const hit = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
  const clipped = texts.filter(t => t.box.left < 0 || t.box.right > innerWidth + 1);
  const over = texts.filter((a, i) => texts.some((b, j) => i < j && a.figure === b.figure && hit(a.box, b.box)));
  return [...clipped, ...over].map(t => `${t.figure}: ${t.words}`);
}"""


@pytest.mark.parametrize(("width", "highest"), [(1280, 4500), (700, 9000), (390, 9000)])
def test_every_outcome_has_a_short_page_without_clipped_or_overlapping_words(
    browser: Any, outcome: Path, width: int, highest: int
) -> None:
    with Opened(browser, outcome, folded=True, viewport={"width": width, "height": 900}) as found:
        assert found.page.evaluate(TEXTS) == []
        assert found.page.evaluate("document.documentElement.scrollHeight") <= highest
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 1280:
            plot = found.page.locator("#figure-effects .broad svg").bounding_box()
            last = found.page.locator(".answers > div").last.bounding_box()
            assert max(box["y"] + box["height"] for box in (plot, last)) <= 900


def test_a_word_of_the_glossary_opens_its_meaning_from_the_keyboard(browser: Any, small: Path) -> None:
    with Opened(browser, small, folded=True) as found:
        term = found.page.locator("button.term").first
        word = term.inner_text()
        term.focus()
        found.page.keyboard.press("Enter")
        meaning = found.page.locator(".meaning:popover-open")
        assert meaning.locator("strong").inner_text().lower() in word.lower()
        found.page.keyboard.press("Escape")
        assert meaning.count() == 0


CONTROLS = "[...document.querySelectorAll('a[href], button, select, summary')]"


def test_every_control_can_be_reached_by_the_keyboard(browser: Any, small: Path) -> None:
    """From the top, Tab meets every link, answer, button, choice and fold that is shown, in their order."""
    with Opened(browser, small, folded=True, viewport=SCREEN) as found:
        seen: list[int] = []
        while len(seen) < 400:
            found.page.keyboard.press("Tab")
            at = found.page.evaluate(f"{CONTROLS}.indexOf(document.activeElement)")
            if at in seen or (at < 0 and found.page.evaluate("document.activeElement === document.body")):
                break
            seen += [at] if at >= 0 else []
        shown = found.page.evaluate(f"{CONTROLS}.map((e, i) => e.checkVisibility() ? i : -1).filter(i => i >= 0)")
        assert seen == shown


def test_the_page_is_printed_whole(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(small.parent), "--pdf"]) == 0
    target = Path(capsys.readouterr().out.splitlines()[-1])
    content = target.read_bytes()
    assert content.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    # The answer, the evidence, and the appendix: folded parts too, and no sheet that is almost empty for each of them.
    assert 8 <= pages <= 25


def test_without_a_browser_a_pdf_is_one_clear_line(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["report", str(small.parent), "--pdf"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("study: error: a PDF needs Chromium or Chrome")
    assert said.count("\n") == 1


def test_the_appendix_and_the_details_are_folded(browser: Any, small: Path) -> None:
    with Opened(browser, small, folded=True, viewport=SCREEN) as found:
        page = found.page
        assert page.locator("details[open]").count() == 0
        assert not page.locator("#figure-specification").is_visible()
        short = page.evaluate("document.documentElement.scrollHeight")
        page.locator("#methods-compared summary").first.click()
        assert page.locator("#figure-specification").is_visible()
        page.evaluate("document.querySelectorAll('details.more').forEach(fold => { fold.open = true; })")
        # What most readers need is less than half of the page.
        assert short < 0.5 * page.evaluate("document.documentElement.scrollHeight")


def test_a_phone_shows_every_column(browser: Any, small: Path) -> None:
    with Opened(browser, small, viewport={"width": 390, "height": 800}) as found:
        cells = found.page.locator("#table-cells thead th")
        assert cells.count() > 5
        assert all(cell.is_visible() for cell in cells.all())
        assert found.page.locator("#table-collapse td").first.is_visible()


def test_the_answer_can_be_copied(browser: Any, small: Path) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(small.as_uri())
    page.get_by_role("button", name="Reply").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert page.locator(".headline").inner_text().split()[0] in copied
    assert len(copied.splitlines()) == 8
    context.close()


def test_a_link_into_a_folded_part_opens_it(browser: Any, small: Path) -> None:
    with Opened(browser, small, folded=True) as found:
        found.page.evaluate("location.hash = 'methods'")
        found.page.wait_for_selector("#methods details.more[open]")


def test_what_is_folded_is_printed(browser: Any, small: Path) -> None:
    with Opened(browser, small, folded=True) as found:
        found.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        folds = found.page.locator("details")
        assert found.page.locator("details[open]").count() == folds.count() > 5
        found.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert found.page.locator("details[open]").count() == 0


def test_every_run_is_a_dot(opened: Opened) -> None:
    assert opened.dots().count() == 5 * 2 * 2 * 5


def test_a_dot_tells_its_seed_accuracy_and_status(opened: Opened) -> None:
    opened.dots().first.scroll_into_view_if_needed()
    opened.dots().first.hover()
    told = opened.page.locator("#tip").inner_text()
    assert re.search(r"seed: \d", told)
    assert re.search(r"accuracy: \d+\.\d\d\s*%", told)
    assert "status: ok" in told
    opened.page.mouse.move(2, 2)
    assert opened.page.locator("#tip").is_hidden()


def test_a_click_on_a_dot_follows_its_seed_through_the_figures(opened: Opened) -> None:
    first = opened.page.locator("#figure-effects .broad [data-tip^='seed: ']")
    every = first.count()
    opened.dots().first.scroll_into_view_if_needed()
    opened.dots().first.click()
    assert opened.dots().evaluate_all(DIMMED) == 5 * 2 * 2 * 4
    assert first.evaluate_all(DIMMED) == every * 4 / 5
    followed = opened.page.locator("select.follow").first.input_value()
    assert followed in opened.dots().first.get_attribute("data-tip")
    opened.dots().first.click()
    assert opened.dots().evaluate_all(DIMMED) == 0


def test_a_seed_can_be_followed_from_the_keyboard(opened: Opened) -> None:
    select = opened.page.locator("#figure-runs select.follow")
    select.focus()
    select.select_option("3")
    assert opened.dots().evaluate_all(DIMMED) == 5 * 2 * 2 * 4
    assert opened.page.locator("#figure-effects select.follow").input_value() == "3"


def test_the_runs_can_be_downloaded(opened: Opened, small: Path) -> None:
    with opened.page.expect_download() as download:
        opened.page.locator("[data-save=all-runs]").click()
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
    label = "#figure-effects .broad svg text"
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
        assert found.page.locator("#tip").is_visible()
        assert found.page.evaluate("window.hacked") is None


def test_a_study_of_600_runs_is_small_and_whole(browser: Any, many: Path) -> None:
    assert many.stat().st_size < LIMIT
    with Opened(browser, many) as found:
        assert found.dots().count() == 600
        assert found.messages == []


def test_words_do_not_overlap_with_8_arms(browser: Any, wide: Path) -> None:
    overlapping = """figure => {
      const boxes = [...document.querySelectorAll(`#${figure} svg text`)]
        .filter(t => t.textContent.trim() && t.getClientRects().length && t.getAttribute('stroke') === null)
        .map(t => t.getBoundingClientRect());
      const apart = (a, b) => a.left >= b.right - 1 || a.top >= b.bottom - 2;
      const hit = (a, b) => !apart(a, b) && !apart(b, a);
      return boxes.filter((a, i) => boxes.some((b, j) => i < j && hit(a, b))).length;
    }"""
    for width in (390, 1000):
        with Opened(browser, wide, viewport={"width": width, "height": 800}) as found:
            for figure in ("figure-effects", "figure-effects-by-cell", "figure-runs", "figure-collapse"):
                assert found.page.evaluate(overlapping, figure) == 0, (figure, width)
