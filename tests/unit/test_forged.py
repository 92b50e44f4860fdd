"""What is read back though others may have written it: a record's outcome, a design, a store; and links out of it."""

import dataclasses
import functools
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study import cli, trainers
from study.config import resolve as configuration
from study.design import plan as plans
from study.design.plan import Plan
from study.errors import StudyError
from study.report.results import read_results
from study.report.verdict import verdict
from study.store import tables
from study.store.record import Record, Store
from study.trainers.resume import with_seconds_per_run
from tests import examples
from tests.examples import resolved
from tests.report_fixture import Scenario, write_results

ODD: list[Any] = ["x", None, [], {}, -1, 1.5, 10**30, 1e300, True]
EXTERNAL = Path(__file__).parent / "external_records.jsonl"


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else []
    yield path
    for key, item in parts:
        yield from leaves(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """The value with what lies at `path` replaced."""
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], other)
    return copy


def refused(call: Callable[[], Any]) -> str:
    """The line that refuses; an empty one if nothing is refused. Any other error is the test's."""
    line = ""
    try:
        call()
    except StudyError as error:
        line = str(error)
    assert "\n" not in line
    return line


def test_whatever_stands_in_a_networks_outcome_is_refused_in_one_line_or_harmless(
    tmp_path: Path, small_plan: Plan
) -> None:
    store, trainer = Store(tmp_path / "runs"), trainers.choose(small_plan.config)
    examples.fill(store, small_plan)
    run_id, _, _ = small_plan.runs()[-1]
    sound = store.load(run_id)
    for path in leaves({name: sound.extra[name] for name in ("test", "validation", "gap", "correct_bits", "digests")}):
        for odd in ODD if path else ():
            store.write(dataclasses.replace(sound, extra=changed(sound.extra, path, odd)))
            line = refused(functools.partial(store.load, run_id, trainer))
            assert line.startswith(f"{store.path(run_id)}: ") or _may_be(path, odd), (path, odd, line)
            assert refused(functools.partial(tables.collect, small_plan, trainer, store)) == line


def _may_be(path: tuple[Any, ...], value: Any) -> bool:
    """Whether this may stand there: a loss and a gap are numbers or nothing, a digest is a text."""
    if path[0] == "digests":
        return len(path) == 2 and isinstance(value, str)
    if path == ("gap",):
        return value is None
    number = len(path) == 3 and ("loss" in path or path[1] in ("log_variance_ratio", "mean_shift"))
    return number and (value is None or (isinstance(value, int | float) and value is not True))


@pytest.mark.parametrize("line", EXTERNAL.read_text(encoding="utf-8").splitlines())
def test_whatever_stands_in_another_trainers_outcome_is_refused_in_one_line_or_harmless(
    tmp_path: Path, line: str
) -> None:
    sound, store = Record.from_json(line), Store(tmp_path)
    config = {"trainer": {"function": "a:b"}, "response": {"kind": sound.extra["trainer"]["response"]}}
    reader = trainers.choose(config)
    store.write(sound)
    assert store.load(sound.id, reader) == sound
    for name in ("successes", "trials", "response", "correct_bits"):
        for odd in ["x", [], {}, True, -1.5, 10**30]:
            store.write(dataclasses.replace(sound, extra=sound.extra | {name: odd}))
            told = refused(functools.partial(store.load, sound.id, reader))
            assert told.startswith(f"{store.path(sound.id)}: ") or (
                name == "response" and sound.extra["trainer"]["response"] == "number" and not isinstance(odd, bool)
            ), (name, odd)


