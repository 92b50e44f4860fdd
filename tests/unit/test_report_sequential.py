"""The report of a sequential study: its verdict rests on what holds at the time of stopping, and its path is shown."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from study.report.page import render
from study.report.pictures import both
from study.report.results import Results, read_results
from study.report.sections import sequential
from study.report.verdict import verdict
from study.stats.effects.sign_flip import block_differences
from study.stats.sequential.path import paths
from study.stats.table import build_table
from tests.report_fixture import Arm, Scenario, write_results

LOOKS = (5, 10, 15)
ARMS = (
    Arm("none", "no BN"),
    Arm("large", "large gain", gain=0.9, decay=0.9),
    Arm("none_2", "no gain", decay=0.9),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = Scenario(arms=ARMS, seeds=15, epochs=1, dropout=(0.0,), run_sd=0.2, looks=LOOKS)
    return write_results(tmp_path_factory.mktemp("results") / "sequential", scenario)


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return read_results(folder)


def test_the_verdict_rests_on_the_intervals_that_hold_at_any_time(results: Results) -> None:
    runs = results.runs
    assert runs is not None
    table = build_table(runs, ["bn", "lr"], "none", "seed", "test_correct", "test_trials")
    for path in paths(table, LOOKS, margin=0.1):
        (row,) = (row for row in results.contrasts if row["level"] == path.level)
        last = path.looks[-1]
        assert (row["ci_low"], row["ci_high"], row["label"]) == (last.ci_low, last.ci_high, last.label)
        assert (row["p_adjusted"], row["statistic"]) == (last.p_adjusted, None)
        own = runs[runs["bn"].isin([path.level, "none"]) & (runs["seed"] < last.blocks)]
        assert row["runs"] == len(own)
        differences = block_differences(table, table.values("pp"))[: last.blocks, table.arms.index(path.level)]
        assert row["estimate"] == pytest.approx(differences.mean())
    arms = {arm.level: arm for arm in verdict(results).arms}
    assert arms["large"].label == "better by more than the margin"
    assert arms["none_2"].label == "inconclusive"


def test_settled_contrasts_have_fewer_runs_and_nothing_is_called_missing(folder: Path, results: Results) -> None:
    assert results.runs is not None
    counts = results.runs["bn"].value_counts()
    assert counts["large"] < counts["none"] == counts["none_2"] == 45
    assert not (folder / "analysis/missing.json").exists()
    assert not results.interim
    about = json.loads((folder / "analysis/sequential.json").read_text())
    assert about["unsettled"] == ["none_2"]
    assert about["runs"] == len(results.runs) < about["runs_of_budget"] == 3 * 3 * 15
    large = about["arms"][0]
    assert large["settled_at"] == counts["large"] / 3
    assert large["fixed_blocks"] >= 2
    path = pd.read_csv(folder / "analysis/sequential_path.csv")
    assert path["level"].value_counts().to_dict() == {"none_2": 3, "large": LOOKS.index(large["settled_at"]) + 1}


def test_the_page_tells_the_path_the_costs_and_what_does_not_hold(results: Results) -> None:
    page = re.sub(r"<[^>]*>", "", render(results).html)
    assert "When was it settled?" in page
    assert "no more seeds" in page
    assert "read them as a description" in page
    assert "Open when the budget was spent: no gain." in page
    assert "at most 15 seeds in every cell" in page


def test_the_figure_shows_all_looks_and_compiles(results: Results) -> None:
    figure = sequential.path(results)
    assert figure is not None
    frame = figure.data["path"]
    assert (frame["from"] <= frame["to"]).all()
    assert "no gain after 15 seeds" in figure.alternative
    assert all(svg.startswith("<svg") for svg in both(figure))


def test_a_fixed_study_has_no_such_section(tmp_path: Path) -> None:
    fixed = read_results(write_results(tmp_path / "fixed", Scenario(seeds=4, epochs=2, dropout=(0.0,), lr=(1e-3,))))
    assert sequential.path(fixed) is None
    assert sequential.settled(fixed) is None
    assert "When was it settled?" not in render(fixed)[0]
