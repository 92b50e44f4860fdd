"""The report of the runs so far: right, stamped, and without a verdict, whatever is there."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from study.cli import main
from study.design import plan
from study.design.factorial import Cell
from study.report.format import of
from study.store.record import Store
from tests import examples

SEEDS = 5


@pytest.fixture
def ask(tmp_path: Path, small_images: Path) -> Callable[..., int]:
    """`study interim` of bn {none, keras} x dropout {0.0, 0.3} x 5 seeds, with the records that `done` says."""
    config = examples.overlaid({"design": {"seeds": SEEDS}, "data": {"source": str(small_images)}})
    assert main(["design", json.dumps(config), "--out", str(tmp_path / "planned")]) == 0
    planned = plan.read(tmp_path / "planned/design.json")
    store = Store(tmp_path / "runs")

    def ask(done: Callable[[Cell, int], bool]) -> int:
        for _, cell, seed in planned.runs():
            if done(cell, seed):
                store.write(examples.record(planned, cell, seed))
        out = str(tmp_path / "interim")
        return main(["interim", json.dumps(config), "--store", str(store.root), "--out", out])

    return ask


def words(folder: Path) -> str:
    """What a reader of the page sees."""
    page = (folder / "interim/report.html").read_text(encoding="utf-8")
    return re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)


def result(folder: Path, name: str) -> dict:
    return json.loads((folder / f"interim/{name}.json").read_text(encoding="utf-8"))


def test_before_the_first_record_there_is_one_clear_line(
    ask: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert ask(lambda cell, seed: False) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("study: error: ")
    assert "none of the 20 planned runs has a record yet" in last
    assert not (tmp_path / "interim/report.html").exists()


@pytest.mark.parametrize(
    ("done", "count"),
    [
        (lambda cell, seed: seed == 0 and cell.levels == {"bn": "none", "dropout": 0.3}, 1),
        (lambda cell, seed: seed == 0, 4),
        (lambda cell, seed: cell.levels["bn"] == "none", 10),
        (lambda cell, seed: cell.levels["bn"] == "keras", 10),
        (lambda cell, seed: cell.levels != {"bn": "keras", "dropout": 0.0}, 15),
    ],
    ids=["one run", "one seed", "control only", "no control", "no cell"],
)
def test_too_few_runs_are_described_and_compared_with_nothing(
    ask: Callable[..., int], tmp_path: Path, done: Callable[[Cell, int], bool], count: int
) -> None:
    assert ask(done) == 0
    text = words(tmp_path)
    assert f"INTERIM {of(count, 20)} runs." in text
    assert "No verdict yet" in text
    assert "Every run: test accuracy" in text
    assert f"{count} of 20 planned, 0 diverged, {20 - count} missing" in text
    assert len(pd.read_parquet(tmp_path / "interim/runs.parquet")) == count
    assert sum(row["runs"] for row in result(tmp_path, "analysis/cells")) == count
    assert not (tmp_path / "interim/analysis/contrasts.json").exists()
    assert "comparisons begin with 2" in result(tmp_path, "analysis/analysis")["absent"]["contrasts"]
    # Apart from the page, a figure would not carry the stamp.
    assert not (tmp_path / "interim/figures").exists()


def test_seeds_that_are_not_whole_do_not_stop_the_analysis_nor_start_a_verdict(
    ask: Callable[..., int], tmp_path: Path
) -> None:
    assert ask(lambda cell, seed: seed < 3 or (seed == 3 and cell.levels["bn"] == "none")) == 0
    text = words(tmp_path)
    assert "INTERIM 14 of 20 runs." in text
    assert "No verdict yet" in text
    # The comparison is there for whatever the plan may allow; the page shows none of it.
    (row,) = (row for row in result(tmp_path, "analysis/contrasts") if row["scale"] == "pp")
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert result(tmp_path, "analysis/missing")["missing"] == 2
    for label in ("better than", "equivalent", "worse", "inconclusive"):
        assert label not in text.split("Methods")[0].lower()


def test_asked_again_it_tells_of_the_new_runs_and_of_the_last_without_a_stamp(
    ask: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(lambda cell, seed: seed < 3) == 0
    assert ask(lambda cell, seed: seed == 3) == 0
    assert "INTERIM 16 of 20 runs." in words(tmp_path)
    capsys.readouterr()
    assert ask(lambda cell, seed: True) == 0
    assert "INTERIM" not in words(tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[1] == str(tmp_path / "interim/report.html")


def test_what_became_too_early_leaves_no_older_comparison(ask: Callable[..., int], tmp_path: Path) -> None:
    stale = tmp_path / "interim/analysis/contrasts.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("[]")
    assert ask(lambda cell, seed: seed == 0) == 0
    assert not stale.exists()
