"""How a sequential study grows: which jobs a look needs, and what it decides from the records."""

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from study import trainers
from study.analysis import adaptive
from study.analysis.adaptive import Decision
from study.design import factorial
from study.design.plan import Plan
from study.design.response import analysis_spec
from study.errors import StudyError
from study.monitor import progress
from study.monitor.status import survey
from study.store.record import Record, Store
from tests import examples
from tests.examples import resolved

SEQUENCE = {"start": 5, "step": 4, "max": 12}
FACTORS = {"bn": ["none", "keras", "libs"], "dropout": [0.0, 0.3]}
TRIALS = 10_000
# Of 10,000 images, by level: keras is far better, nothing sets libs apart from none by more than chance.
RIGHT = {"none": 9000, "keras": 9600, "libs": 9003}


def decide(plan: Plan, store: Store, seeds: int) -> Decision:
    trainer = trainers.choose(plan.config)
    return adaptive.decide(plan, analysis_spec(plan.config, trainer.response()), trainer, store, seeds)


@pytest.fixture
def plan() -> Plan:
    return examples.planned(resolved(design={"factors": FACTORS, "seeds": SEQUENCE}))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def record(plan: Plan, cell: factorial.Cell, seed: int) -> Record:
    """A run whose score differs from seed to seed by some hundredths of a point."""
    base = examples.record(plan, cell, seed)
    noise = (seed * 7 + int(base.id[:2], 16)) % 41 - 20
    correct = RIGHT[cell.settings["bn"]] + noise
    score = {"trials": TRIALS, "correct": dict.fromkeys(("moving", "population", "batch"), correct)}
    bits = base64.b64encode(np.packbits(np.arange(TRIALS) < correct).tobytes()).decode()
    return replace(base, extra=base.extra | {"test": base.extra["test"] | score, "correct_bits": bits})


def fill(plan: Plan, store: Store, allocation: dict[str, int]) -> None:
    for _, cell, seed in plan.runs(allocation):
        store.write(record(plan, cell, seed))


def test_a_look_is_the_start_every_step_and_the_end() -> None:
    assert factorial.looks(resolved(design={"seeds": SEQUENCE})) == (5, 9, 12)
    assert factorial.looks(resolved(design={"seeds": {"start": 5, "step": 5, "max": 60}})) == tuple(range(5, 61, 5))
    assert factorial.looks(resolved()) == ()
    assert factorial.planned_looks(6, 5, 6) == (6,)


def test_blocks_of_seeds_end_at_every_look() -> None:
    config = resolved(design={"seeds": SEQUENCE}, execution={"seeds_per_job": 3})
    blocks = list(dict.fromkeys(job.block for job in examples.jobs(config)))
    assert blocks == ["0-2", "3-4", "5-7", "8-8", "9-11"]
    assert factorial.seeds(config) == list(range(12))


def test_the_plan_of_a_fixed_design_has_the_digest_that_it_had() -> None:
    fixed, sequential = resolved(), resolved(design={"seeds": SEQUENCE})
    assert factorial.plan_digest(fixed) == factorial.plan_digest(resolved(design={"seeds": 7}))
    assert factorial.plan_digest(sequential) != factorial.plan_digest(fixed)
    assert factorial.plan_digest(sequential) != factorial.plan_digest(
        resolved(design={"seeds": SEQUENCE | {"max": 13}})
    )


def test_what_is_settled_gets_no_more_seeds_and_the_control_as_many_as_any(plan: Plan, store: Store) -> None:
    fill(plan, store, dict.fromkeys(RIGHT, 5))
    first = decide(plan, store, 5)
    assert (first.open, first.unsettled) == (("libs",), ("libs",))
    assert first.allocation == {"none": 5, "keras": 5, "libs": 5}
    assert first.labels["keras"] == "better by more than the margin"
    assert first.line == (
        "after 5 seeds 1 of 2 contrasts are settled: keras (better by more than the margin); more seeds for libs"
    )
    # The records of the settled contrast end here; the next looks do without more.
    fill(plan, store, {"none": 12, "keras": 5, "libs": 12})
    last = decide(plan, store, 12)
    assert last.allocation["keras"] == 5
    assert last.open == ()
    # More records, of another study, change nothing.
    fill(plan, store, dict.fromkeys(RIGHT, 12))
    assert decide(plan, store, 12) == last
    assert decide(plan, store, 5) == first


