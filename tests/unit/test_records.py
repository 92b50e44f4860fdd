"""The record of a run: what is written is what is read, and nothing else is."""

import dataclasses
import hashlib
import itertools
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from study.design.plan import Plan
from study.errors import StudyError
from study.store.record import FIELDS, Record, Store
from study.trainers.external.process import ExternalTrainer
from study.trainers.mnist.trainer import MnistTrainer
from tests import examples


@pytest.fixture
def record(small_plan: Plan) -> Record:
    """A run with batch normalisation."""
    _, cell, seed = small_plan.runs()[-1]
    return examples.record(small_plan, cell, seed)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def with_checksum(body: dict[str, Any]) -> str:
    """The text of a record whose checksum fits whatever it says; the formula is that of the format, not of the code."""
    body = {name: value for name, value in body.items() if name != "checksum"}
    checksum = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps(body | {"checksum": checksum})


def refusal(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        Record.from_json(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document that holds no other."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield path
    else:
        for key, item in parts:
            yield from leaves(item, (*path, key))


def test_a_record_that_was_written_is_read_as_it_was(record: Record, store: Store) -> None:
    path = store.write(record)
    assert path == store.root / record.id[:2] / f"{record.id}.json"
    assert store.load(record.id) == record
    assert store.load(record.id).to_json() == path.read_text(encoding="utf-8")


def test_a_diverged_run_is_a_sound_record(small_plan: Plan, store: Store) -> None:
    _, cell, seed = small_plan.runs()[0]
    record = examples.record(small_plan, cell, seed, diverged=True)
    store.write(record)
    assert store.load(record.id) == record
    assert store.load(record.id).extra["test"]["loss"]["moving"] is None


def test_floats_are_kept_to_the_last_bit(record: Record, store: Store) -> None:
    values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 1 / 3]
    store.write(dataclasses.replace(record, cost={**record.cost, "values": values}))
    assert [value.hex() for value in store.load(record.id).cost["values"]] == [value.hex() for value in values]


def test_a_number_that_json_has_not_cannot_become_a_record(record: Record, store: Store) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write(dataclasses.replace(record, cost={**record.cost, "training_seconds": float("nan")}))
    assert not store.root.exists()


def test_the_checksum_is_the_sha256_of_the_sorted_json_of_the_rest(record: Record) -> None:
    assert json.loads(record.to_json()) == json.loads(with_checksum(json.loads(record.to_json())))


def test_any_single_value_that_was_changed_is_noticed(record: Record) -> None:
    whole = json.loads(record.to_json())
    paths = list(leaves(whole))
    assert len(paths) > 60
    for path in paths:
        damaged = json.loads(record.to_json())
        holder = damaged
        for part in path[:-1]:
            holder = holder[part]
        old = holder[path[-1]]
        holder[path[-1]] = old + 1 if isinstance(old, int | float) else "x" if old is None else old[:-1] + "~"
        message = refusal(json.dumps(damaged))
        assert path == ("schema",) or "its checksum does not fit" in message


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_was_taken_out_is_noticed_even_with_a_checksum_that_fits(record: Record, name: str) -> None:
    body = json.loads(record.to_json())
    del body[name]
    assert "checksum" in refusal(json.dumps(body))
    assert f"'{name}'" in refusal(with_checksum(body))


def test_what_no_other_record_has_is_its_trainers(record: Record) -> None:
    more = Record.from_json(with_checksum(json.loads(record.to_json()) | {"more": 1}))
    assert more == dataclasses.replace(record, extra=record.extra | {"more": 1})


# -- records of the first layout, as they lie on many a disk: the reference study's, and four of a trainer of one's own


def first_records() -> Iterator[str]:
    with tarfile.open(examples.PROJECT / "reference/bn-on-mnist/records.tar.xz") as archive:
        for member in archive:
            if member.isfile():
                yield archive.extractfile(member).read().decode()
    yield from (Path(__file__).parent / "external_records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def test_the_first_records_are_read_and_would_be_written_byte_for_byte_as_they_are() -> None:
    texts = list(first_records())
    assert len(texts) == 600 + 4
    for text in texts:
        assert Record.from_json(text).to_json() == text


def test_a_bit_of_a_first_record_that_was_changed_is_noticed() -> None:
    for text in itertools.islice(first_records(), 3):
        status = '"status": "ok"'
        assert status in text
        assert "its checksum does not fit" in refusal(text.replace(status, '"status": "diverged"'))


def test_the_first_records_have_the_columns_that_they_had() -> None:
    network, own = MnistTrainer(examples.resolved()), (trainer_of("number"), trainer_of("proportion"))
    *_, network_text, first, second, third, fourth = first_records()
    row = network.columns(Record.from_json(network_text))
    kept = json.loads(network_text)
    assert (row["test_correct"], row["test_trials"]) == (kept["test"]["correct"]["moving"], 10_000)
    assert sum(byte.bit_count() for byte in row["correct_bits"]) == row["test_correct"]
    nothing, number, counts, zero = (Record.from_json(text) for text in (first, second, third, fourth))
    assert (nothing.status, own[0].columns(nothing)) == ("diverged", {"response": None})
    assert (number.status, own[0].columns(number)) == ("ok", {"response": 0.1})
    assert own[0].curve(number) == {"epoch": [1, 2, 3], "response": [3.0, None, 0.1]}
    assert own[1].columns(counts) == {"successes": 3, "trials": 4, "correct_bits": bytes([0b10110000])}
    assert own[1].curve(counts) == {"epoch": [1, 2, 3], "successes": [1, None, 3], "trials": [5, 5, 5]}
    assert (zero.status, own[1].columns(zero)) == ("diverged", {"successes": 0, "trials": 4})


def trainer_of(kind: str) -> ExternalTrainer:
    response = {"kind": kind, "name": "loss", "unit": "", "better": "higher"}
    return ExternalTrainer({"trainer": {"command": "true"}, "response": response})


def test_a_record_cut_off_at_any_byte_is_refused(record: Record, store: Store) -> None:
    path = store.write(record)
    content = path.read_bytes()
    assert content.endswith(b"}\n")
    for length in [*range(0, len(content) - 2, 7), len(content) - 2]:
        path.write_bytes(content[:length])
        with pytest.raises(StudyError, match=r"truncated|not text"):
            store.load(record.id)
    assert "räknare".encode() in content
    path.write_bytes(content[: content.index("ä".encode()) + 1])
    with pytest.raises(StudyError, match="not text"):
        store.load(record.id)


@pytest.mark.parametrize(
    "text", ["", "null", "3", "[]", "{}", '"text"', '{"schema": 1}', '{"checksum": ""}', "{'a': 1}"]
)
def test_json_that_is_no_record_is_refused(text: str) -> None:
    assert "JSON" in refusal(text) or "not the record of a run" in refusal(text)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_a_record_of_another_schema_is_refused(record: Record, schema: object) -> None:
    message = refusal(with_checksum(json.loads(record.to_json()) | {"schema": schema}))
    assert f"schema {schema!r}, allowed: 1" in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "killed"}, "status is 'killed', allowed: ok, diverged"),
        ({"curve": {"epoch": [1, 2], "train_loss": [0.5]}}, "curve differ in length"),
    ],
)
def test_values_that_cannot_be_are_refused_even_with_a_checksum_that_fits(
    record: Record, changes: dict[str, Any], words: str
) -> None:
    assert words in refusal(dataclasses.replace(record, **changes).to_json())


