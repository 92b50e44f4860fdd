"""A numeric response and independent runs, against closed forms and other packages; tables as trackers export them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from study.analysis.read import run_table
from study.analysis.run import analyse
from study.cli import main
from study.design.response import AnalysisSpec
from study.report.results import read_results
from study.report.sureness import sureness
from study.report.verdict import verdict

ARMS = ("sgd", "adam", "lion")


def runs(seeds: int = 8, rng_seed: int = 0) -> pd.DataFrame:
    """A loss: 3 arms x 2 sizes x seeds, a seed's runs alike, adam lower by 0.2, lion as the control."""
    draw = np.random.default_rng(rng_seed)
    seed_effect = draw.normal(0, 0.1, seeds)
    rows = [
        {
            "optimizer": arm,
            "size": size,
            "seed": seed,
            "loss": 1.0 - 0.2 * (arm == "adam") + 0.3 * (size == 2) + seed_effect[seed] + draw.normal(0, 0.05 * size),
        }
        for arm in ARMS
        for size in (1, 2)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def analysed(frame: pd.DataFrame, block: str | None = "seed", margin: float = 0.1, **outcome: Any) -> dict[str, Any]:
    outcome = outcome or {"response": "loss", "better": "lower"}
    spec = AnalysisSpec(("optimizer", "size"), "sgd", block, margin=margin, **outcome)
    return analyse(run_table(frame, spec), spec)


def contrast(results: dict[str, Any], level: str, scale: str = "response") -> dict[str, Any]:
    (row,) = [row for row in results["contrasts"] if row["level"] == level and row["scale"] == scale]
    return row


def test_a_number_with_blocks_is_the_paired_t_test_of_the_seeds_means() -> None:
    frame = runs()
    means = frame.pivot_table(index="seed", columns="optimizer", values="loss")
    results = analysed(frame)
    for arm in ARMS[1:]:
        row, expected = contrast(results, arm), stats.ttest_rel(means[arm], means["sgd"])
        assert row["estimate"] == pytest.approx((means[arm] - means["sgd"]).mean(), rel=1e-9)
        assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)
        assert row["statistic"] == pytest.approx(expected.statistic, rel=1e-9)


def test_a_number_without_blocks_has_welchs_errors_and_the_estimates_of_least_squares() -> None:
    frame = runs()
    results = analysed(frame, block=None)
    fitted = smf.ols("loss ~ C(optimizer, Treatment('sgd')) * C(size, Sum)", frame).fit(cov_type="HC2")
    cells = {key: group["loss"] for key, group in frame.groupby(["optimizer", "size"])}
    for arm in ARMS[1:]:
        row, name = contrast(results, arm), f"C(optimizer, Treatment('sgd'))[T.{arm}]"
        assert row["estimate"] == pytest.approx(fitted.params[name], rel=1e-9)
        # With one mean a cell, HC2 is each cell's own variance over its runs.
        assert row["se"] == pytest.approx(fitted.bse[name], rel=1e-9)
        parts = np.array([cells[a, s].var(ddof=1) / 8 / 4 for a in (arm, "sgd") for s in (1, 2)])
        assert row["df"] == pytest.approx(parts.sum() ** 2 / (parts**2 / 7).sum(), rel=1e-9)
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(row["estimate"] / row["se"]), row["df"]), rel=1e-9)


def test_inside_a_cell_independent_runs_are_compared_by_welchs_t_test() -> None:
    frame = runs().drop(index=[0, 1, 20])
    for row in analysed(frame, block=None)["simple_effects"]:
        cell = frame[frame["size"] == int(row["cell"]["size"])].groupby("optimizer")["loss"]
        expected = stats.ttest_ind(cell.get_group(row["level"]), cell.get_group("sgd"), equal_var=False)
        assert row["df"] == pytest.approx(expected.df, rel=1e-9)
        assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_without_blocks_intervals_are_wider_where_the_runs_of_a_seed_are_alike() -> None:
    frame = runs()
    paired, unpaired = (contrast(analysed(frame, block), "adam") for block in ("seed", None))
    assert paired["estimate"] == pytest.approx(unpaired["estimate"], rel=1e-12)
    assert unpaired["se"] > 1.3 * paired["se"]


def test_a_proportion_analysed_as_a_number_gives_the_same_difference_in_another_unit() -> None:
    draw = np.random.default_rng(3)
    frame = runs().assign(n=500)
    frame["k"] = draw.binomial(500, np.where(frame["optimizer"] == "adam", 0.9, 0.85))
    frame["share"] = frame["k"] / frame["n"]
    as_counts = analysed(frame, successes="k", trials="n", margin=1.0)
    as_number = analysed(frame, response="share", margin=0.01)
    for arm in ARMS[1:]:
        pp, share = contrast(as_counts, arm, "pp"), contrast(as_number, arm)
        for name in ("estimate", "se", "ci_low", "ci_high"):
            assert pp[name] == pytest.approx(100 * share[name], rel=1e-9)
        for name in ("df", "p", "p_adjusted"):
            assert pp[name] == pytest.approx(share[name], rel=1e-7, abs=1e-12)
        assert pp["label"] == share["label"]


def test_the_direction_turns_the_verdict_and_not_the_numbers() -> None:
    frame = runs()
    lower = contrast(analysed(frame), "adam")
    higher = contrast(analysed(frame, response="loss", better="higher"), "adam")
    assert (lower["label"], higher["label"]) == ("better by more than the margin", "worse by more than the margin")
    assert lower["estimate"] == higher["estimate"] < 0


