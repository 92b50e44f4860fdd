"""The line of progress, against a store whose files have known times."""

import os
from pathlib import Path

import pytest

from study import trainers
from study.design.plan import Plan
from study.monitor import progress
from study.store.provenance import STARTED
from study.store.record import Record, Store
from study.trainers.base import in_words
from tests import examples

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(progress.time, "time", lambda: NOW)
    return Store(tmp_path / "runs")


@pytest.fixture
def plan() -> Plan:
    """12 runs of 6 trainings: bn {none, libs, keras} x dropout {0.0, 0.3} x seeds {0, 1}, libs and keras shared."""
    return examples.planned(examples.resolved(design={"factors": {"bn": ["none", "libs", "keras"]}, "seeds": 2}))


def train(plan: Plan, store: Store, trajectory: str, seed: int, seconds_ago: float, diverged: bool = False) -> Record:
    """Put the records of one training into the store."""
    for _, cell, other in plan.runs():
        if (cell.trajectory, other) == (trajectory, seed):
            record = examples.record(plan, cell, seed, diverged=diverged)
            path = store.write(record)
            os.utime(path, (NOW - seconds_ago,) * 2)
    return record


def line(plan: Plan, store: Store, trajectory: str, seed: int, record: Record) -> str:
    job = next(job for job in plan.jobs() if job.trajectory == trajectory and seed in job.seeds)
    return progress.line(plan, store, job, seed, in_words(record, trainers.choose(plan.config)))


def test_it_counts_runs_and_predicts_from_the_trainings_of_this_call(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STARTED, str(NOW - 300))
    train(plan, store, "bn~none_dropout~0.0", 0, seconds_ago=5000)
    train(plan, store, "bn~shared_dropout~0.0", 0, seconds_ago=200)
    record = train(plan, store, "bn~shared_dropout~0.3", 0, seconds_ago=0)
    # 2 trainings in 300 s, 8 - 3 are left: 750 s.
    assert line(plan, store, "bn~shared_dropout~0.3", 0, record) == (
        "[study] 5 of 12 runs, about 12 min left  (bn shared dropout 0.3, seed 0: "
        f"{100 * record.extra['test']['correct']['moving'] / 12:.1f} %)"
    )


def test_it_says_nothing_of_time_when_all_is_done(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STARTED, str(NOW - 300))
    examples.fill(store, plan)
    _, cell, seed = plan.runs()[0]
    text = line(plan, store, cell.trajectory, seed, examples.record(plan, cell, seed))
    assert text.startswith("[study] 12 of 12 runs  (bn none dropout 0.0, seed 0: ")


def test_it_makes_no_prediction_without_a_pace(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STARTED, raising=False)
    record = train(plan, store, "bn~none_dropout~0.0", 0, seconds_ago=10)
    assert line(plan, store, "bn~none_dropout~0.0", 0, record).startswith("[study] 1 of 12 runs  (")


def test_it_names_a_diverged_run_so(plan: Plan, store: Store) -> None:
    record = train(plan, store, "bn~none_dropout~0.3", 1, seconds_ago=0, diverged=True)
    assert line(plan, store, "bn~none_dropout~0.3", 1, record).endswith("(bn none dropout 0.3, seed 1: diverged)")


@pytest.mark.parametrize(
    ("seconds_a_training", "words"), [(10, "about 70 s"), (60, "about 7 min"), (3600, "about 7.0 h")]
)
def test_durations_are_in_the_unit_that_one_reads(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch, seconds_a_training: float, words: str
) -> None:
    monkeypatch.setenv(STARTED, str(NOW - seconds_a_training))
    record = train(plan, store, "bn~none_dropout~0.0", 0, seconds_ago=0)
    # 1 of 8 trainings done.
    assert f"{words} left" in line(plan, store, "bn~none_dropout~0.0", 0, record)
