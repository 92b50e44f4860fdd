"""`study verify`: a sample trained again has the bits of its records, and a changed record is found out."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from study.design import factorial
from study.design.plan import Plan
from study.errors import StudyError
from study.store.record import Store
from study.store.verification import verify
from study.trainers.mnist import data
from study.trainers.mnist.job import check_precision, run
from study.trainers.mnist.trainer import origin
from tests.examples import resolved


@pytest.fixture(scope="module")
def finished(small_images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    """Two trainings, with and without BN, of one seed."""
    config = resolved({"data": {"source": str(small_images)}})
    plan = Plan(config, origin(data.load(str(small_images)).digest))
    store = Store(tmp_path_factory.mktemp("runs"))
    for job in factorial.jobs(config)[:2]:
        run(factorial.Job(job.trajectory, job.cells, job.seeds[:1]), plan, store, lambda *_: None)
    return plan, store


def test_runs_trained_again_have_the_same_bits(finished, tmp_path) -> None:
    plan, store = finished
    comparisons = verify(plan, store, 1, np.random.default_rng(0), tmp_path)
    assert comparisons
    assert all(comparison.same_circumstances and comparison.same_bits for comparison in comparisons)
    assert all(comparison.differences()["images"] == 0 for comparison in comparisons)


def test_a_record_with_other_outcomes_is_found_out_and_sized(finished, tmp_path) -> None:
    plan, store = finished
    changed = Store(tmp_path / "changed")
    for run_id, _, _ in plan.runs():
        if not store.missing([run_id]):
            record = store.load(run_id)
            correct = record.test.correct | {"moving": record.test.correct["moving"] - 5}
            curve = record.curve | {"train_loss": [0.5 for _ in record.curve["train_loss"]]}
            test = dataclasses.replace(record.test, correct=correct)
            changed.write(dataclasses.replace(record, test=test, curve=curve))
    (tmp_path / "again").mkdir()
    comparison, *_ = verify(plan, changed, 2, np.random.default_rng(0), tmp_path / "again")
    assert not comparison.same_bits
    assert comparison.differences()["accuracy_pp"]["moving"] == pytest.approx(100 * 5 / comparison.record.test.trials)


def test_half_precision_is_refused_where_the_processor_only_emulates_it() -> None:
    with pytest.raises(StudyError, match=r"precision is 'bfloat16'.*allowed here: float32"):
        check_precision("bfloat16", {"avx2", "avx512f"})
    check_precision("bfloat16", {"avx2", "amx_bf16"})
    check_precision("bfloat16", set())
    check_precision("float32", {"avx2"})