def test_the_record_of_another_run_under_this_name_is_refused(small_plan: Plan, store: Store) -> None:
    (_, cell, one), (other_id, _, _) = small_plan.runs()[:2]
    record = examples.record(small_plan, cell, one)
    other = store.path(other_id)
    other.parent.mkdir(parents=True)
    other.write_text(record.to_json(), encoding="utf-8")
    with pytest.raises(StudyError, match=f"{other_id}.json: holds the record of run {record.id}; "):
        store.load(other_id)
    assert store.missing([other_id]) == [other_id]


def test_a_record_that_does_not_exist_is_named_with_what_to_type(store: Store) -> None:
    with pytest.raises(StudyError, match=r"ab/abcd.json: no such record; .*`--forcerun train`"):
        store.load("abcd")


def test_missing_are_the_absent_and_the_damaged(small_plan: Plan, store: Store) -> None:
    examples.fill(store, small_plan)
    run_ids = [run_id for run_id, _, _ in small_plan.runs()]
    assert store.missing(run_ids) == []
    store.path(run_ids[3]).unlink()
    damaged = store.path(run_ids[5])
    damaged.write_text(damaged.read_text().replace('"seed": 2', '"seed": 3'))
    assert store.missing(run_ids) == [run_ids[3], run_ids[5]]
    # For progress a file is enough.
    assert len(store.recorded()) == len(run_ids) - 1


def test_writing_leaves_one_file_a_run_and_no_other(small_plan: Plan, store: Store) -> None:
    examples.fill(store, small_plan)
    found = sorted(path.name for path in store.root.rglob("*") if path.is_file())
    assert found == sorted(f"{run_id}.json" for run_id, _, _ in small_plan.runs())