def test_whatever_stands_in_a_design_is_refused_in_one_line_or_harmless(tmp_path: Path) -> None:
    plan = examples.planned(resolved(execution={"seconds_per_run": 1.0}))
    plans.write(plan, tmp_path, {})
    path = tmp_path / "design.json"
    sound = json.loads(path.read_text())
    assert configuration.design(path) == plan
    again = resolved(execution={"seconds_per_run": "auto"})
    begun = functools.partial(with_seconds_per_run, again, trainers.choose(again), tmp_path, Store(tmp_path / "runs"))
    for place in leaves({name: sound[name] for name in ("config", "origin", "shared", "schema")}):
        for odd in ["x", None, [], {}, -1, 1e300]:
            path.write_text(json.dumps(changed(sound, place, odd)))
            line = refused(lambda: configuration.design(path).jobs())
            assert not line or line.startswith(f"{path}: "), (place, odd, line)
            # What the Snakefile does with a design that is there.
            refused(begun)
    path.write_text(json.dumps(changed(sound, ("config", "training", "epochs"), "many")))
    assert refused(lambda: configuration.design(path)) == (
        f"{path}: damaged, configuration: training.epochs is 'many'; allowed: a whole number; {plans.HINT}"
    )


def _odd_files(folder: Path) -> dict[str, Callable[[Path], None]]:
    return {
        "a file for a folder": lambda path: (path.parent.parent / "00").touch(),
        "a folder": lambda path: path.mkdir(),
        "a pipe": lambda path: os.mkfifo(path),
        "a loop": lambda path: path.symlink_to(path),
        "an endless device": lambda path: path.symlink_to("/dev/zero"),
        "no text": lambda path: path.write_bytes(b"\xff\xfe"),
        "no JSON": lambda path: path.write_text("[["),
        "a name that is no text": lambda path: Path(os.fsdecode(os.fsencode(path.parent) + b"/a\xff.json")).touch(),
    }


@pytest.mark.parametrize("name", _odd_files(Path()))
def test_one_odd_file_among_the_records_hinders_no_study(tmp_path: Path, small_plan: Plan, name: str) -> None:
    store = Store(tmp_path / "runs")
    examples.fill(store, small_plan)
    run_id, _, _ = small_plan.runs()[0]
    _odd_files(tmp_path)[name](store.path(run_id[:2] + "0" * 14))
    config = resolved(execution={"seconds_per_run": "auto"})
    found = with_seconds_per_run(config, trainers.choose(config), tmp_path / "another", store)
    assert found["execution"]["seconds_per_run"] > 0
    assert not store.missing([run for run, _, _ in small_plan.runs()])
    tables.collect(small_plan, trainers.choose(small_plan.config), store)


@pytest.mark.parametrize(
    "settings",
    [
        {"network": "asker"},
        {"network": "asker", "epochs": "x", "train_images": 3, "batch_size": 1, "precision": "y", "bn": "none"},
        {"network": "asker", "epochs": 0, "train_images": 0, "batch_size": 1, "precision": "float32", "bn": "none"},
        {"network": "asker", "epochs": None, "train_images": 2, "batch_size": 1, "precision": "y", "bn": 1},
    ],
)
def test_records_of_any_settings_in_the_store_hinder_no_plan(
    tmp_path: Path, small_plan: Plan, settings: dict[str, Any]
) -> None:
    store = Store(tmp_path / "runs")
    _, cell, seed = small_plan.runs()[0]
    store.write(dataclasses.replace(examples.record(small_plan, cell, seed), settings=settings))
    config = resolved(execution={"seconds_per_run": "auto"})
    found = with_seconds_per_run(config, trainers.choose(config), tmp_path / "another", store)
    assert found["execution"]["seconds_per_run"] > 0