def test_runs_that_diverged_are_counted_and_are_not_missing() -> None:
    frame = runs().assign(status="ok")
    lost = frame.index[(frame["optimizer"] == "lion") & (frame["seed"] < 3)]
    frame.loc[lost, ["loss", "status"]] = [np.nan, "diverged"]
    for block in ("seed", None):
        results = analysed(frame, block)
        (arm,) = [row for row in results["collapse"]["arms"] if row["level"] == "lion"]
        assert (arm["runs"], arm["diverged"], arm["failed"]) == (16, 6, 6)
        assert (results["missing"] or {"missing": 0})["missing"] == 0
        assert contrast(results, "lion")["estimate"] is not None


def test_a_cell_in_which_all_runs_diverged_leaves_no_comparison_but_the_counts() -> None:
    frame = runs().assign(status="ok")
    frame.loc[(frame["optimizer"] == "lion") & (frame["size"] == 2), ["loss", "status"]] = [np.nan, "diverged"]
    results = analysed(frame)
    row = contrast(results, "lion")
    assert row["estimate"] is row["se"] is row["p"] is None
    assert "no run has a number" in row["note"]
    assert contrast(results, "adam")["label"] == "better by more than the margin"
    assert results["mixed"] is None
    assert results["analysis"]["absent"]
    assert [c["mean"] is None for c in results["cells"]].count(True) == 1


WANDB = "Name,State,Runtime,config.optimizer,size,seed,val/loss\n"


def export(tmp_path: Path, text: str, name: str = "export.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_weights_and_biases_export_is_read_as_it_comes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = runs()
    lines = [f"run-{i},finished,12,{r.optimizer},{r.size},{r.seed},{r.loss}" for i, r in enumerate(frame.itertuples())]
    lines[40] = lines[40].rsplit(",", 1)[0] + ",NaN"
    lines += ["run-98,crashed,1,adam,1,0,", "run-99,running,1,adam,2,7,0.2"]
    table = export(tmp_path, WANDB + "\n".join(lines) + "\n")
    options = ["--factor", "optimizer=config.optimizer", "--factor", "size", "--block", "seed", "--margin", "0.1"]
    options += ["--response", "val/loss", "--name", "validation loss", "--unit", "nats", "--better", "lower"]
    out = tmp_path / "results"
    assert main(["analyze", str(table), *options, "--control", "optimizer=sgd", "--out", str(out)]) == 0
    about = json.loads((out / "analysis.json").read_text())
    assert about["left_out"] == {"crashed": 1, "running": 1}
    assert about["without_number"] == 1
    assert about["runs"] == 48
    expected = analysed(frame.assign(status="ok").drop(index=40))
    (row,) = [r for r in json.loads((out / "contrasts.json").read_text()) if r["level"] == "adam"]
    assert row["estimate"] == pytest.approx(contrast(expected, "adam")["estimate"], rel=1e-9)
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.startswith("Yes: “adam”, ")
    page = (out / "report.html").read_text()
    assert "It cannot know whether the question" in page
    assert "Left out, as they have no outcome: 1 crashed and 1 running" in page
    assert "1 finished run without a number" in page
    assert "Every run: validation loss" in page
    for absent in ("accuracy", "Odds of an error", "test set", "images"):
        assert absent not in page.split('id="report-data"')[0].split("</style>")[1]


def test_an_mlflow_export_is_read_as_it_comes(tmp_path: Path) -> None:
    frame = runs()
    columns = {"optimizer": "params.optimizer", "size": "params.size", "seed": "params.seed", "loss": "metrics.loss"}
    table = frame.rename(columns=columns).assign(run_id=[f"{i:032x}" for i in range(len(frame))], status="FINISHED")
    failed = table.iloc[[0]].assign(status="FAILED")
    pd.concat([table, failed]).to_csv(tmp_path / "runs.csv", index=False)
    options = ["--factor", "optimizer=params.optimizer", "--factor", "size=params.size", "--block", "seed=params.seed"]
    options += ["--response", "metrics.loss", "--better", "lower", "--control", "optimizer=sgd"]
    assert main(["analyze", str(tmp_path / "runs.csv"), *options, "--out", str(tmp_path / "out")]) == 0
    (row,) = [r for r in json.loads((tmp_path / "out/contrasts.json").read_text()) if r["level"] == "adam"]
    assert row["p"] == pytest.approx(contrast(analysed(frame), "adam")["p"], rel=1e-9)
    assert json.loads((tmp_path / "out/analysis.json").read_text())["left_out"] == {"failed": 1}


def test_a_word_that_no_tracker_says_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = runs().assign(status="half done")
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ["--factor", "optimizer", "--factor", "size", "--block", "seed", "--response", "loss"]
    assert (
        main(["analyze", str(tmp_path / "t.csv"), *options, "--control", "optimizer=sgd", "--out", str(tmp_path)]) == 2
    )
    told = capsys.readouterr().err
    assert "'half done' in row 1; known: ok, finished" in told
    assert told.count("\n") == 1


def test_the_page_says_what_unpaired_runs_cost_and_draws_them(tmp_path: Path) -> None:
    runs().to_csv(tmp_path / "t.csv", index=False)
    options = [
        "--factor",
        "optimizer",
        "--factor",
        "size",
        "--block",
        "none",
        "--response",
        "loss",
        "--better",
        "lower",
    ]
    assert (
        main(["analyze", str(tmp_path / "t.csv"), *options, "--control", "optimizer=sgd", "--out", str(tmp_path)]) == 0
    )
    assert main(["report", str(tmp_path)]) == 0
    results = read_results(tmp_path)
    text = " ".join(sureness(results, verdict(results)))
    assert "groups of independent runs are compared" in text
    assert "half as many runs" in text
    page = (tmp_path / "report.html").read_text()
    assert "Factorial analysis of variance (type III)" in page
    for absent in ("its block", "None", "Follow None", "each seed is compared with itself"):
        assert absent not in page.split('id="report-data"')[0].split("</style>")[1]
