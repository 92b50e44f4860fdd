"""How far a study is, against real stores: what is recorded, under way, failed and missing."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from study import cli
from study.design.plan import Plan, write
from study.errors import StudyError
from study.monitor import heartbeat
from study.monitor.status import Failure, Status, survey
from study.store.record import Store
from tests import examples

SHARED, NONE = "bn~shared_dropout~0.3", "bn~none_dropout~0.3"


@pytest.fixture
def plan() -> Plan:
    """bn {none, libs, keras} x dropout {0.0, 0.3} x 4 seeds: 24 runs of 16 trainings, libs and keras shared."""
    config = examples.resolved(
        design={"factors": {"bn": ["none", "libs", "keras"]}, "seeds": 4}, execution={"seconds_per_run": 30}
    )
    return examples.planned(config)


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> Path:
    folder = tmp_path / "results/small"
    write(plan, folder, {})
    return folder


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder.parent / "runs")


def train(plan: Plan, store: Store, trajectory: str, *seeds: int, seconds: float = 8.0) -> None:
    for _, cell, seed in plan.runs():
        if cell.trajectory == trajectory and seed in seeds:
            record = examples.record(plan, cell, seed)
            record.cost.update(training_seconds=0.75 * seconds, evaluation_seconds=0.25 * seconds)
            store.write(record)


def beat_of(plan: Plan, folder: Path, trajectory: str) -> Path:
    (job,) = [job for job in plan.jobs() if job.trajectory == trajectory]
    return folder / "train" / trajectory / f"seeds~{job.block}.{'0' * 8}{heartbeat.SUFFIX}"


def about(trajectory: str, at_once: int = 1) -> dict[str, object]:
    return {"trajectory": trajectory, "seeds": [0, 1, 2, 3], "at_once": at_once}


def states(status: Status) -> dict[tuple[object, ...], tuple[str, ...]]:
    return {tuple(row.levels.values()): row.states for row in status.rows}


def test_before_the_first_run_all_are_missing(plan: Plan, folder: Path, store: Store) -> None:
    status = survey(plan, folder, store)
    assert (status.runs, status.count("missing")) == (24, 24)
    assert [tuple(row.levels.values()) for row in status.rows] == [
        (bn, dropout) for bn in ("none", "libs", "keras") for dropout in (0.0, 0.3)
    ]
    # 16 trainings, as long as the design expects; nobody is at work.
    assert status.core_seconds_left == 16 * 30
    assert status.trainings_at_once == 0
    assert status.failure is None


def test_a_job_under_way_is_at_its_first_seed_without_a_record(plan: Plan, folder: Path, store: Store) -> None:
    train(plan, store, NONE, 0, 1, 2, 3, seconds=8)
    train(plan, store, SHARED, 0, 1, seconds=20)
    with heartbeat.beating(beat_of(plan, folder, SHARED), about(SHARED)):
        status = survey(plan, folder, store)
    found = states(status)
    assert found["none", 0.3] == ("done",) * 4
    assert found["libs", 0.3] == found["keras", 0.3] == ("done", "done", "running", "missing")
    assert found["none", 0.0] == ("missing",) * 4
    assert (status.count("done"), status.count("running"), status.trainings_at_once) == (8, 2, 1)
    # Two trainings of 20 s; eight of trajectories of which nothing is known, 14 s on the mean.
    assert status.core_seconds_left == pytest.approx(2 * 20 + 8 * 14)


def test_several_seeds_at_once_are_under_way_together(plan: Plan, folder: Path, store: Store) -> None:
    train(plan, store, SHARED, 1)
    with heartbeat.beating(beat_of(plan, folder, SHARED), about(SHARED, at_once=2)):
        status = survey(plan, folder, store)
    assert states(status)["keras", 0.3] == ("running", "done", "running", "missing")
    assert status.trainings_at_once == 2


def test_a_job_that_succeeds_leaves_no_heartbeat(plan: Plan, folder: Path, store: Store) -> None:
    path = beat_of(plan, folder, NONE)
    with heartbeat.beating(path, about(NONE)):
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_a_job_that_fails_says_why(plan: Plan, folder: Path, store: Store) -> None:
    train(plan, store, NONE, 0)
    with pytest.raises(MemoryError), heartbeat.beating(beat_of(plan, folder, NONE), about(NONE)):
        raise MemoryError("no more")
    with pytest.raises(StudyError), heartbeat.beating(beat_of(plan, folder, SHARED), about(SHARED)):
        raise StudyError("images: gone")
    status = survey(plan, folder, store)
    assert states(status)["none", 0.3] == ("done", "failed", "missing", "missing")
    assert states(status)["keras", 0.3] == ("failed", "missing", "missing", "missing")
    assert status.trainings_at_once == 0
    assert isinstance(status.failure, Failure)
    assert (status.failure.what, status.failure.error) == (f"{SHARED}, seed 0", "images: gone")
    assert status.failure.log == folder / "logs/train" / SHARED / f"seeds~0-3.{'0' * 8}.log"
    # The job runs again.
    with heartbeat.beating(beat_of(plan, folder, SHARED), about(SHARED)):
        status = survey(plan, folder, store)
        assert states(status)["keras", 0.3][0] == "running"
        assert status.failure is not None
        assert status.failure.error == "MemoryError: no more"


def test_a_job_that_was_killed_gives_no_sign_of_life(plan: Plan, folder: Path, store: Store) -> None:
    path = beat_of(plan, folder, NONE)
    code = (
        "import os, pathlib; from study.monitor import heartbeat\n"
        f"with heartbeat.beating(pathlib.Path({str(path)!r}), {about(NONE)!r}):\n"
        "    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=examples.PROJECT, check=False)
    assert states(survey(plan, folder, store))["none", 0.3][0] == "running"
    os.utime(path, (time.time() - heartbeat.SILENCE - 1,) * 2)
    status = survey(plan, folder, store)
    assert states(status)["none", 0.3][0] == "failed"
    assert status.failure is not None
    assert "no sign of life since" in status.failure.error
    # Another job, perhaps of another study, has trained the runs meanwhile.
    train(plan, store, NONE, 0, 1, 2, 3)
    assert survey(plan, folder, store).failure is None


def test_the_heartbeat_is_touched_as_long_as_the_job_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    path = tmp_path / f"x{heartbeat.SUFFIX}"
    with heartbeat.beating(path, about(NONE)):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 60
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_a_heartbeat_that_cannot_be_written_stops_no_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = []
    with heartbeat.beating(tmp_path / "file" / "x.job", about(NONE)):
        done.append(1)
    assert done == [1]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"host": 1}'])
def test_what_is_no_heartbeat_is_passed_over(plan: Plan, folder: Path, store: Store, content: str) -> None:
    path = beat_of(plan, folder, NONE)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert survey(plan, folder, store).count("missing") == 24


def test_the_command_tells_it_in_words(
    plan: Plan, folder: Path, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(plan, store, NONE, 0, 1, 2)
    with pytest.raises(StudyError), heartbeat.beating(beat_of(plan, folder, NONE), about(NONE)):
        raise StudyError("results/runs/x.json: cannot be written: No space left on device")
    assert cli.main(["status", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0]
        == "small: 3 done, 0 running, 1 failed, 20 missing of 24 runs; 2 min left for one core, none is at work"
    )
    assert any(line.split() == ["none", "0.3", "3", "1", "■■■✗"] for line in lines)
    assert "No space left on device" in lines[-3]
    assert str(folder / "logs/train") in lines[-2]
    # By its configuration, from the folder above.
    monkeypatch.chdir(folder.parents[1])
    Path("config.yaml").write_text("study: {name: small}\n")
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == lines[0]


def test_a_level_that_looks_like_markup_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    levels = ["[bold]", "[/]", "[link=x]y", ":smile:"]
    trainer = {"command": "true {arm} {seed} {record}"}
    design = {"factors": {"arm": levels}, "control": {"arm": "[/]"}, "seeds": 2}
    config = examples.configuration.resolve(
        {
            "study": {"name": "odd"},
            "trainer": trainer,
            "response": {"kind": "number"},
            "plan": {"margin": 0.1},
            "design": design,
        }
    )
    write(examples.planned(config), tmp_path / "odd", {})
    assert cli.main(["status", str(tmp_path / "odd")]) == 0
    said = capsys.readouterr().out
    assert [level for level in levels if level not in said] == []


def test_watching_ends_when_all_is_done(
    plan: Plan, folder: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id, _, _ = plan.runs()[0]
    examples.fill(store, plan)
    record = store.path(run_id).read_text()
    store.path(run_id).unlink()
    timer = threading.Timer(0.5, store.path(run_id).write_text, (record,))
    timer.start()
    assert cli.main(["status", str(folder), "--watch", "0.1"]) == 0
    timer.join()
    assert "24 done, 0 running, 0 failed, 0 missing of 24 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such file or folder; type `study status results/<name>`"),
        (["."], ".: no design.json, so no study has begun there; `snakemake --cores all` begins one"),
        ([".", "--watch", "0"], "--watch 0: seconds are more than 0"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["status", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"study: error: {words}")
