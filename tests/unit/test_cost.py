"""What a study cost: sums over trainings, and the use of the cores over the calls of Snakemake."""

import datetime

import pytest

from study.design.plan import Plan
from study.store.cost import cost
from study.store.record import Record
from tests import examples

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def record(plan: Plan, number: int, started: float, ended: float, seconds: float, cores: int = 2) -> Record:
    """A run of a call that started `started` seconds after noon; it ended `ended` seconds after noon."""
    _, cell, seed = plan.runs()[number]
    found = examples.record(plan, cell, seed, 1)
    found.cost.update(training_seconds=seconds, evaluation_seconds=seconds / 4)
    finished = (NOON + datetime.timedelta(seconds=ended)).isoformat(timespec="seconds")
    call = {"started": NOON.timestamp() + started, "cores": cores}
    found.provenance.update(call=call, finished=finished)
    return found


def test_the_use_of_one_call(small_plan: Plan) -> None:
    records = [record(small_plan, 0, 0.0, 50.0, 40.0), record(small_plan, 1, 0.0, 100.0, 80.0)]
    found = cost(small_plan.name, records)["use"]
    assert found == pytest.approx({"core_seconds": 200.0, "training": 120 / 200, "scoring": 30 / 200})


def test_a_pause_between_two_calls_is_nobodys_time(small_plan: Plan) -> None:
    records = [record(small_plan, 0, 0.0, 100.0, 80.0), record(small_plan, 1, 5000.0, 5050.0, 120.0, cores=4)]
    found = cost(small_plan.name, records)["use"]
    assert found == pytest.approx({"core_seconds": 400.0, "training": 0.5, "scoring": 0.125})


def test_runs_that_another_study_trained_are_in_the_sums_but_not_in_the_use(small_plan: Plan) -> None:
    records = [record(small_plan, 0, 0.0, 100.0, 80.0), record(small_plan, 1, -900.0, -800.0, 60.0)]
    records[1].provenance["study"] = "another"
    found = cost(small_plan.name, records)
    assert found["training_seconds"] == 140.0
    assert found["use"] == pytest.approx({"core_seconds": 200.0, "training": 0.4, "scoring": 0.1})


def test_where_the_cores_are_not_known_nothing_is_claimed(small_plan: Plan) -> None:
    records = [record(small_plan, 0, 0.0, 100.0, 80.0), record(small_plan, 1, 0.0, 100.0, 60.0)]
    records[1].provenance["call"] = None
    assert cost(small_plan.name, records)["use"] is None
