"""From records to tables: every run once, every cost once."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study import trainers
from study.design.plan import Plan
from study.errors import StudyError
from study.store import tables
from study.store.record import Store
from tests import examples


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def written(tmp_path: Path, small_plan: Plan, store: Store) -> Path:
    """The folder of a collected study: all runs, the last of them diverged."""
    examples.fill(store, small_plan)
    _, cell, seed = small_plan.runs()[-1]
    store.write(examples.record(small_plan, cell, seed, diverged=True))
    tables.write(collect(small_plan, store), tmp_path / "results")
    return tmp_path / "results"


def collect(plan: Plan, store: Store, partial: bool = False) -> tables.Tables:
    return tables.collect(plan, trainers.choose(plan.config), store, partial)


def contents(store: Store) -> dict[str, dict]:
    """The records as they lie on the disk, by identity."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in store.root.rglob("*.json")}


def test_every_planned_run_is_one_row_with_its_levels_and_seed(written: Path, small_plan: Plan) -> None:
    runs = pd.read_parquet(written / "runs.parquet")
    assert list(zip(runs["bn"], runs["dropout"], runs["seed"], strict=True)) == [
        (bn, dropout, seed) for bn in ("none", "keras") for dropout in (0.0, 0.3) for seed in (0, 1, 2)
    ]
    assert list(runs["run_id"]) == [run_id for run_id, _, _ in small_plan.runs()]
    assert runs["run_id"].is_unique


def test_a_row_says_what_its_record_says(written: Path, store: Store) -> None:
    records = contents(store)
    for row in pd.read_parquet(written / "runs.parquet").to_dict("records"):
        record = records[row["run_id"]]
        assert row["seed"] == record["seed"]
        assert row["bn"] == record["settings"]["bn"]
        assert row["dropout"] == record["settings"]["dropout"]
        assert row["status"] == record["status"]
        for name in ("test", "validation"):
            assert row[f"{name}_trials"] == record[name]["trials"]
            assert row[f"{name}_correct"] == record[name]["correct"]["moving"]
            assert row[f"{name}_correct_population"] == record[name]["correct"]["population"]
            assert row[f"{name}_correct_batch"] == record[name]["correct"]["batch"]
        assert row["weights_digest"] == record["digests"]["weights"]
        assert row["predictions_digest"] == record["digests"]["predictions"]
        assert row["plan_digest"] == record["provenance"]["plan_digest"]
        assert row["host"] == record["provenance"]["host"]


def test_counts_are_whole_numbers(written: Path) -> None:
    runs = pd.read_parquet(written / "runs.parquet")
    counts = [name for name in runs if "correct" in name and name != "correct_bits"] + ["test_trials", "seed"]
    assert len(counts) == 8
    assert (runs[counts].dtypes == np.int64).all()


def test_the_bits_of_a_run_count_what_it_had_right(written: Path) -> None:
    runs = pd.read_parquet(written / "runs.parquet")
    right = [int(np.unpackbits(np.frombuffer(bits, np.uint8)).sum()) for bits in runs["correct_bits"]]
    assert right == list(runs["test_correct"])


def test_the_csv_is_the_table_without_the_bits(written: Path) -> None:
    table = pd.read_csv(written / "runs.csv", keep_default_na=False, na_values=[""])
    expected = pd.read_parquet(written / "runs.parquet").drop(columns="correct_bits")
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, check_exact=True)


def test_a_diverged_run_is_kept_and_counted(written: Path) -> None:
    runs = pd.read_parquet(written / "runs.parquet")
    assert list(runs["status"]) == ["ok"] * 11 + ["diverged"]
    assert np.isnan(runs["test_loss"].iloc[-1])
    assert runs["test_correct"].iloc[-1] > 0
    counts = json.loads((written / "provenance.json").read_text())["runs"]
    assert counts == {"planned": 12, "done": 12, "ok": 11, "diverged": 1, "missing": 0}


def test_curves_have_one_row_a_run_and_epoch_that_it_reached(written: Path, store: Store) -> None:
    curves = pd.read_parquet(written / "curves.parquet")
    records = contents(store)
    assert len(curves) == 11 * 2 + 1
    for run_id, rows in curves.groupby("run_id"):
        record = records[str(run_id)]
        assert list(rows["epoch"]) == record["curve"]["epoch"]
        assert list(rows["validation_correct"]) == record["curve"]["validation_correct"]
        assert set(rows["validation_trials"]) == {record["validation"]["trials"]}
        assert set(rows["bn"]) == {record["settings"]["bn"]}
        assert set(rows["seed"]) == {record["seed"]}