def test_nothing_is_written_through_a_link_out_of_the_folder(
    tmp_path: Path, small_plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    outside, store = tmp_path / "outside", Store(tmp_path / "runs")
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    run_id, cell, seed = small_plan.runs()[0]
    store.root.mkdir()
    store.path(run_id).parent.symlink_to(outside)
    with pytest.raises(StudyError, match="by a symbolic link; remove it, nothing is written there"):
        store.write(examples.record(small_plan, cell, seed))
    store.path(run_id).parent.unlink()
    # A link to a file is replaced.
    store.path(run_id).parent.mkdir()
    store.path(run_id).symlink_to(outside / "mine.txt")
    store.write(examples.record(small_plan, cell, seed))
    assert not store.path(run_id).is_symlink()
    # A study's whole folder may be elsewhere: its owner put it there.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "far").symlink_to(elsewhere)
    Store(tmp_path / "far").write(examples.record(small_plan, cell, seed))
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert cli.main(["new", str(tmp_path / "link")]) == 2
    assert "is a symbolic link; name a new folder" in capsys.readouterr().err
    assert not list((tmp_path / "empty").iterdir())
    assert [path.name for path in outside.iterdir()] == ["mine.txt"]
    assert (outside / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("command", ["report", "interim", "publish"])
def test_no_command_writes_through_a_link_in_its_folder(
    tmp_path: Path, small_plan: Plan, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    study, outside, store = tmp_path / "small", tmp_path / "outside", tmp_path / "runs"
    outside.mkdir()
    examples.fill(Store(store), small_plan)
    plans.write(small_plan, study, {"network": "asker", "epochs": 2, "batch_size": 50, "train_images": 400})
    found = tables.collect(small_plan, trainers.choose(small_plan.config), Store(store))
    tables.write(found, study)
    if command == "interim":
        (tmp_path / "out").mkdir()
        (tmp_path / "out/analysis").symlink_to(outside)
        config = json.dumps(small_plan.config)
        line = ["interim", config, "--store", str(store), "--out", str(tmp_path / "out")]
    else:
        analyze = ["analyze", str(study / "runs.parquet"), "--design", str(study / "design.json"), "--out"]
        assert cli.main([*analyze, str(study / "analysis"), "--curves", str(study / "curves.parquet")]) == 0
        assert (
            cli.main(
                [
                    "explain",
                    str(study / "design.json"),
                    "--runs",
                    str(study / "runs.parquet"),
                    "--store",
                    str(store),
                    "--out",
                    str(study),
                ]
            )
            == 0
        )
        line = ["report", str(study), "--figures", str(study / "figures")]
        if command == "publish":
            assert cli.main(line) == 0
            (tmp_path / "out").mkdir()
            (tmp_path / "out/analysis").symlink_to(outside)
            line = ["publish", str(study), "--out", str(tmp_path / "out")]
        else:
            (study / "figures").symlink_to(outside)
    capsys.readouterr()
    assert cli.main(line) == 2
    assert "by a symbolic link; remove it" in capsys.readouterr().err
    assert not list(outside.iterdir())


# Each was a traceback: what is shown depends on it, though no key is missing.
SHOWN: list[tuple[str, tuple[Any, ...], Any]] = [
    ("design", ("factors", 0, "levels"), []),
    ("analysis/verdicts", ("answers", 2), -1),
    ("analysis/verdicts", ("arms", 0), None),
    ("analysis/verdicts", ("answers", 1, "answer"), 1e-300),
    ("analysis/diagnostics", ("influence", 0, "level"), "nan"),
    ("analysis/cells", (0, "levels"), []),
    ("analysis/luck", ("variance_shares",), "x"),
]


@pytest.mark.parametrize(("name", "place", "odd"), SHOWN)
def test_whatever_stands_in_a_result_file_the_page_is_made_or_refused_in_one_line(
    tmp_path: Path, results: Path, capsys: pytest.CaptureFixture[str], name: str, place: tuple[Any, ...], odd: Any
) -> None:
    folder = shutil.copytree(results, tmp_path / "study")
    path = folder / f"{name}.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), place, odd)))
    capsys.readouterr()
    if cli.main(["report", str(folder)]) != 0:
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"study: error: {folder}")


def test_whatever_stands_in_the_verdicts_they_are_told_or_refused_in_one_line(tmp_path: Path, results: Path) -> None:
    folder = shutil.copytree(results, tmp_path / "study")
    path = folder / "analysis/verdicts.json"
    sound = json.loads(path.read_text())
    cases = [(place, odd) for place in leaves(sound) for odd in ["x", None, [], {}, -1, 1e300]]
    for place, odd in random.Random(1).sample(cases, 150):
        path.write_text(json.dumps(changed(sound, place, odd)))
        line = refused(lambda: verdict(read_results(folder)).text)
        assert not line or line.startswith(str(folder)), (place, odd, line)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = Scenario(seeds=4, epochs=3, lr=(1e-3,))
    return write_results(tmp_path_factory.mktemp("results") / "small", scenario)
