"""`study verify`: a sample trained again has the bits of its records, and a changed record is found out."""

import base64
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from study import cli
from study.design import factorial
from study.design.plan import Plan, write
from study.errors import StudyError
from study.store.record import Record, Store
from study.trainers.mnist import data
from study.trainers.mnist.job import check_precision, run
from tests.examples import planned, resolved


@pytest.fixture(scope="module")
def finished(small_images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    """Two trainings, with and without BN, of one seed."""
    plan = planned(resolved({"data": {"source": str(small_images)}}), data.load(str(small_images)).digest)
    store = Store(tmp_path_factory.mktemp("runs"))
    for job in plan.jobs()[:2]:
        run(factorial.Job(job.trajectory, job.cells, job.seeds[:1]), plan, store, lambda *_: None)
    return plan, store


def test_runs_trained_again_have_the_same_bits(finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, store = finished
    write(plan, tmp_path / "small", {})
    assert cli.main(["verify", str(tmp_path / "small"), "--store", str(store.root), "--sample", "1"]) == 0
    told = capsys.readouterr().out
    assert told.count(": the same bits\n") == 1
    assert told.endswith("1 of 1 runs have the same bits\n")


def test_a_record_with_other_outcomes_is_found_out_and_sized(
    finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = finished
    write(plan, tmp_path / "small", {})
    changed = Store(tmp_path / "runs")
    for run_id, _, _ in plan.runs():
        if not store.missing([run_id]):
            record = store.load(run_id)
            right = np.frombuffer(base64.b64decode(record.extra["correct_bits"]), np.uint8).copy()
            right[:2] ^= 0b10100001
            bits = base64.b64encode(right.tobytes()).decode()
            test = record.extra["test"]
            test |= {"correct": test["correct"] | {"moving": int(np.unpackbits(right).sum())}}
            changed.write(dataclasses.replace(record, extra=record.extra | {"correct_bits": bits, "test": test}))
    assert cli.main(["verify", str(tmp_path / "small"), "--sample", "2"]) == 2
    told = capsys.readouterr()
    assert told.out.count("other bits; ") == 2
    assert told.out.count("now, 6 trials came out otherwise\n") == 2
    assert told.out.endswith("0 of 2 runs have the same bits\n")
    assert "2 runs differ although processor and versions are the same: the engine changed" in told.err


@pytest.mark.parametrize("far", [False, True])
def test_another_processor_may_give_other_bits_but_no_further_apart_than_the_runs_of_the_cell(
    finished, tmp_path: Path, capsys: pytest.CaptureFixture[str], far: bool
) -> None:
    plan, store = finished
    write(plan, tmp_path / "small", {})
    elsewhere = Store(tmp_path / "runs")
    (run_id, cell, _), *_ = (run for run in plan.runs() if not store.missing([run[0]]))
    kept = store.load(run_id)
    elsewhere.write(_scored(kept, 1, processor="another"))
    # Another seed of the cell: its twin, or further from it than it is from what will be trained.
    other = dataclasses.replace(_scored(kept, 1 if far else 4), id=plan.run_id(cell, 1), seed=1)
    elsewhere.write(other)
    # The record is the first of two finished runs.
    rng_seed = next(seed for seed in range(9) if np.random.default_rng(seed).permutation(2)[0] == 0)
    arguments = ["verify", str(tmp_path / "small"), "--sample", "1", "--rng-seed", str(rng_seed)]
    assert cli.main(arguments) == (2 if far else 0)
    told = capsys.readouterr()
    assert "made on another type of processor or with other versions (another, python" in told.out
    assert f"and {'FURTHER' if far else 'no further'} apart than the lowest and the highest run of its cell" in told.out
    assert ("1 runs differ by more than the lowest and the highest run of their cell" in told.err) == far


def _scored(record: Record, more: int, **provenance: str) -> Record:
    """The record with so many more right answers on the test images, made elsewhere."""
    score = record.extra["test"]
    right = np.unpackbits(np.frombuffer(base64.b64decode(record.extra["correct_bits"]), np.uint8))
    right[np.flatnonzero(right[: score["trials"]] == 0)[:more]] = 1
    correct = score["correct"] | {"moving": score["correct"]["moving"] + more}
    bits = base64.b64encode(np.packbits(right).tobytes()).decode()
    extra = record.extra | {"test": score | {"correct": correct}, "correct_bits": bits}
    return dataclasses.replace(record, extra=extra, provenance=record.provenance | provenance)


def test_half_precision_is_refused_where_the_processor_only_emulates_it() -> None:
    with pytest.raises(StudyError, match=r"precision is 'bfloat16'.*allowed here: float32"):
        check_precision("bfloat16", {"avx2", "avx512f"})
    check_precision("bfloat16", {"avx2", "amx_bf16"})
    check_precision("bfloat16", set())
    check_precision("float32", {"avx2"})
