"""What the inference statistics do to the scores, on tables that one can count by hand."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study import cli, trainers
from study.design import plan
from study.design.plan import Plan
from study.store import tables
from study.store.record import Store
from study.trainers.mnist.mechanism import mechanism, statistics_gap
from tests import examples

# (bn, dropout, right of 100 with moving, population and batch statistics)
SCORES = [
    ("none", 0.0, 90, 90, 90),
    ("none", 0.0, 20, 20, 20),
    ("none", 0.3, 92, 92, 92),
    ("none", 0.3, 94, 94, 94),
    ("stale", 0.0, 10, 95, 96),
    ("stale", 0.0, 30, 97, 96),
    ("stale", 0.3, 80, 40, 96),
    ("stale", 0.3, 79, 80, 96),
]
# (bn, epoch, layer, ln of moving over true variance), two runs each
GAP = [
    ("stale", 0, 1, None),
    ("stale", 0, 1, None),
    ("stale", 1, 1, 2.0),
    ("stale", 1, 1, 3.0),
    ("stale", 1, 2, -4.0),
    ("stale", 1, 2, -5.0),
    ("stale", 2, 1, 1.0),
    ("stale", 2, 1, 2.0),
    ("stale", 2, 2, -3.0),
    ("stale", 2, 2, None),
]

TRAINING = {"epochs": 2, "batch_size": 50, "train_images": 1010}
# (bn, dropout, layer, ln of moving over true variance before training and after two epochs), two runs each
COURSES = [
    ("keras", 0.0, 1, 4.0, 2.0, 0.3),
    ("keras", 0.0, 1, 6.0, 3.0, 0.5),
    ("keras", 0.0, 2, 1.0, 0.1, 0.2),
    ("keras", 0.0, 2, 1.0, 0.1, 0.2),
    ("libs", 0.0, 1, None, 0.0, 0.0),
    ("libs", 0.0, 1, None, 0.0, None),
    ("keras", 0.3, 1, 5.0, 3.0, 1.0),
    ("keras", 0.3, 1, 5.0, 3.0, 1.0),
    ("contrib_stale", 0.3, 1, 5.0, 4.0, 2.0),
    ("contrib_stale", 0.3, 1, 5.0, 4.0, 2.0),
]


def recoveries(courses: list[tuple[Any, ...]]) -> dict[str, Any]:
    """`mechanism.json` of a study with these courses, one score for all runs."""
    gap = pd.DataFrame(
        [
            {"bn": bn, "dropout": dropout, "layer": layer, "epoch": epoch, "log_variance_ratio": ratio}
            for bn, dropout, layer, *ratios in courses
            for epoch, ratio in enumerate(ratios)
        ]
    )
    runs = gap[["bn", "dropout"]].drop_duplicates().reset_index(drop=True)
    scores = {"test_correct": 9, "test_correct_population": 9, "test_correct_batch": 9, "test_trials": 10}
    result = mechanism(runs.assign(**scores), gap, ["bn", "dropout"], 0.8, TRAINING)
    return json.loads(json.dumps(result, allow_nan=False))


@pytest.fixture
def explained() -> dict[str, Any]:
    runs = pd.DataFrame(
        SCORES, columns=["bn", "dropout", "test_correct", "test_correct_population", "test_correct_batch"]
    ).assign(test_trials=100)
    gap = pd.DataFrame(GAP, columns=["bn", "epoch", "layer", "log_variance_ratio"]).assign(dropout=0.3)
    result = mechanism(runs, gap, ["bn", "dropout"], 0.8, TRAINING)
    # As the file has it.
    return json.loads(json.dumps(result, allow_nan=False))


def test_a_run_below_the_threshold_collapsed_and_one_on_it_did_not(explained: dict[str, Any]) -> None:
    assert explained["threshold"] == 0.8
    assert [(arm["level"], arm["runs"], arm["collapsed"]) for arm in explained["arms"]] == [
        ("none", 4, 1),
        ("stale", 4, 3),
    ]


def test_recovered_are_the_collapsed_that_population_statistics_save(explained: dict[str, Any]) -> None:
    # A run that only population statistics bring down is none of them; one that they bring to the threshold is.
    assert [arm["recovered_by_population"] for arm in explained["arms"]] == [0, 3]


def test_medians_are_by_arm_and_way_of_scoring_in_percent(explained: dict[str, Any]) -> None:
    none, stale = (arm["median_accuracy"] for arm in explained["arms"])
    assert none == pytest.approx({"moving": 91.0, "population": 91.0, "batch": 91.0})
    assert stale == pytest.approx({"moving": 54.5, "population": 87.5, "batch": 96.0})


def test_the_gap_has_quantiles_by_layer_and_epoch_where_it_was_measured(explained: dict[str, Any]) -> None:
    gap = explained["arms"][1]["gap"]
    assert [(row["layer"], row["epoch"]) for row in gap] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert gap[0] == pytest.approx({"layer": 1, "epoch": 1, "q10": 2.1, "median": 2.5, "q90": 2.9})
    assert gap[3] == pytest.approx({"layer": 2, "epoch": 2, "q10": -3.0, "median": -3.0, "q90": -3.0})
    assert explained["arms"][0]["gap"] == []


def test_the_final_factor_is_that_of_the_worst_layer_after_the_last_epoch(explained: dict[str, Any]) -> None:
    # Of layer 1 the variance is too large; that of layer 2 is farther off, and too small.
    assert explained["arms"][1]["final_gap_factor"] == pytest.approx(math.exp(-3))
    assert explained["arms"][0]["final_gap_factor"] is None


def test_recovery_is_by_cell_and_layer_from_the_medians_of_the_runs() -> None:
    found = recoveries(COURSES)["recovery"]
    assert [(row["level"], row["levels"]["dropout"], row["layer"]) for row in found] == [
        ("keras", 0.0, 1),
        ("keras", 0.0, 2),
        ("libs", 0.0, 1),
        ("keras", 0.3, 1),
        ("contrib_stale", 0.3, 1),
    ]
    # By the variance before training: 1 / e^5 and, in the second layer, 1 / e.
    assert found[0] == {
        "level": "keras",
        "levels": {"dropout": 0.0},
        "layer": 1,
        "decay": 0.99,
        "start": 1.0,
        "variance": pytest.approx(math.exp(-5)),
        "predicted_steps": math.ceil(math.log(0.5 / (math.exp(5) - 1)) / math.log(0.99)),
        "observed_steps": 40,
        "steps": 40,
        "steps_an_epoch": 20,
    }
    assert (found[1]["variance"], found[1]["observed_steps"]) == (pytest.approx(math.exp(-1)), 20)
    # Two epochs of 20 steps, the first without a ratio; its variance is that of the other implementation's training.
    assert (found[2]["predicted_steps"], found[2]["observed_steps"]) == (11, 20)
    assert found[2]["variance"] == pytest.approx(math.exp(-5))


def test_an_implementation_that_never_moves_shows_the_true_variance_after_every_epoch() -> None:
    keras, stale = recoveries(COURSES)["recovery"][3:]
    assert keras["variance"] == stale["variance"] == pytest.approx(math.exp(-2))
    assert keras["predicted_steps"] == math.ceil(math.log(0.5 / (math.exp(2) - 1)) / math.log(0.99))
    assert (stale["predicted_steps"], stale["observed_steps"]) == (None, None)


def test_an_arm_has_the_recovery_that_falls_shortest() -> None:
    result = recoveries(COURSES)
    arms = {arm["level"]: arm["recovery"] for arm in result["arms"]}
    assert arms == {
        "keras": result["recovery"][0],
        "libs": result["recovery"][2],
        "contrib_stale": result["recovery"][4],
    }


def test_a_factor_of_the_training_counts_as_its_level_does() -> None:
    gap = pd.DataFrame(
        [
            {"bn": "keras", "batch_size": batch, "layer": 1, "epoch": epoch, "log_variance_ratio": 5.0 - epoch}
            for batch in (50, 100)
            for epoch in (0, 1, 2)
        ]
    )
    scores = {"test_correct": 9, "test_correct_population": 9, "test_correct_batch": 9, "test_trials": 10}
    runs = pd.DataFrame({"bn": ["keras"] * 2, "batch_size": [50, 100]}).assign(**scores)
    result = mechanism(runs, gap, ["bn", "batch_size"], 0.8, TRAINING)
    assert [(row["steps"], row["steps_an_epoch"]) for row in result["recovery"]] == [(40, 20), (20, 10)]
    assert result["arms"][0]["recovery"]["levels"] == {"batch_size": 100}


def test_without_a_measured_variance_nothing_is_predicted_but_from_a_start_at_zero() -> None:
    found = recoveries([("keras", 0.0, 1, None, 1.0, 1.0), ("libs", 0.0, 1, None, 0.0, 0.0)])
    assert [(row["level"], row["variance"], row["predicted_steps"]) for row in found["recovery"]] == [
        ("libs", None, 11)
    ]
    assert [arm["recovery"] is None for arm in found["arms"]] == [True, False]


def test_every_cell_has_its_range_under_each_way_of_scoring(explained: dict[str, Any]) -> None:
    assert [cell["levels"] for cell in explained["cells"]] == [
        {"bn": bn, "dropout": dropout} for bn in ("none", "stale") for dropout in (0.0, 0.3)
    ]
    last = explained["cells"][3]
    assert last["runs"] == 2
    assert last["accuracy"]["moving"] == pytest.approx({"min": 79.0, "median": 79.5, "max": 80.0})
    assert last["accuracy"]["population"] == pytest.approx({"min": 40.0, "median": 60.0, "max": 80.0})
    assert last["accuracy"]["batch"] == pytest.approx({"min": 96.0, "median": 96.0, "max": 96.0})


@pytest.mark.parametrize(
    ("design", "training", "levels"),
    [
        ({"factors": {"dropout": None}}, {}, {"bn": "keras"}),
        ({"factors": {"dropout": None, "epochs": [1, 2]}}, {}, {"bn": "keras", "epochs": 2}),
        (
            {"factors": {"bn": None}, "control": {"bn": None, "dropout": 0.0}},
            {"bn": "keras"},
            {"dropout": 0.3},
        ),
        ({"factors": {"bn": None}, "control": {"bn": None, "dropout": 0.0}}, {"bn": "none"}, {"dropout": 0.3}),
    ],
    ids=["bn alone", "a factor of whole numbers", "bn the same everywhere", "no bn anywhere"],
)
def test_any_design_can_be_explained(
    tmp_path: Path, design: dict[str, Any], training: dict[str, Any], levels: dict[str, Any]
) -> None:
    planned = examples.planned(examples.resolved(design=design, training=training))
    trainer, store = trainers.choose(planned.config), Store(tmp_path / "runs")
    examples.fill(store, planned)
    plan.write(planned, tmp_path, {})
    tables.write(tables.collect(planned, trainer, store), tmp_path)
    command = f"explain {tmp_path}/design.json --runs {tmp_path}/runs.parquet --store {tmp_path}/runs --out {tmp_path}"
    assert cli.main(command.split()) == 0
    result = json.loads((tmp_path / "mechanism.json").read_text())
    assert result["cells"][-1]["levels"] == levels
    arm = result["arms"][-1]
    assert arm["level"] == planned.runs()[-1][1].settings["bn"]
    assert bool(arm["gap"]) == (arm["level"] != "none")
    assert all((tmp_path / name).stat().st_size > 0 for name in trainer.result_files)


def test_the_gap_has_one_row_a_normalised_run_epoch_and_layer(tmp_path: Path, small_plan: Plan) -> None:
    store = Store(tmp_path / "runs")
    examples.fill(store, small_plan)
    _, cell, seed = small_plan.runs()[-1]
    store.write(examples.record(small_plan, cell, seed, diverged=True))
    runs = tables.collect(small_plan, trainers.choose(small_plan.config), store).runs
    gap = statistics_gap(runs[["run_id", "bn", "dropout", "seed"]], store, trainers.choose(small_plan.config))
    assert list(gap) == ["run_id", "bn", "dropout", "seed", "epoch", "layer", "log_variance_ratio", "mean_shift"]
    assert set(gap["bn"]) == {"keras"}
    assert len(gap) == 5 * 3 * 2 + 1 * 2 * 2
    for run_id, rows in gap.groupby("run_id"):
        expected = json.loads(store.path(str(run_id)).read_text(encoding="utf-8"))["gap"]
        assert list(rows["layer"]) == expected["layer"]
        assert list(rows["epoch"]) == expected["epoch"]
        found = [None if math.isnan(value) else value for value in rows["log_variance_ratio"]]
        assert found == expected["log_variance_ratio"]


def test_a_study_without_normalisation_has_an_empty_gap_with_its_columns(tmp_path: Path) -> None:
    plan = examples.planned(
        examples.resolved(design={"factors": {"bn": None}, "control": {"bn": None, "dropout": 0.0}})
    )
    store = Store(tmp_path / "runs")
    examples.fill(store, plan)
    runs = tables.collect(plan, trainers.choose(plan.config), store).runs
    gap = statistics_gap(runs[["run_id", "dropout", "seed"]], store, trainers.choose(plan.config))
    assert gap.empty
    assert list(gap) == ["run_id", "dropout", "seed", "epoch", "layer", "log_variance_ratio", "mean_shift"]
