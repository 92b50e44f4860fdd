"""A tiny study through Snakemake: from nothing to the report, and what repeats what."""

import json
import os
import re
import time
from pathlib import Path

import pandas as pd
import pytest

from study.store.record import Store
from tests.examples import copy_of_the_project
from tests.workflow.conftest import Study

NOTHING = "Nothing to be done"


def trained(output: str) -> list[str]:
    """The training jobs that Snakemake announced."""
    return sorted(re.findall(r"Training (\S+, seeds \S+)", output))


def new_runs(study: Study, before: dict[str, object]) -> set[tuple[str, int]]:
    """(bn, seed) of the records that were not there before."""
    records = [json.loads(path.read_text()) for run_id, path in study.stored().items() if run_id not in before]
    return {(record["settings"]["bn"], record["seed"]) for record in records}


def test_one_command_leads_from_nothing_to_the_report(first_words: tuple[Study, str]) -> None:
    study, words = first_words
    assert len(trained(words)) == 4
    assert "<html" in study.result("report.html").read_text()[:1000]
    runs = pd.read_parquet(study.result("runs.parquet"))
    assert len(runs) == 2 * 2 * 3
    assert set(runs["test_trials"]) == {500}
    assert (runs["test_correct_batch"] > 100).all()
    for name in ("design.json", "design.csv", "runs.csv", "curves.parquet", "statistics_gap.parquet", "mechanism.json"):
        assert study.result(name).stat().st_size > 0


def test_the_terminal_says_how_far_the_study_is(first_words: tuple[Study, str]) -> None:
    lines = [line for line in first_words[1].splitlines() if line.startswith("[study] ")]
    done = [int(re.match(r"\[study\] (\d+) of 12 runs", line)[1]) for line in lines]
    # Two jobs may count at the same moment.
    assert len(done) == 12
    assert done == sorted(done)
    assert done[-1] == 12
    assert "left" in lines[0]
    assert "left" not in lines[-1]


def test_every_run_is_a_sound_record_of_this_plan(original: Study) -> None:
    runs = original.planned().runs()
    store = Store(original.folder / "results/runs")
    assert store.missing(run_id for run_id, _, _ in runs) == []
    for run_id, cell, seed in runs:
        record = store.load(run_id)
        assert (record.settings, record.seed, record.status) == (cell.settings, seed, "ok")
        assert record.provenance["plan_digest"] == original.planned().digest
    assert set(original.stored()) == {run_id for run_id, _, _ in runs}


def test_every_step_leaves_a_log_and_a_benchmark(original: Study) -> None:
    trajectories = [f"bn~{bn}_dropout~{rate}" for bn in ("none", "shared") for rate in ("0.0", "0.3")]
    jobs = [original.manifest(name, "0-2").split("/", 2)[2].removesuffix(".json") for name in trajectories]
    for name in ["design", "collect", "analyze", "explain", "report", *jobs]:
        assert original.result(f"logs/{name}.log").is_file()
        assert original.result(f"benchmarks/{name}.tsv").read_text().startswith("s\th:m:s")


