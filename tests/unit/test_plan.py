"""The design as a file."""

import csv
import json
from pathlib import Path

import pytest

from study import trainers
from study.design import factorial, plan
from study.design.plan import Plan
from study.design.response import analysis_spec
from study.errors import StudyError
from study.trainers.mnist import data
from study.trainers.mnist.version import ENGINE_VERSION
from tests import examples
from tests.examples import resolved


def test_a_plan_that_was_written_is_read_as_it_was(tmp_path: Path, small_plan: Plan) -> None:
    plan.write(small_plan, tmp_path, {})
    read = plan.read(tmp_path / "design.json")
    assert read == small_plan
    assert read.runs() == small_plan.runs()
    assert read.digest == small_plan.digest


def test_the_design_file_holds_what_later_steps_need(tmp_path: Path) -> None:
    words = {"titles": {"bn": "batch normalisation"}, "labels": {"bn": {"none": "no BN"}, "dropout": {"0.3": "30 %"}}}
    planned = examples.planned(resolved(report=words, study={"name": "small", "question": "Why?"}))
    plan.write(planned, tmp_path, trainers.choose(planned.config).words())
    content = json.loads((tmp_path / "design.json").read_text())
    assert content.pop("config") == planned.config
    assert content.pop("plan_digest") == factorial.plan_digest(planned.config)
    assert content == {
        "schema": 2,
        "name": "small",
        "question": "Why?",
        "short_question": "",
        "network": "asker",
        "factors": [
            {
                "name": "bn",
                "title": "batch normalisation",
                "levels": ["none", "keras"],
                "labels": ["no BN", "keras"],
            },
            {"name": "dropout", "title": "dropout", "levels": [0.0, 0.3], "labels": ["0.0", "30 %"]},
        ],
        "block": "seed",
        "seeds": [0, 1, 2],
        "control": {"factor": "bn", "level": "none"},
        "runs_planned": 12,
        "plan": {"alpha": 0.05, "margin_pp": 0.1, "tune": "lr", "collapse_below": 0.9},
        "epochs": 2,
        "batch_size": 50,
        "train_images": 400,
        "data": {"name": "mnist", "digest": data.load("mnist").digest},
        "origin": {"data": "d" * 64, "engine": ENGINE_VERSION},
        "shared": {"bn": ["keras"]},
    }


def test_the_table_of_runs_has_every_run_with_its_levels_and_its_training(tmp_path: Path, small_plan: Plan) -> None:
    plan.write(small_plan, tmp_path, {})
    with (tmp_path / "design.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["run_id", "bn", "dropout", "seed", "trajectory"]
    assert [(row["bn"], row["dropout"], row["seed"]) for row in rows] == [
        (bn, dropout, seed) for bn in ("none", "keras") for dropout in ("0.0", "0.3") for seed in "012"
    ]
    assert [row["run_id"] for row in rows] == [run_id for run_id, _, _ in small_plan.runs()]
    assert rows[-1]["trajectory"] == "bn~shared_dropout~0.3"


def test_every_job_is_found_by_its_name(small_plan: Plan) -> None:
    for job in small_plan.jobs():
        assert small_plan.job(job.trajectory, job.block) == job


@pytest.mark.parametrize(("trajectory", "block"), [("bn~shared_dropout~0.3", "0-4"), ("bn~libs_dropout~0.3", "0-2")])
def test_a_job_that_the_design_lacks_is_named_with_those_it_has(small_plan: Plan, trajectory: str, block: str) -> None:
    with pytest.raises(StudyError) as caught:
        small_plan.job(trajectory, block)
    message = str(caught.value)
    assert f"{trajectory} with seeds {block}" in message
    assert "bn~none_dropout~0.0" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", "3", '{"schema": 2}', '{"schema": 1, "config": {}}', b"\xff\xfe"]
)
def test_a_design_that_cannot_be_read_is_named_with_what_to_type(tmp_path: Path, content: str | bytes | None) -> None:
    path = tmp_path / "design.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StudyError) as caught:
        plan.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "`--forcerun design`" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("control", "focus", "tuned"), [({"bn": "none"}, "bn", "lr"), ({"bn": None, "lr": 0.001}, "lr", None)]
)
def test_the_learning_rate_is_tuned_where_it_is_not_in_question(
    control: dict[str, object], focus: str, tuned: str | None
) -> None:
    config = resolved(design={"factors": {"dropout": None, "lr": [0.001, 0.002]}, "control": control})
    spec = analysis_spec(config, trainers.choose(config).response())
    assert (spec.factors[0], set(spec.factors), spec.tune) == (focus, {"bn", "lr"}, tuned)
