"""A sequential study grows look by look, spends nothing on what is settled, and takes the same course after a kill."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from study import trainers
from study.analysis import adaptive
from study.design.response import analysis_spec
from study.store.record import Store
from tests.examples import PROJECT
from tests.workflow.conftest import Changes, Study
from tests.workflow.test_resume import kill_when
from tests.workflow.test_workflow import NOTHING, trained

LOOKS = (5, 7)


@pytest.fixture(scope="module")
def growing(overlay: Changes) -> Changes:
    """One learning rate that is far too small, settled at once, and one so close to the control that nothing tells."""
    return overlay | {
        "study": {"name": "growing"},
        "design": {
            "factors": {"bn": None, "dropout": None, "lr": [0.002, 0.0021, 0.00001]},
            "control": {"bn": None, "lr": 0.002},
            "seeds": {"start": 5, "step": 2, "max": 7},
            "stop": "settled",
        },
        "execution": {"seeds_per_job": 5},
    }


@pytest.fixture(scope="module")
def grown(growing: Changes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, str]:
    """The study run from nothing to the report by one command, and what was said."""
    study = Study(tmp_path_factory.mktemp("growing"), growing)
    return study, study.succeed()


def decisions(study: Study) -> dict[int, Mapping[str, Any]]:
    return {look: json.loads(study.result(f"interim_looks/seeds~{look}.json").read_text()) for look in LOOKS}


def test_one_command_adds_seeds_for_what_is_open_until_the_budget_is_spent(grown: tuple[Study, str]) -> None:
    study, words = grown
    assert trained(words) == sorted(
        [
            *(f"lr~{lr}, seeds 0-4" for lr in ("0.002", "0.0021", "1e-05")),
            *(f"lr~{lr}, seeds 5-6" for lr in ("0.002", "0.0021")),
        ]
    )
    found = decisions(study)
    assert [found[look]["open"] for look in LOOKS] == [["0.0021"], []]
    assert found[7]["unsettled"] == ["0.0021"]
    assert found[7]["allocation"] == {"0.002": 7, "0.0021": 7, "1e-05": 5}
    assert found[7]["labels"]["1e-05"].startswith("worse")
    runs = pd.read_parquet(study.result("runs.parquet"))
    assert runs["lr"].astype(str).value_counts().to_dict() == {"0.002": 7, "0.0021": 7, "1e-05": 5}
    assert (
        "after 5 seeds 1 of 2 contrasts are settled: 1e-05 (worse by more than the margin); more seeds for 0.0021"
        in words
    )
    assert "the budget of seeds is spent, open: 0.0021" in words


def test_running_a_grown_study_again_does_nothing(grown: tuple[Study, str]) -> None:
    assert NOTHING in grown[0].succeed()


def test_a_decision_is_a_function_of_the_records(grown: tuple[Study, str], tmp_path: Path) -> None:
    study, _ = grown
    plan, store = study.planned(), Store(study.folder / "results/runs")
    trainer = trainers.choose(plan.config)
    spec = analysis_spec(plan.config, trainer.response())
    for look, found in decisions(study).items():
        adaptive.write(adaptive.decide(plan, spec, trainer, store, look), tmp_path / "again.json")
        assert json.loads((tmp_path / "again.json").read_text()) == found


def test_a_study_killed_after_a_look_takes_the_same_course_to_the_same_bits(
    grown: tuple[Study, str], growing: Changes, tmp_path: Path
) -> None:
    original, _ = grown
    study = Study(tmp_path, growing)

    def in_the_second_block() -> bool:
        return study.result("interim_looks/seeds~5.json").exists() and len(study.stored()) > 3 * 5

    kill_when(study, in_the_second_block)
    assert not study.result("interim_looks/seeds~7.json").exists()
    study.succeed("--unlock")
    study.succeed()
    assert decisions(study) == decisions(original)
    assert study.bits() == original.bits()


def test_a_larger_budget_goes_on_where_the_smaller_ended(grown: tuple[Study, str], tmp_path: Path) -> None:
    study = grown[0].copy(tmp_path / "copy")
    words = study.succeed("--until", "collect", design={"seeds": {"max": 9}})
    assert trained(words) == ["lr~0.002, seeds 7-8", "lr~0.0021, seeds 7-8"]


def test_a_study_with_a_trainer_of_its_own_grows_likewise(tmp_path: Path) -> None:
    """A number of which less is better, from a command: the losses of the shipped example."""
    changes = yaml.safe_load((PROJECT / "examples/spirals/config.yaml").read_text())
    changes["design"]["seeds"] = {"start": 3, "step": 3, "max": 12}
    shutil.copytree(PROJECT / "examples", tmp_path / "examples")
    study = Study(tmp_path, changes)
    words = study.succeed()
    assert "settled: he (better by more than the margin)" in words
    last = adaptive.read(
        max(study.result("interim_looks").iterdir(), key=lambda path: int(path.stem.removeprefix("seeds~")))
    )
    assert last.labels == {"he": "better by more than the margin"}
    assert last.open == ()
    assert len(study.stored()) == 2 * 2 * last.seeds < 2 * 2 * 12
    (row,) = [row for row in json.loads(study.result("analysis/contrasts.json").read_text()) if row["level"] == "he"]
    assert row["label"] == "better by more than the margin"
    assert row["ci_high"] < 0