def test_the_seconds_of_shared_trainings_add_up_to_what_was_spent(tmp_path: Path, store: Store) -> None:
    config = examples.resolved(design={"factors": {"bn": ["none", "libs", "contrib", "keras"], "dropout": None}})
    plan = examples.planned(config)
    # A training by (bn, seed): its seconds, and the number of runs that it gave.
    spent = {}
    for _, cell, seed in plan.runs():
        shared_by = 1 if cell.levels["bn"] == "none" else 3
        record = examples.record(plan, cell, seed, shared_by)
        seconds = 10.0 + seed if shared_by == 1 else 20.0 + seed
        spent[shared_by, seed] = seconds
        record.cost.update(training_seconds=seconds, evaluation_seconds=seconds / 2)
        store.write(record)
    collected = collect(plan, store)
    total = sum(spent.values())
    assert total == 10 + 11 + 12 + 20 + 21 + 22
    assert collected.runs["training_seconds"].sum() == pytest.approx(total)
    assert collected.runs["evaluation_seconds"].sum() == pytest.approx(total / 2)
    cost = collected.provenance["cost"]
    assert cost["training_seconds"] == pytest.approx(total)
    assert cost["evaluation_seconds"] == pytest.approx(total / 2)
    assert cost["trainings"] == len(spent) == 6


def test_provenance_names_each_source_once_and_the_span_of_time(written: Path, small_plan: Plan) -> None:
    provenance = json.loads((written / "provenance.json").read_text())
    assert provenance["hosts"] == ["räknare"]
    assert provenance["commits"] == []
    assert provenance["plan_digests"] == [small_plan.digest]
    assert provenance["data_digest"] == small_plan.origin["data"]
    assert provenance["versions"] == {"python": ["3.11.0"], "tensorflow": ["2.21.0"], "numpy": ["2.4.0"]}
    assert provenance["cost"]["first_record"] == "2026-01-01T00:00:00+00:00"
    assert provenance["cost"]["last_record"] == "2026-01-01T00:00:02+00:00"


def test_runs_under_another_plan_are_told_apart(small_plan: Plan, store: Store) -> None:
    examples.fill(store, small_plan)
    changed = Plan(examples.resolved(plan={"margin_pp": 0.2}), small_plan.origin)
    _, cell, seed = changed.runs()[0]
    store.write(examples.record(changed, cell, seed))
    found = collect(small_plan, store).provenance["plan_digests"]
    assert found == sorted({small_plan.digest, changed.digest})
    assert len(found) == 2


def test_records_of_other_studies_in_the_store_are_left_out(small_plan: Plan, store: Store) -> None:
    examples.fill(store, small_plan)
    examples.fill(store, Plan(examples.resolved(design={"seeds": 5}), small_plan.origin))
    examples.fill(store, examples.planned(small_plan.config, "e" * 64))
    assert len(collect(small_plan, store).runs) == 12


def test_missing_records_are_told_in_one_line_with_what_to_type(small_plan: Plan, store: Store) -> None:
    examples.fill(store, small_plan)
    for run_id, _, _ in small_plan.runs()[4:7]:
        store.path(run_id).unlink()
    with pytest.raises(StudyError) as caught:
        collect(small_plan, store)
    message = str(caught.value)
    assert "3 of 12 records are missing, the first of trajectory bn~none_dropout~0.3, seed 1" in message
    assert "`--forcerun train`" in message
    assert "\n" not in message


def test_a_damaged_record_is_named_in_one_line_with_what_to_type(small_plan: Plan, store: Store) -> None:
    examples.fill(store, small_plan)
    path = store.path(small_plan.runs()[7][0])
    path.write_text(path.read_text().replace('"status": "ok"', '"status": "OK"'))
    with pytest.raises(StudyError) as caught:
        collect(small_plan, store)
    message = str(caught.value)
    assert message.startswith(f"{path}: its checksum does not fit")
    assert "`--forcerun train`" in message
    assert "\n" not in message


def test_a_run_of_another_plan_is_a_deviation_and_so_is_what_the_author_declares(store: Store) -> None:
    config = examples.resolved(report={"deviations": ["One node was replaced."]})
    planned = examples.planned(config)
    examples.fill(store, planned)
    assert collect(planned, store).provenance["deviations"] == ["One node was replaced."]
    _, cell, seed = planned.runs()[0]
    other = examples.planned(examples.resolved(plan={"margin_pp": 0.5}, study={"name": "pilot"}))
    store.write(examples.record(other, cell, seed))
    found = collect(planned, store).provenance["deviations"]
    assert len(found) == 2
    assert found[0].startswith(f"1 of 12 runs were recorded under another plan ({other.digest}, study pilot)")


def test_a_partial_collection_takes_the_runs_that_are_there(store: Store, small_plan: Plan) -> None:
    done = small_plan.runs()[::2]
    for _, cell, seed in done:
        store.write(examples.record(small_plan, cell, seed))
    with pytest.raises(StudyError, match="6 of 12 records are missing"):
        collect(small_plan, store)
    collected = collect(small_plan, store, partial=True)
    assert list(collected.runs["run_id"]) == [run_id for run_id, _, _ in done]
    assert collected.provenance["runs"] == {"planned": 12, "done": 6, "ok": 6, "diverged": 0, "missing": 6}


def test_nothing_at_all_is_no_collection_even_in_part(store: Store, small_plan: Plan) -> None:
    with pytest.raises(StudyError, match="none of the 12 planned runs has a record yet"):
        collect(small_plan, store, partial=True)
