"""Trainers of a study's own: what is executed, what is a result, what is a failure, what makes a run another."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from study import trainers
from study.config import resolve as configuration
from study.design import factorial
from study.design.plan import Plan
from study.errors import StudyError
from study.store.record import Record, Store
from study.store.tables import Tables
from study.store.tables import collect as collect_with
from study.trainers.external.declaration import RESERVED
from tests.examples import PROJECT, overlaid

COMMAND: dict[str, Any] = {
    "study": {"name": "own"},
    "trainer": {"command": f"{sys.executable} train.py {{word}} {{seed}} {{record}}"},
    "response": {"kind": "number", "name": "loss", "better": "lower"},
    "design": {"factors": {"word": ["a", "b"]}, "control": {"word": "a"}, "seeds": 2},
    "plan": {"margin": 0.5},
}
# Writes what its first argument says, and nothing else.
ECHO = "import pathlib, sys\npathlib.Path(sys.argv[3]).write_text(sys.argv[1])\n"
SEEN = "import json, pathlib, sys\njson.dump({'value': 1, 'curve': []}, open(sys.argv[3], 'w'))\n" + (
    "pathlib.Path('seen.json').write_text(json.dumps(sys.argv[1:3]))\n"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the study's own, in which everything works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(ECHO)
    return tmp_path


def resolved(**changes: Any) -> dict[str, Any]:
    return configuration.resolve(overlaid(overlaid(changes, {"execution": {"seconds_per_run": 1}}), COMMAND))


def planned(**changes: Any) -> Plan:
    config = resolved(**changes)
    return Plan(config, trainers.choose(config).origin())


def collect(plan: Plan, store: Store) -> Tables:
    return collect_with(plan, trainers.choose(plan.config), store)


def train(plan: Plan) -> Store:
    """Train every job; what fails is raised at the end."""
    store, trainer = Store(Path("runs")), trainers.choose(plan.config)
    for job in plan.jobs():
        trainer.train(job, plan, store, lambda *_: None)
    return store


def levels(*words: Any) -> dict[str, Any]:
    return {"factors": {"word": list(words)}, "control": {"word": words[0]}}


def one(store: Store, plan: Plan, word: str) -> Record:
    return store.load(next(run_id for run_id, cell, _ in plan.runs() if cell.levels["word"] == word))


def ids(**changes: Any) -> list[str]:
    return [run_id for run_id, _, _ in planned(**changes).runs()]


HOSTILE = (
    "two words",
    "$(touch hacked)",
    "`touch hacked`",
    "a;touch hacked",
    "'\"",
    "*",
    "--out=x",
    "{seed}",
    "é\n",
    "~",
)


@pytest.mark.parametrize("word", HOSTILE)
def test_whatever_a_level_holds_arrives_literally(here: Path, word: str) -> None:
    (here / "train.py").write_text(SEEN)
    plan = planned(design=levels("plain", word))
    train(plan)
    assert json.loads((here / "seen.json").read_text()) == [word, "1"]
    assert not (here / "hacked").exists()


def test_quotes_in_the_command_hold_an_argument_together_and_braces_can_be_written(here: Path) -> None:
    (here / "train.py").write_text(SEEN)
    train(
        planned(trainer={"command": f"{sys.executable} train.py 'x {{word}} $HOME {{{{y}}}}' {{seed}} \"{{record}}\""})
    )
    assert json.loads((here / "seen.json").read_text())[0] == "x b $HOME {y}"


def test_numbers_and_truth_values_are_told_as_yaml_writes_them(here: Path) -> None:
    (here / "train.py").write_text(SEEN)
    for word, text in ((True, "true"), (0.0002, "0.0002"), (10, "10"), ("5e-4", "0.0005"), ("no", "no")):
        train(planned(design=levels("other", word)))
        assert json.loads((here / "seen.json").read_text())[0] == text


GOOD = {
    '{"value": 0.25}': ("ok", 0.25),
    '{"value": -3, "curve": [1, null, NaN]}': ("ok", -3.0),
    '{"value": NaN}': ("diverged", None),
    '{"value": null}': ("diverged", None),
    '{"value": -Infinity}': ("diverged", None),
    '{"value": 7, "status": "diverged"}': ("diverged", 7.0),
}


@pytest.mark.parametrize("text", GOOD)
def test_a_number_or_its_absence_is_an_outcome_and_is_recorded(text: str) -> None:
    plan = planned(design=levels('{"value": 1}', text))
    record = one(train(plan), plan, text)
    assert (record.status, record.extra["response"]) == GOOD[text]
    assert record.extra["successes"] is record.extra["trials"] is None


BAD = {
    "": "not JSON",
    "loss 0.3": "not JSON",
    "[1]": "[1]",
    "{}": "no 'value'",
    '{"loss": 1}': "'loss'",
    '{"value": "0.3"}': '"0.3"',
    '{"value": true}': "true",
    '{"value": [1]}': "[1]",
    '{"value": 1, "status": "fine"}': '"fine"',
    '{"value": 1, "curve": 3}': "curve",
    '{"value": 1, "curve": ["x"]}': "curve",
    '{"successes": 1, "trials": 2}': "'successes'",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_result_is_told_and_never_recorded(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    plan = planned(design=levels('{"value": 1}', text or " "))
    with pytest.raises(
        StudyError, match="2 of 2 runs failed and have no record; the same command runs them again"
    ) as told:
        train(plan)
    assert BAD[text] in str(told.value)
    assert capfd.readouterr().err.count("wrote") == 2
    assert len(list(Path("runs").rglob("*.json"))) == 2


PROPORTION = {
    '{"successes": 3, "trials": 4}': (3, 4, "ok"),
    '{"successes": 3.0, "trials": 4, "curve": [1, 2, 3], "correct": [true, false, true, true]}': (3, 4, "ok"),
    '{"successes": NaN, "trials": 4}': (0, 4, "diverged"),
    '{"successes": 1, "trials": 4, "status": "diverged"}': (1, 4, "diverged"),
    '{"successes": 5, "trials": 4}': "0 to 4",
    '{"successes": 1.5, "trials": 4}': "whole number",
    '{"successes": -1, "trials": 4}': "0 to 4",
    '{"successes": 0, "trials": 0}': "1 or more",
    '{"successes": 1}': "no 'trials'",
    '{"value": 0.5}': "'value'",
    '{"successes": 3, "trials": 4, "correct": [1, 1, 1]}': "needed: 4",
    '{"successes": 3, "trials": 4, "correct": [1, 1, 0, 0]}': "2 of correct",
    '{"successes": 3, "trials": 4, "correct": [1, 1, 0, 2]}': "true or false",
}


@pytest.mark.parametrize("text", PROPORTION)
def test_a_proportion_is_counts_that_are_possible(text: str) -> None:
    plan = _proportion_plan(text)
    expected = PROPORTION[text]
    if isinstance(expected, str):
        with pytest.raises(StudyError, match="no record") as told:
            train(plan)
        assert expected in str(told.value)
        return
    record = one(train(plan), plan, text)
    assert (record.extra["successes"], record.extra["trials"], record.status) == expected
    if "correct" in text:
        table = collect(plan, Store(Path("runs"))).runs
        assert table[table["word"] == text]["correct_bits"].iloc[0] == bytes([0b10110000])


def test_no_factor_may_have_the_name_of_a_column() -> None:
    curve = '{"value": 1, "curve": [1]}'
    counts = '{"successes": 1, "trials": 2, "curve": [1], "correct": [1, 0]}'
    for plan in (planned(design=levels(curve, '{"value": 2}')), _proportion_plan(counts)):
        tables = collect(plan, train(plan))
        assert set(tables.runs) | set(tables.curves) <= {"word", *RESERVED}


def _proportion_plan(text: str) -> Plan:
    config = overlaid({"design": levels('{"successes": 1, "trials": 1}', text)}, COMMAND)
    config["response"] = {"kind": "proportion"}
    config["plan"] = {"margin_pp": 1}
    config["execution"] = {"seconds_per_run": 1}
    config = configuration.resolve(config)
    return Plan(config, trainers.choose(config).origin())


FAILURES = {
    "exit status": ("sys.exit(3)", "exit status 3"),
    "crash": ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    "exception": ("1 / 0", "exit status 1"),
    "nothing": ("pass", "wrote no file"),
    "the wrong file": ("pathlib.Path(sys.argv[3] + '.txt').write_text('{\"value\": 1}')", "wrote no file"),
    "a good file, and then a failure": (
        "pathlib.Path(sys.argv[3]).write_text('{\"value\": 1}'); sys.exit(1)",
        "exit status 1",
    ),
    "bytes": ("pathlib.Path(sys.argv[3]).write_bytes(b'\\xff\\xfe')", "not JSON"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_run_that_fails_has_no_record_and_the_others_of_its_job_have_theirs(here: Path, name: str) -> None:
    code, told = FAILURES[name]
    (here / "train.py").write_text(
        "import os, pathlib, signal, sys\n"
        f"if sys.argv[1:3] == ['b', '0']:\n    {code}\nelse:\n"
        "    pathlib.Path(sys.argv[3]).write_text('{\"value\": 1}')\n"
    )
    plan = planned()
    with pytest.raises(StudyError) as error:
        train(plan)
    assert "1 of 2 runs failed" in str(error.value)
    assert "word b, seed 0: " in str(error.value)
    assert told in str(error.value)
    assert Store(here / "runs").missing(run_id for run_id, _, _ in plan.runs()) == [plan.runs()[2][0]]


def test_a_run_that_failed_is_run_again_and_the_others_are_not(here: Path) -> None:
    script = here / "train.py"
    script.write_text("import sys\nopen('count', 'a').write('x')\nsys.exit(1)\n")
    # Not a part of the identity here, so that mending it does not make new runs.
    changes: dict[str, Any] = {"trainer": {"files": []}}
    with pytest.raises(StudyError):
        train(planned(**changes))
    assert (here / "count").read_text() == "xx"
    (here / "count").unlink()
    script.write_text("open('count', 'a').write('x')\n" + ECHO.replace("sys.argv[1]", "'{\"value\": 1}'"))
    for _ in range(2):
        train(planned(**changes))
        assert (here / "count").read_text() == "xxxx"


def test_a_run_that_hangs_is_stopped_with_all_that_it_started(here: Path) -> None:
    (here / "train.py").write_text(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pids', 'a').write(f'{os.getpid()} {child.pid} ')\ntime.sleep(600)\n"
    )
    with pytest.raises(StudyError, match="stopped after 2 s, the time-out"):
        train(planned(trainer={"timeout": 2}, design=levels("a", "b") | {"seeds": [0, 1]}))
    pids = [int(pid) for pid in (here / "pids").read_text().split()]
    assert len(pids) == 2 * 2
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes came from which")
@pytest.mark.parametrize("hangs", [True, False])
def test_a_child_in_a_session_of_its_own_ends_with_its_run(here: Path, hangs: bool) -> None:
    # The second child is a daemon: its parent is gone before the run ends.
    (here / "train.py").write_text(
        "import subprocess, sys, time\n"
        "child = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "one = subprocess.Popen(child, start_new_session=True)\n"
        "start = 'import subprocess, sys; '\n"
        "start += 'print(subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=-3).pid)'\n"
        "two = subprocess.run([sys.executable, '-c', start, 'sleep', '600'], stdout=subprocess.PIPE, text=True)\n"
        "open('pids', 'a').write(f'{one.pid} {two.stdout} ')\n" + ("time.sleep(600)\n" if hangs else "")
    )
    bystander = subprocess.Popen(["sleep", "600"])
    with pytest.raises(StudyError, match="time-out" if hangs else "no such file|wrote"):
        train(planned(trainer={"timeout": 3}, design=levels("a", "b") | {"seeds": [0, 1]}))
    pids = [int(pid) for pid in (here / "pids").read_text().split()]
    assert len(pids) == 2 * 2
    assert not any(alive(pid) for pid in pids)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_program_that_does_not_exist_is_told_when_the_study_is_planned() -> None:
    config = resolved(trainer={"command": "no-such-program {word} {seed} {record}"})
    with pytest.raises(StudyError, match="'no-such-program', which is no program here"):
        trainers.choose(config).check(factorial.cells(config, {}))


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("python missing.py {word} {seed} {record}", "'missing.py', which is not there"),
        ("python -u missing.py {word} {seed} {record}", "'missing.py', which is not there"),
        ("python train.py {word} {seed} {record} | tee log", "'|', which only a shell understands"),
        ("python train.py {word} {seed} {record} && rm log", "'&&', which only a shell understands"),
        ("python train.py {word} {seed} > {record}", "'>', which only a shell understands"),
        ("python train.py {word} {seed} {record} 2>&1", "'2>&1', which only a shell understands"),
        ("python train.py {word} {seed} {record} 2>log", "'2>log', which only a shell understands"),
        ("python $SCRIPT {word} {seed} {record}", "the variable '$SCRIPT'"),
        ("python ${{HOME}}/train.py {word} {seed} {record}", "the variable '${{HOME}}'"),
        ("python ~/train.py {word} {seed} {record}", "'~/train.py', a home folder"),
    ],
)
def test_a_command_that_cannot_mean_what_it_says_is_refused_when_the_study_is_planned(
    here: Path, command: str, word: str
) -> None:
    config = resolved(trainer={"command": command})
    with pytest.raises(StudyError) as caught:
        trainers.choose(config).check(factorial.cells(config, {}))
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "command", ["sh -c 'cat $0 | tee log' {word} {seed} {record}", "python -c pass {word} {seed} {record}"]
)
def test_a_shell_of_the_users_own_may_have_its_words(here: Path, command: str) -> None:
    config = resolved(trainer={"command": command})
    trainers.choose(config).check(factorial.cells(config, {}))


@pytest.mark.parametrize(("placed", "refused"), [("--word {word}", True), ("--word={word}", False)])
def test_a_level_that_a_program_takes_for_an_option_is_refused(here: Path, placed: str, refused: bool) -> None:
    config = resolved(trainer={"command": f"python train.py {placed} {{seed}} {{record}}"}, design=levels("-x", "y"))
    if refused:
        with pytest.raises(StudyError, match="takes for an option"):
            trainers.choose(config).check(factorial.cells(config, {}))
    else:
        trainers.choose(config).check(factorial.cells(config, {}))


@pytest.mark.parametrize(
    ("text", "function", "word"),
    [
        ("def run(word, seed): pass", "go", "lacks; its functions are: run"),
        ("", "run", "its functions are: none"),
        ("def run(word): pass", "run", "line 1: run(word) takes no argument 'seed'"),
        ("x = 1\ndef run(*, seed): pass", "run", "line 2: run(seed) takes no argument 'word'"),
        ("def run(:", "run", "line 1: is no Python"),
        ("def run(word, *, seed): pass", "run", ""),
        ("def run(seed, **levels): pass", "run", ""),
        ("@cached\ndef run(): pass", "run", ""),
        ("from elsewhere import *", "run", ""),
        ("from elsewhere import go as run", "run", ""),
        ("run = make()", "run", ""),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_when_the_study_is_planned(
    here: Path, text: str, function: str, word: str
) -> None:
    (here / "mine.py").write_text(text)
    own = overlaid({"execution": {"seconds_per_run": 1}}, COMMAND)
    config = configuration.resolve(own | {"trainer": {"function": f"mine:{function}"}})
    if not word:
        trainers.choose(config).check(factorial.cells(config, {}))
        return
    with pytest.raises(StudyError) as caught:
        trainers.choose(config).check(factorial.cells(config, {}))
    assert word in str(caught.value)


def test_a_function_is_called_with_the_levels_and_the_seed_in_a_process_of_its_own(here: Path) -> None:
    (here / "package").mkdir()
    (here / "package" / "training.py").write_text(
        "import os\nimport numpy as np\ncalls = []\n"
        "def run(word, number, flag, seed):\n"
        "    calls.append(seed)\n"
        "    assert isinstance(number, float) and flag is True and len(calls) == 1\n"
        "    return {'value': np.float32(len(word) + number + seed), 'curve': np.arange(2)}\n"
    )
    config = overlaid({}, COMMAND)
    config["trainer"] = {"function": "package.training:run"}
    config["execution"] = {"seconds_per_run": 1}
    config["design"]["factors"] = {"word": ["a", "bb"], "number": [0.5], "flag": [True]}
    config = configuration.resolve(config)
    plan = Plan(config, trainers.choose(config).origin())
    table = collect(plan, train(plan))
    assert table.runs["response"].tolist() == [1.5, 2.5, 2.5, 3.5]
    assert table.curves["response"].tolist() == [0.0, 1.0] * 4
    with pytest.raises(StudyError, match="module 'nowhere', which is not found"):
        trainers.choose(configuration.resolve(overlaid({"trainer": {"function": "nowhere:run"}}, config))).origin()


def test_the_identity_changes_with_what_decides_a_result_and_with_nothing_else(here: Path) -> None:
    usual = ids()
    command = COMMAND["trainer"]["command"]
    for same in (
        {"report": {"titles": {"word": "the word"}}},
        {"response": {"name": "validation loss", "unit": "nats"}},
        {"plan": {"margin": 0.1}},
        {"study": {"name": "other", "question": "Why?"}},
        {"trainer": {"timeout": 5}},
        {"trainer": {"command": command.replace(" ", "   ")}},
        {"execution": {"seeds_per_job": 1}},
    ):
        assert ids(**same) == usual
    (here / "library").mkdir()
    (here / "library" / "code.py").write_text("x = 1\n")
    others = [ids(trainer={"command": command + " --fast"}), ids(trainer={"files": ["train.py", "library"]})]
    (here / "library" / "code.py").write_text("x = 2\n")
    (here / "library" / "__pycache__").mkdir()
    others.append(ids(trainer={"files": ["train.py", "library"]}))
    (here / "library" / "__pycache__" / "code.pyc").write_text("not code")
    assert ids(trainer={"files": ["train.py", "library"]}) == others[-1]
    (here / "train.py").write_text(ECHO + "# mended\n")
    others.append(ids())
    assert len({run_id for found in [usual, *others] for run_id in found}) == 4 * (1 + len(others))


def test_a_file_that_changed_after_the_planning_is_told(here: Path) -> None:
    plan = planned()
    (here / "train.py").write_text(SEEN)
    with pytest.raises(StudyError, match="its files changed since the design was written"):
        train(plan)


def test_the_jobs_change_their_names_with_the_files_of_the_trainer(here: Path) -> None:
    before = trainers.choose(resolved()).fingerprint()
    assert trainers.choose(resolved()).fingerprint() == before
    (here / "train.py").write_text(SEEN)
    assert trainers.choose(resolved()).fingerprint() != before


def test_without_a_block_no_two_cells_share_a_seed_and_each_keeps_its_own() -> None:
    alone = {"block": None}
    plan = planned(design=alone | {"seeds": 50})
    seeds = [seed + cell.seed_offset for _, cell, seed in plan.runs()]
    assert len(set(seeds)) == len(seeds) == 100
    assert max(seeds) < 2**32
    more = {run_id for run_id, _, _ in planned(design=alone | {"seeds": 50} | levels("a", "b", "c")).runs()}
    assert {run_id for run_id, _, _ in plan.runs()} < more
    assert {cell.seed_offset for cell in factorial.cells(resolved(), {})} == {0}


@pytest.mark.parametrize("word", [*HOSTILE, "x" * 500, "a/../../b", ".."])
def test_a_trajectory_is_a_name_for_a_folder_whatever_its_levels(word: str) -> None:
    names = [cell.trajectory for cell in factorial.cells(resolved(design=levels("plain", word)), {})]
    assert len(set(names)) == 2
    for name in names:
        assert "/" not in name
        assert len(name.encode()) < 200
        assert name.isascii()
        assert name.isprintable()


def test_a_signal_to_the_job_ends_its_run_too(here: Path) -> None:
    (here / "train.py").write_text(
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)\n"
    )
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom study import trainers\n"
        "from study.design.plan import Plan\n"
        "from study.store.record import Store\nconfig = json.loads(sys.argv[1])\ntrainer = trainers.choose(config)\n"
        "plan = Plan(config, trainer.origin())\n"
        "trainer.train(plan.jobs()[0], plan, Store(Path('runs')), lambda *_: None)\n"
    )
    job = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(resolved())], env=os.environ | {"PYTHONPATH": str(PROJECT)}
    )
    deadline = time.monotonic() + 120
    while not ((here / "pid").exists() and (here / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    job.terminate()
    assert job.wait(60) != 0
    assert not alive(int((here / "pid").read_text()))
