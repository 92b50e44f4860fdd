"""The one way in: what hostile files and options come to. Each case is a neighbour of one that once was a traceback."""

import json
import os
from pathlib import Path

import pytest

from study.cli import main
from study.config import resolve as configuration
from study.errors import MissingFileError, StudyError
from study.files import write_text
from study.reading import DEPTH, parse_json, read_bytes
from study.store.record import Record, Store, _checksum
from study.yaml_loader import parse_yaml

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{after}: &{after} [{','.join([f'*{before}'] * 10)}]\n" for before, after in zip("abcdefg", "bcdefgh", strict=True)
)
YAML = {
    "recursive list": ("a: &x [*x]", "an alias stands inside of what it names"),
    "recursive mapping": ("a: &x {b: *x}", "an alias stands inside of what it names"),
    "alias bomb": (BOMB, "more than 100,000 values, aliases written out"),
    "deep": ("[" * 500 + "]" * 500, f"nested more than {DEPTH} levels deep"),
    "no such date": ("a: 2026-02-30", "day is out of range"),
    "many digits": ("a: " + "9" * 5000, "more than 400 digits"),
    "many hexadecimal digits": ("a: 0x" + "f" * 5000, "more than 400 digits"),
    "lone surrogate": ('a: "\\ud800"', "lone surrogate"),
    "control character": ('a: "\\0"', "control character"),
    "a foreign tag": ("a: !!python/name:os.system x", "could not determine a constructor"),
    "a list as key": ("? [1, 2]\n: 3", "unhashable key"),
}
JSON = [
    "[" * 100_000 + "]" * 100_000,
    "[" * 99 + "]" * 99,
    "1e999",
    "NaN",
    '"\\ud800"',
    "9" * 5000,
    '{"a":1,"a":2}',
    "",
]


@pytest.mark.parametrize("name", YAML)
def test_hostile_yaml_is_one_line_that_names_the_file(name: str) -> None:
    text, reason = YAML[name]
    with pytest.raises(StudyError, match=reason) as caught:
        parse_yaml(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml")
    assert "\n" not in str(caught.value)


def test_aliases_that_neither_recur_nor_grow_are_yaml() -> None:
    assert parse_yaml("a: &x {b: 1}\nc: {<<: *x, d: *x}", "f") == {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}


@pytest.mark.parametrize("text", JSON)
def test_hostile_json_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, reason in {".": "is a folder", "pipe": "a pipe", "zero": "a device", "loop": "cannot be read"}.items():
        with pytest.raises(StudyError, match=reason):
            read_bytes(tmp_path / name)
    with pytest.raises(MissingFileError):
        read_bytes(tmp_path / "none")
    (tmp_path / "large").write_bytes(b"123")
    with pytest.raises(StudyError, match="has 3 bytes; allowed: 2"):
        read_bytes(tmp_path / "large", 2)


@pytest.mark.parametrize("target", ["device", "folder", "x" * 300])
def test_nothing_but_a_file_is_written_over(tmp_path: Path, target: str) -> None:
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(StudyError):
        write_text(tmp_path / target, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


ASSUMED = ["power", "--error-rate", "0.1", "--trials", "100"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([*ASSUMED, "--sd", "nan"], "--sd nan: a finite number"),
        ([*ASSUMED, "--sd", "1e400"], "--sd inf: a finite number"),
        ([*ASSUMED, "--sd", "1", "--sd=2"], "--sd is given 2 times"),
        ([*ASSUMED, "--sd", "1", "--seeds", "9" * 30], "--seeds 1e+30: a whole number"),
        (["power", "--sd", "1", "--error-rate", "0.1", "--trials", "²"], "--trials ²"),
        (["power", "--sd", "1", "--error", "0.1"], "unrecognized arguments"),
        (["status", "a\n\x1b[31mb"], "a\\n\\x1b[31mb: no such file"),
        (["nothing"], "invalid choice: 'nothing'"),
    ],
)
def test_an_option_that_cannot_be_meant_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("study: error: ")
    assert reason in error
    assert error.count("\n") == 1


def test_a_design_is_counted_before_it_is_crossed() -> None:
    factors = {name: list(range(1000)) for name in "abcd"}
    config = {"study": {"name": "s"}, "design": {"factors": factors, "control": {"a": 0}}}
    trainer = {
        "trainer": {"command": "true {record}"},
        "response": {"kind": "number", "name": "x", "better": "lower"},
        "plan": {"margin": 0.1},
    }
    with pytest.raises(StudyError, match="1000 x 1000 x 1000 x 1000 levels; allowed: at most 10,000"):
        configuration.resolve(config | trainer)


RECORD = json.loads((Path(__file__).parent / "external_records.jsonl").read_text(encoding="utf-8").splitlines()[0])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), "3"),
        (("seed",), -1),
        (("seed",), 2**70),
        (("status",), "fine"),
        (("curve",), []),
        (("curve",), {"epoch": [1, 2], "response": [1.0]}),
        (("curve",), {"epoch": [7]}),
        (("cost", "shared_by"), 0),
        (("cost", "training_seconds"), "1"),
        (("cost", "training_seconds"), -1.0),
        (("provenance",), None),
        (("provenance", "finished"), "yesterday"),
        (("provenance", "versions"), {"numpy": 2}),
        (("id",), "../../etc"),
    ],
)
def test_a_record_of_a_wrong_type_or_range_is_none_though_it_is_sealed(path: tuple[str, ...], value: object) -> None:
    body = json.loads(json.dumps(RECORD))
    del body["checksum"]
    Record.from_json(json.dumps(body | {"checksum": _checksum(body)}))
    place = body
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(StudyError) as caught:
        Record.from_json(json.dumps(body | {"checksum": _checksum(body)}))
    assert path[0] in str(caught.value) or "its epochs" in str(caught.value) or "its curve" in str(caught.value)


def test_a_pipe_in_the_place_of_a_record_is_a_missing_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.path("0" * 16).parent.mkdir()
    os.mkfifo(store.path("0" * 16))
    assert store.missing(["0" * 16]) == ["0" * 16]