def test_the_negative_control_has_as_many_seeds_as_the_control(plan: Plan, store: Store) -> None:
    again = examples.planned(resolved(design={"factors": FACTORS, "seeds": SEQUENCE, "negative_control": True}))
    fill(again, store, dict.fromkeys([*RIGHT, factorial.NEGATIVE_CONTROL], 5))
    decision = decide(again, store, 5)
    assert decision.allocation[factorial.NEGATIVE_CONTROL] == 5
    assert set(decision.labels) == {"keras", "libs"}


def test_a_missing_record_and_a_look_that_is_none_are_told(plan: Plan, store: Store, small_plan: Plan) -> None:
    fill(plan, store, dict.fromkeys(RIGHT, 4))
    with pytest.raises(StudyError, match="no such record"):
        decide(plan, store, 5)
    with pytest.raises(StudyError, match="no look at 6 seeds in the design; its looks: 5, 9, 12"):
        decide(plan, store, 6)
    with pytest.raises(StudyError, match="a fixed number"):
        decide(small_plan, store, 5)


def test_the_jobs_of_a_look_are_those_of_open_contrasts_and_of_the_control() -> None:
    config = resolved(
        design={"factors": {"bn": None, "dropout": None, "lr": [0.1, 0.2, 0.3]}, "seeds": SEQUENCE}
        | {"control": {"bn": None, "lr": 0.1}}
    )
    decided = {5: _open("0.3"), 9: _open()}
    jobs = [(job.trajectory, job.block) for job in adaptive.jobs(config, examples.jobs(config), 9, decided.__getitem__)]
    assert jobs == [("lr~0.1", "0-4"), ("lr~0.2", "0-4"), ("lr~0.3", "0-4"), ("lr~0.1", "5-8"), ("lr~0.3", "5-8")]
    assert adaptive.last_look(config, decided.__getitem__) == 9


def test_a_training_that_open_contrasts_share_goes_on_whole() -> None:
    config = resolved(design={"factors": FACTORS | {"dropout": None}, "seeds": SEQUENCE})
    decided = {5: _open("libs"), 9: _open()}
    jobs = [(job.trajectory, job.block) for job in adaptive.jobs(config, examples.jobs(config), 9, decided.__getitem__)]
    assert jobs == [("bn~none", "0-4"), ("bn~shared", "0-4"), ("bn~none", "5-8"), ("bn~shared", "5-8")]
    alone = resolved(design={"factors": FACTORS | {"dropout": None}, "seeds": SEQUENCE}) | {}
    alone["execution"] = alone["execution"] | {"share_trajectories": False}
    assert [job.trajectory for job in adaptive.jobs(alone, examples.jobs(alone), 9, decided.__getitem__)][3:] == [
        "bn~none",
        "bn~libs",
    ]


def test_what_is_asked_for_follows_the_decisions(plan: Plan, store: Store, tmp_path: Path) -> None:
    assert adaptive.asked_for(resolved(), tmp_path) is None
    assert adaptive.asked_for(plan.config, tmp_path) == {"none": 5, "keras": 5, "libs": 5}
    adaptive.write(_open("libs"), tmp_path / "interim_looks/seeds~5.json")
    assert adaptive.asked_for(plan.config, tmp_path) == {"none": 9, "keras": 5, "libs": 9}
    assert survey(plan, tmp_path, store).runs == 2 * (9 + 5 + 9)
    adaptive.write(_open(), tmp_path / "interim_looks/seeds~9.json")
    assert adaptive.asked_for(plan.config, tmp_path) == {"none": 9, "keras": 5, "libs": 9}
    adaptive.write(_open("libs"), tmp_path / "interim_looks/seeds~9.json")
    assert survey(plan, tmp_path, store).runs == 2 * (12 + 5 + 12)


def test_a_decision_is_read_as_it_was_written_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    adaptive.write(_open("keras"), path)
    assert adaptive.read(path) == _open("keras")
    path.write_text(path.read_text()[:20])
    with pytest.raises(StudyError, match="no readable decision; remove it"):
        adaptive.read(path)


def test_progress_promises_no_end_that_nobody_knows(plan: Plan, store: Store) -> None:
    (job, *_) = plan.jobs()
    store.write(record(plan, job.cells[0], 0))
    assert progress.line(plan, store, job, 0, "90 %").startswith("[study] 1 runs, 72 at most  (bn none")


def _open(*levels: str) -> Decision:
    return Decision(seeds=5, open=levels, unsettled=levels, allocation={"none": 5}, labels={})
