"""Every number in the page's tables and in the words of its figures is that of an analysis file, rounded here anew."""

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from study.cli import main
from study.report.page import render
from study.report.results import read_results
from study.trainers.mnist.explanation import MnistExplanation
from tests.report_fixture import Arm, Scenario, write_results

SEQUENTIAL = Scenario(
    arms=(
        Arm("none", "no BN"),
        Arm("large", "large gain", gain=0.9, decay=0.9),
        Arm("none_2", "no gain", decay=0.9),
    ),
    seeds=15,
    epochs=1,
    dropout=(0.0,),
    run_sd=0.2,
    looks=(5, 10, 15),
)


class Page(HTMLParser):
    """A page by key: its tables as rows of cells, the words of its figures, the paragraphs of its sections."""

    def __init__(self, folder: Path, text: str) -> None:
        super().__init__()
        self.folder = folder
        self.tables: dict[str, list[list[str]]] = {}
        self.captions: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self.sections: dict[str, str] = {}
        self.answers: list[list[str]] = []
        self._table = self._caption = self._words = self._section = ""
        self._inside: str | None = None
        self.feed(re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attributes}
        found = about.get("id", "")
        if tag == "div" and found.startswith("table-"):
            self._table = found.removeprefix("table-")
            self.tables[self._table] = []
        elif tag == "table" and about.get("class") == "arms":
            self._table = "arms"
            self.tables["arms"] = []
        elif tag == "section":
            self._section = found
            self.sections[found] = ""
        elif tag == "tr" and self._table:
            self.tables[self._table].append([])
        elif tag in {"th", "td"} and self._table:
            self.tables[self._table][-1].append("")
            self._inside = "cell"
        elif tag == "caption":
            self._inside = "caption"
        elif found.startswith("words-"):
            self._words, self._inside = found.removeprefix("words-"), "words"
            self.words[self._words] = ""
        elif tag in {"dt", "dd"}:
            self._inside = "answer"
            self.answers += [[""]] if tag == "dt" else []
            self.answers[-1] += [""] if tag == "dd" else []
        elif (tag == "p" and self._section) or tag == "figcaption":
            self._inside = "paragraph"

    def handle_endtag(self, tag: str) -> None:
        if tag in {"p", "figcaption"} and self._section:
            self.sections[self._section] += " "
        if tag in {"th", "td", "p", "caption", "figcaption", "dt", "dd"}:
            self._inside = None
        elif tag == "table":
            self._table = ""

    def handle_data(self, text: str) -> None:
        text = text.replace("\N{NARROW NO-BREAK SPACE}", " ")
        if self._inside == "cell" and self._table:
            self.tables[self._table][-1][-1] += text
        elif self._inside == "answer":
            self.answers[-1][-1] += text
        elif self._inside == "caption":
            self.captions[self._table] = self.captions.get(self._table, "") + text
        elif self._inside == "words":
            self.words[self._words] += text
        elif self._inside == "paragraph":
            self.sections[self._section] += text

    def rows(self, key: str) -> list[list[str]]:
        """The body of a table, without the rows that only name a group."""
        return [row for row in self.tables[key][1:] if len(row) > 1]

    def read(self, name: str) -> Any:
        inner = self.folder / "analysis" / f"{name}.json"
        path = inner if inner.exists() else self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def words_of(self, factor: str, level: object, bare: bool = False) -> str:
        """A level as the design calls it; in running text a number has its factor beside it."""
        (found,) = [one for one in self.read("design")["factors"] if one["name"] == factor]
        labels = {str(key): label for key, label in zip(found["levels"], found["labels"], strict=True)}
        label = labels[str(level)]
        return label if bare or not re.fullmatch(r"[\d.]+", label) else f"{found['title']} {label}"

    def arm(self, level: str) -> str:
        return self.words_of("bn", level, bare=True)

    def cell(self, levels: dict[str, Any]) -> str:
        names = [one["name"] for one in self.read("design")["factors"]]
        return " · ".join(self.words_of(name, levels[name]) for name in names if name in levels and name != "bn")

    def term(self, term: str) -> str:
        titles = {one["name"]: one["title"] for one in self.read("design")["factors"]}
        return "the single run" if term == "residual" else " × ".join(titles.get(p, p) for p in term.split(":"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A study of counts with two other factors, in which arms collapse and a learning rate is tuned."""
    folder = write_results(tmp_path_factory.mktemp("numbers"), Scenario(seeds=6, epochs=3, lr=(1e-3, 5e-3)))
    return Page(folder, render(read_results(folder), MnistExplanation(folder))[0])


@pytest.fixture(scope="module")
def sequential(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = write_results(tmp_path_factory.mktemp("numbers"), SEQUENTIAL)
    return Page(folder, render(read_results(folder), MnistExplanation(folder))[0])


@pytest.fixture(scope="module")
def numeric(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A table of losses, some of them lost by divergence, with the control trained once more under other seeds."""
    folder, draw = tmp_path_factory.mktemp("numbers"), np.random.default_rng(3)
    rows = [
        {"arm": arm, "size": size, "seed": seed, "loss": 1.0 - 0.2 * (arm == "b") + 0.1 * size + draw.normal(0, 0.05)}
        for arm in ("a", "b", "again")
        for size in (1, 2)
        for seed in range(8)
    ]
    table = pd.DataFrame(rows).assign(status="ok")
    table.loc[[3, 30], ["loss", "status"]] = [math.nan, "diverged"]
    table.drop(index=20).to_csv(folder / "table.csv", index=False)
    options = ["--factor=arm", "--factor=size", "--block=seed", "--response=loss", "--better=lower", "--control=arm=a"]
    more = ["--margin=0.05", "--negative-control=again", f"--out={folder}"]
    assert main(["analyze", str(folder / "table.csv"), *options, *more]) == 0
    return Page(folder, render(read_results(folder))[0])


def fixed(value: float, digits: int, sign: bool = False) -> str:
    """So many decimals, a true minus, a plus if `sign`, none for zero."""
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    zero = float(text.replace(",", "")) == 0
    return text.lstrip("+-") if zero else text.replace("-", "−")


def significant(value: float, digits: int = 2) -> str:
    return format(Decimal(f"{value:.{digits - 1}e}"), ",f")


def points(value: float) -> str:
    """A difference in percentage points: two decimals, one from 10 on."""
    return fixed(value, 2 if abs(value) < 9.95 else 1, sign=True)


def p_value(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else fixed(p, 3 if p < 0.1 else 2)


def percent(share: float) -> str:
    """A share of 1: one decimal below 10 % and above 90 %, none between, and never a rounded 0 % or 100 %."""
    value = 100 * share
    if 0 < value < 0.05:
        return "< 0.1 %"
    if 99.95 <= value < 100:
        return "> 99.9 %"
    return f"{fixed(value, 1 if 0 < value < 9.95 or 90 < value < 100 else 0)} %"


def smallest(row: dict[str, Any]) -> str:
    """A p value of collapse that says when it cannot be smaller."""
    return p_value(row["p_adjusted"]) + (", the smallest possible" if row["p"] == row["p_smallest"] else "")


def between(row: dict[str, Any], show: Callable[[float], str], low: str = "ci_low", high: str = "ci_high") -> str:
    return f"{show(row[low])} to {show(row[high])}"


def degrees(value: float) -> str:
    return fixed(value, 0 if math.isclose(value, round(value), abs_tol=1e-6) else 1)


def on(scale: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["scale"] == scale]


def test_the_verdict_shows_what_verdicts_json_holds(page: Page) -> None:
    found, contrasts = page.read("verdicts"), {row["level"]: row for row in page.read("contrasts")}
    runs = page.read("cells")

    def value(number: float) -> str:
        return f"{fixed(number, 2)} %"

    head, *rows = page.rows("arms")
    control = found["control"]
    assert head[:2] == [
        "no BN",
        f"{value(control['mean'])} ({value(control['lowest'])} to {value(control['highest'])})",
    ]
    for shown, arm in zip(rows, found["arms"], strict=True):
        row = contrasts[arm["level"]]
        mine = [cell for cell in runs if cell["levels"]["bn"] == arm["level"]]
        mean = sum(cell["mean"] for cell in mine) / len(mine)
        ends = f"{value(min(cell['min'] for cell in mine))} to {value(max(cell['max'] for cell in mine))}"
        collapsed, total = (sum(cell[key] for cell in mine) for key in ("collapsed", "runs"))
        assert shown == [
            page.arm(arm["level"]),
            f"{value(mean)} ({ends})",
            f"{points(row['estimate'])} pp ({between(row, points)})",
            f"{collapsed} of {total} collapsed" if collapsed else "none",
            arm["label"],
            arm["certainty"]["grade"] + "; ".join(arm["certainty"]["reasons"]),
        ]
    assert {arm["label"] for arm in found["arms"]} >= {"collapses"}
    rows = [{key: text.replace(chr(8239), " ") for key, text in row.items()} for row in found["answers"]]
    assert page.answers[:6] == [[row["question"], row["brief"]] for row in rows]
    for row in rows:
        assert row["answer"] in page.sections[row["evidence"]]


def test_effects_overall_and_in_cells_are_the_contrasts(page: Page) -> None:
    for key, name in (("effects", "contrasts"), ("effects-by-cell", "simple_effects")):
        told = page.words[key]
        for row in on("pp", page.read(name)):
            where = f", {page.cell(row['cell'])}" if name == "simple_effects" else ""
            expected = f"{page.arm(row['level'])}{where}: {points(row['estimate'])} pp ({between(row, points)})"
            assert re.search(rf"(^|[.;] ){re.escape(expected)}[;.]", told), expected


def test_scopes_are_those_of_the_images(page: Page) -> None:
    found = page.read("images")
    expected = []
    for row in found["contrasts"]:
        pairs = row["mcnemar"]
        expected.append(
            [
                page.arm(row["level"]),
                f"{points(row['estimate_pp'])} pp",
                between(row["these_images"], points),
                between(row["new_images_too"], points),
                p_value(row["new_images_too"]["p"]),
                f"{pairs['better']:,} / {pairs['worse']:,} of {pairs['pairs']:,}",
            ]
        )
    assert page.rows("scopes") == expected
    assert f"these {found['images']:,} test images" in page.captions["scopes"]


def test_choices_are_those_of_the_tuned_comparison(page: Page) -> None:
    found = page.read("tuned")
    expected = [
        [
            page.arm(row["arm"]),
            page.cell(row["cell"]),
            page.words_of("lr", row["best"], bare=True),
            *(percent(row["shares"].get(level, 0.0)) for level in ("0.001", "0.005")),
        ]
        for row in found["choices"]
    ]
    assert page.rows("choices") == expected
    for row in on("pp", found["contrasts"]):
        assert f"{page.arm(row['level'])}: {points(row['estimate'])} pp ({between(row, points)})" in page.words["tuned"]


def test_luck_is_that_of_its_file(page: Page) -> None:
    found = page.read("luck")
    expected = []
    for row in found["contrasts"]:
        expected.append(
            [
                page.arm(row["level"]),
                *(percent(chance["model"]) for chance in row["wrong_way"]),
                percent(row["better"]["paired"]),
                fixed(row["almost_stochastic_order"]["arm_over_control"]["eps_min"], 2),
                percent(row["false_headline"][0]["model"]),
                percent(row["matters"]),
                f"{row['seeds_enough']['cell']:,}",
                f"{row['seeds_enough']['grid']:,}",
            ]
        )
        (chance,) = (chance for chance in row["wrong_way"] if chance["runs"] == 1)
        told = f"{page.arm(row['level'])}: {percent(chance['model'])}"
        assert f"{told} ({between(chance, percent, 'lowest', 'highest')})" in page.words["wrong-way"]
    assert page.rows("luck") == expected
    for arm in found["best_of_k"]["arms"]:
        for k in (1, found["best_of_k"]["runs"]):
            assert (
                f"{page.arm(arm['level'])}, best of {k}: {fixed(arm['expected'][k - 1], 2)} %"
                in page.words["best-of-k"]
            )


def test_shares_of_the_spread_are_those_of_luck_and_images(page: Page) -> None:
    shares = page.read("luck")["variance_shares"]
    told = [
        f"{page.term(term['term'])}: {fixed(100 * term['share'], 1)} % "
        f"({fixed(100 * term['ci_low'], 1)} to {fixed(100 * term['ci_high'], 1)})"
        for term in shares["terms"]
    ]
    assert page.words["variance-shares"] == "; ".join(told) + "."
    alike = f"{fixed(shares['icc'], 2)} ({fixed(shares['icc_low'], 2)} to {fixed(shares['icc_high'], 2)})"
    assert f"intraclass correlation of {alike}" in page.sections["luck"]
    images = page.read("images")
    expected = []
    for row in images["components"]:
        source = "the single answer" if row["source"] == "residual" else page.term(row["source"])
        expected.append([source, percent(row["share"]), f"{fixed(row['sd'], 1)} pp"])
    assert page.rows("answers") == expected
    assert sum(row["share"] for row in images["components"]) == pytest.approx(1.0)
    for arm in images["arms"]:
        for way, name in (
            ("seen between runs", "run_variance"),
            ("from the finite test set alone", "sampling_variance"),
        ):
            assert f"{page.arm(arm['level'])}, {way}: {significant(math.sqrt(arm[name]))} pp" in page.words["spread"]


def test_interactions_are_those_of_their_files(page: Page) -> None:
    expected = []
    for row in page.read("interactions"):
        ((factor, change),) = row["cell"].items()
        after, before = (page.words_of(factor, level) for level in change.split(" - "))
        numbers = [f"{points(row['estimate'])} pp", between(row, points), p_value(row["p_adjusted"])]
        expected.append([page.arm(row["level"]), f"{before} → {after}", *numbers])
    assert page.rows("interaction-tests") == expected
    for row in page.read("simple_effects"):
        for key, factor, other in (("interaction-1", "dropout", "lr"), ("interaction-2", "lr", "dropout")):
            (title,) = [one["title"] for one in page.read("design")["factors"] if one["name"] == factor]
            at = page.words_of(factor, row["cell"][factor], bare=True)
            told = f"{page.arm(row['level'])}, {title} {at}, {page.words_of(other, row['cell'][other])}"
            assert f"{told}: {points(row['estimate'])} pp ({between(row, points)})" in page.words[key]


def test_the_analysis_of_variance_is_that_of_its_file(page: Page) -> None:
    expected = [
        [
            page.term(row["term"]),
            f"{degrees(row['df1'])}, {degrees(row['df2'])}",
            significant(row["F"], 3),
            p_value(row["p"]),
            p_value(row["p_gg"]),
            fixed(row["epsilon_gg"], 2),
            fixed(row["ges"], 3),
        ]
        for row in page.read("anova")
    ]
    assert page.rows("anova") == expected
    assert len(expected) == 7


def test_the_mixed_model_and_the_ranks_are_those_of_their_files(page: Page) -> None:
    found = page.read("mixed")
    contrasts = [
        [
            page.arm(row["level"]),
            f"{points(row['estimate'])} pp",
            between(row, points),
            degrees(row["df"]),
            p_value(row["p_adjusted"]),
        ]
        for row in found["contrasts"]
    ]
    assert page.rows("mixed") == contrasts
    spread = [f"{page.term(row['term'])} {fixed(row['sd'], 2)}" for row in found["components"]]
    assert f"random terms: {', '.join(spread)}." in page.captions["mixed"]
    found = page.read("ranks")
    ranks = sorted(found["arms"], key=lambda arm: arm["mean_rank"])
    assert page.rows("ranks") == [[page.arm(arm["level"]), fixed(arm["mean_rank"], 2)] for arm in ranks]
    assert (
        f"p {p_value(found['p'])}; ranks that differ by more than {fixed(found['critical_difference'], 2)}"
        in page.captions["ranks"]
    )


def test_every_specification_is_counted_and_the_planned_one_told(page: Page) -> None:
    rows = [row for row in on("pp", page.read("specification")) if row["estimate"] is not None]
    for level in {row["level"] for row in rows}:
        mine = [row for row in rows if row["level"] == level]
        (primary,) = [row for row in mine if row["primary"]]
        same = [row for row in mine if row["estimate"] * primary["estimate"] > 0]
        clear = [row for row in same if row["ci_low"] is not None and row["ci_low"] * row["ci_high"] > 0]
        told = f"{page.arm(level)}: {len(same)} of {len(mine)} point the same way, {len(clear)} with an interval"
        assert told in page.sections["methods-compared"]
        assert (
            f"{page.arm(level)}: {points(primary['estimate'])} ({between(primary, points)})"
            in page.words["specification"]
        )


def test_collapse_is_that_of_its_file(page: Page) -> None:
    found = page.read("collapse")
    arms = {row["level"]: row for row in found["arms"]}
    for row in arms.values():
        counts = f"{row['failed']} of {row['runs']} runs collapsed"
        assert f"{page.arm(row['level'])}: {counts}, interval {between(row, percent)}" in page.words["collapse"]
    head, *rows = page.tables["collapse"]
    levels = list(arms)
    assert head[1:] == [page.arm(level) for level in levels]
    shown = {row[0]: dict(zip(levels, row[1:], strict=True)) for row in rows}
    for row in found["cells"]:
        assert shown[page.cell(row["levels"])][row["levels"]["bn"]] == f"{row['failed']}/{row['runs']}"
    assert len(found["cells"]) == sum(map(len, shown.values()))
    tests = [
        [page.arm(row["level"]), percent(arm["rate"]), between(arm, percent), smallest(row)]
        for row in found["comparisons"]
        for arm in [arms[row["level"]]]
    ]
    assert page.rows("collapse-tests") == tests
    total = [sum(row[key] for row in found["arms"]) for key in ("collapsed", "runs")]
    assert f"{total[0]} of {total[1]} runs collapsed" in page.sections["collapse"]


def test_cells_are_those_of_their_file(page: Page) -> None:
    expected = [
        [
            page.cell(row["levels"]),
            str(row["runs"]),
            *(f"{fixed(row[key], 2)} %" for key in ("median", "mean")),
            fixed(row["sd"], 2),
            *(f"{fixed(row[key], 2)} %" for key in ("min", "max")),
            str(row["collapsed"]),
            str(row["diverged"]),
        ]
        for row in page.read("cells")
    ]
    assert page.rows("cells") == expected


def test_checks_are_those_of_the_diagnostics(page: Page) -> None:
    found = page.read("diagnostics")
    levene, shapiro = found["levene"], found["shapiro"]
    expected = [
        ["Equal spread in all cells", f"F {significant(levene['statistic'], 3)}, p {p_value(levene['p'])}"],
        ["Normal residuals", f"W {fixed(shapiro['statistic'], 3)}, p {p_value(shapiro['p'])}"],
        *([f"Pairing, {page.arm(row['level'])}", fixed(row["variance_ratio"], 2)] for row in found["pairing"]),
        *(
            [
                f"Influence, {page.arm(row['level'])}",
                f"{fixed(row['largest_change'], 2)} SE{', the sign turns' if row['sign_changes'] else ''}",
            ]
            for row in found["influence"]
        ),
        ["Seeding", found["seeding"]["in_words"]],
    ]
    assert [row[:2] for row in page.rows("checks")] == expected
    for arm in found["influence"]:
        reach = sorted(row["estimate"] for row in [*arm["blocks"], *arm["cells"]])
        told = f"{page.arm(arm['level'])}: {points(reach[0])} pp to {points(reach[-1])} pp"
        assert told in page.words["influence"]
    for arm in found["qq"]:
        worst = max(arm["observed"], key=abs)
        assert f"{page.arm(arm['level'])}: largest residual {fixed(worst, 1)} SD" in page.words["quantiles"]


def test_planning_is_that_of_power(page: Page) -> None:
    found = page.read("power")
    told = [
        f"{row['effect']:g} pp {words}: {row['seeds']:,} ({row['low']:,} to {row['high']:,}) seeds"
        for key, words in (("main", "averaged over all cells"), ("cell", "in a single cell"))
        for row in found[key]["seeds_for"]
        if row["seeds"] is not None and row["low"] is not None and row["high"] is not None
    ]
    assert told
    for words in told:
        assert words in page.words["power"]
    main_, cell = (significant(found[key]["detectable"]["effect"]) for key in ("main", "cell"))
    assert (
        f"from {main_} pp on, averaged over the cells, in a single cell from {cell} pp on" in page.sections["planning"]
    )
    assert f"With {found['planned_seeds']} seeds" in page.sections["planning"]


def test_what_made_the_numbers_and_their_cost_are_those_of_the_provenance(page: Page) -> None:
    made = page.read("provenance")
    shown = {row[0]: row[1] for key in ("provenance", "cost") for row in page.tables[key]}
    assert shown["Runs"].startswith(f"{made['runs']['done']} of {made['runs']['planned']} planned")
    assert shown["Commit"] == made["commits"][0]
    assert shown["Trainings"] == str(made["cost"]["trainings"])
    assert shown["Training time"] == f"{fixed(made['cost']['training_seconds'] / 60, 0)} min"
    assert (
        shown["Time of one training"] == f"{fixed(made['cost']['training_seconds'] / made['cost']['trainings'], 0)} s"
    )
    assert shown["Use of the cores"] == "87 % training steps, 8.1 % scoring, 4.7 % start-up and waiting"


def test_learning_curves_end_where_their_file_does(page: Page) -> None:
    rows = page.read("curves")
    last = max(row["epoch"] for row in rows)
    for row in rows:
        if row["epoch"] == last:
            ends = " to ".join(f"{fixed(row[key], 2)} %" for key in ("q10", "q90"))
            told = f"{page.arm(row['levels']['bn'])}, {page.cell(row['levels'])}: {fixed(row['median'], 2)} % ({ends})"
            assert told in page.words["curves"]
    for row in page.read("curve_contrasts"):
        if row["epoch"] == last and row["scale"] == "pp":
            told = f"{page.arm(row['level'])}: {points(row['estimate'])} pp ({between(row, points)})"
            assert told in page.words["difference-by-epoch"]


def test_where_a_contrast_was_settled_is_that_of_its_file(sequential: Page) -> None:
    about, path = sequential.read("sequential"), sequential.read("sequential_path")
    expected = []
    for arm in about["arms"]:
        last = [row for row in path if row["level"] == arm["level"]][-1]
        naive = arm["naive"]
        expected.append(
            [
                sequential.arm(arm["level"]),
                str(arm["settled_at"] or f"open after {arm['blocks']}"),
                arm["label"],
                f"{points(last['estimate'])} pp",
                between(last, points),
                str(arm["fixed_blocks"] or "–"),
                f"{naive['label']}, after {naive['blocks']} seeds" if naive else "no conclusion",
            ]
        )
        told = f"{sequential.arm(arm['level'])} after {last['blocks']} seeds: {points(last['estimate'])} pp"
        assert f"{told} ({between(last, points)}), {last['label']}" in sequential.words["path"]
    assert sequential.rows("settled") == expected
    assert {arm["settled_at"] is None for arm in about["arms"]} == {True, False}
    runs = f"It took {about['runs']} runs; a fixed design of {about['budget']} seeds takes {about['runs_of_budget']}"
    assert runs in sequential.sections["sequential"]


def test_a_number_has_two_digits_of_the_margin_and_its_lost_runs_are_bounded(numeric: Page) -> None:
    def loss(value: float) -> str:
        return fixed(value, 3, sign=True)

    contrasts = numeric.read("contrasts")
    (row,) = contrasts
    shown = numeric.rows("arms")[1]
    assert [shown[0], shown[2], shown[4]] == ["b", f"{loss(row['estimate'])} ({between(row, loss)})", row["label"]]
    found = numeric.read("missing")
    bounds = [["b", *(loss(bound[key]) for key in ("estimate", "at_worst", "at_best"))] for bound in found["bounds"]]
    assert numeric.rows("missing") == bounds
    assert f"{found['missing']} of {found['planned']} runs are missing" in numeric.captions["missing"]
    cells = [
        [
            f"size {row['levels']['size']}",
            str(row["runs"]),
            *(fixed(row[key], 3) for key in ("median", "mean", "sd", "min", "max")),
        ]
        for row in numeric.read("cells")
    ]
    assert [row[:7] for row in numeric.rows("cells")] == cells


def test_the_negative_control_is_that_of_its_file(numeric: Page) -> None:
    again = [numeric.read("negative_control")["contrast"]]
    expected = [
        [
            name,
            fixed(row["estimate"], 3, True),
            between(row, lambda end: fixed(end, 3, True)),
            p_value(row["p_adjusted"]),
        ]
        for name, rows in (("a, other seeds", again), ("b", numeric.read("contrasts")))
        for row in rows
    ]
    assert numeric.rows("negative-control") == expected