def test_nothing_that_is_left_is_half_written(original: Study) -> None:
    hidden = [path for path in (original.folder / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
    assert hidden == []


def test_running_again_does_nothing(original: Study) -> None:
    assert NOTHING in original.succeed()


def test_new_seeds_and_levels_train_only_what_is_new(finished: Study) -> None:
    table = finished.target("runs.parquet")

    # A study of some of these runs, in which a factor became a setting, finds them all.
    part = {"design": {"factors": {"dropout": None}}, "training": {"dropout": 0.3}}
    before = finished.untouched()
    finished.succeed(table, **part)
    assert finished.untouched() == before
    assert len(pd.read_parquet(finished.result("runs.parquet"))) == 2 * 3

    part["design"]["seeds"] = 4
    words = finished.succeed(table, **part)
    assert trained(words) == ["bn~none, seeds 3-3", "bn~shared, seeds 3-3"]
    assert new_runs(finished, before) == {("none", 3), ("keras", 3)}
    assert {run_id: finished.untouched()[run_id] for run_id in before} == before

    part["design"]["factors"]["bn"] = ["none", "libs", "keras"]
    before = finished.untouched()
    words = finished.succeed(table, **part)
    assert trained(words) == ["bn~shared, seeds 0-2", "bn~shared, seeds 3-3"]
    assert new_runs(finished, before) == {("libs", seed) for seed in range(4)}
    assert {run_id: finished.untouched()[run_id] for run_id in before} == before
    assert len(pd.read_parquet(finished.result("runs.parquet"))) == 3 * 4


def test_neither_times_nor_comments_of_the_sources_repeat_anything(finished: Study, tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    for name in ("engine.py", "data.py", "job.py"):
        source = project / "study/trainers/mnist" / name
        source.write_text(f"# Another comment.\n{source.read_text()}")
    for name in (
        "Snakefile",
        "config.yaml",
        "workflow/Snakefile",
        "workflow/rules/train.smk",
        "workflow/rules/design.smk",
        "study/design/factorial.py",
    ):
        source = project / name
        source.write_text(f"{source.read_text()}\n# Another comment.\n")
    for path in project.rglob("*"):
        os.utime(path, (time.time() + 1,) * 2)
    assert NOTHING in finished.succeed(project=project)

    # Even a job that runs again trains nothing.
    before = finished.untouched()
    words = finished.succeed("--forcerun", "train", "--", finished.target("runs.parquet"), project=project)
    assert len(trained(words)) == 4
    assert "[study]" not in words
    assert finished.untouched() == before


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"training": {"lr": 0.002}}, 4),
        ({"training": {"loss": "naive_log"}}, 4),
        ({"design": {"factors": {"dropout": [0.3, 0.5]}}}, 2),
        ({"execution": {"seeds_per_job": 2}}, 8),
        ({"plan": {"margin_pp": 0.5}}, 0),
        ({"report": {"titles": {"bn": "BN"}}}, 0),
        ({"training": {"checkpoint_every": 1}}, 0),
        ({"execution": {"job_minutes": 30, "seconds_per_run": 5}}, 0),
        ({"study": {"question": "Why?"}}, 0),
        ({"design": {"seeds": 2}, "execution": {"seeds_per_job": 2}}, 4),
    ],
    ids=str,
)
def test_a_changed_setting_repeats_the_jobs_that_it_concerns(original: Study, changes: dict, jobs: int) -> None:
    words = original.succeed("--dry-run", **changes)
    assert len(trained(words)) == jobs
    assert NOTHING not in words


@pytest.mark.parametrize(("control", "tuned"), [({"bn": "none"}, True), ({"bn": None, "lr": 0.001}, False)])
def test_the_learning_rate_is_tuned_where_it_is_not_in_question(study: Study, control: dict, tuned: bool) -> None:
    design = {"factors": {"dropout": None, "lr": [0.001, 0.002]}, "control": control}
    words = study.succeed("--dry-run", "--printshellcmds", design=design)
    (command,) = re.findall(r"python -m study analyze .*", words)
    assert ("--tune=lr" in command) == tuned
    assert "--factor=bn" in command


def test_a_new_version_of_the_engine_repeats_every_job_but_not_without_a_word(finished: Study, tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    version = project / "study/trainers/mnist/version.py"
    version.write_text(re.sub(r"(ENGINE_VERSION = )(\d+)", r"\g<1>999\2", version.read_text()))
    answer = finished.run(project=project)
    assert answer.returncode != 0
    assert "12 of its 12 runs are finished" in answer.stdout
    assert "`rm results/tiny/design.json`" in answer.stdout
    finished.result("design.json").unlink()
    assert len(trained(finished.succeed("--dry-run", project=project))) == 4


def test_neither_cores_nor_packing_nor_sharing_change_a_bit(original: Study, tmp_path: Path) -> None:
    def bits(name: str, cores: int, bn: list[str], seeds: int, **execution: object) -> dict[str, tuple[str, str, str]]:
        study = Study(tmp_path / name, original.overlay)
        study.folder.mkdir()
        changes = {
            "design": {"factors": {"bn": bn, "dropout": None}, "control": {"bn": bn[0]}, "seeds": seeds},
            "training": {"dropout": 0.3},
            "execution": execution,
        }
        study.succeed("--until", "train", cores=cores, **changes)
        assert set(study.stored()) == {run_id for run_id, _, _ in study.planned(**changes).runs()}
        return study.bits()

    alone = bits("alone", 1, ["libs", "keras"], seeds=2, seeds_per_job=1, share_trajectories=True)
    # Two seeds at once, as on a shared GPU.
    apart = {"share_trajectories": False, "runs_per_gpu": 2}
    packed = bits("packed", 2, ["none", "libs", "keras"], seeds=4, seeds_per_job=4, **apart)
    assert len(alone) == 2 * 2
    assert len(packed) == 3 * 4
    assert alone.items() <= packed.items()
    # The study of the other tests: three seeds a job, one implementation, dropout a factor.
    together = {run_id: value for run_id, value in original.bits().items() if run_id in packed}
    assert len(together) == 2 * 3
    assert together.items() <= packed.items()
    # Seeds are different runs, and the implementations of a seed are one training.
    assert len({weights for weights, _, _ in packed.values()}) == 2 * 4
    assert len({predictions for _, predictions, _ in packed.values()}) == 3 * 4
