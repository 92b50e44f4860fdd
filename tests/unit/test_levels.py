"""Levels of every kind, from the configuration through training and tables to the page."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from study import trainers
from study.cli import main
from study.config import resolve as configuration
from study.design import plan as plans
from study.design.plan import Plan
from study.errors import StudyError
from study.report.results import read_results
from study.store import tables
from study.store.record import Store
from study.words import level_key, level_text

TRAIN = """import json, sys
aug, rate, seed, record = sys.argv[1:]
value = 1.0 - 0.2 * (aug in ("true", "yes", "2", "1.5")) + 0.01 * ((7 * int(seed) + len(rate)) % 5)
json.dump({"value": value}, open(record, "w"))
"""


def configured(focus: list[Any], other: list[Any]) -> dict[str, Any]:
    return configuration.resolve(
        {
            "study": {"name": "levels"},
            "trainer": {"command": f"{sys.executable} train.py {{aug}} {{rate}} {{seed}} {{record}}"},
            "response": {"kind": "number", "name": "loss", "better": "lower"},
            "design": {"factors": {"aug": focus, "rate": other}, "control": {"aug": focus[0]}, "seeds": 5},
            "plan": {"margin": 0.05},
            "execution": {"seconds_per_run": 1},
        }
    )


KINDS = {
    "truth values": ([False, True], [True, False]),
    "off and on as words": (["no", "yes"], ["off", "on"]),
    "whole numbers": ([1, 2], [16, 128]),
    "numbers, whole and not": ([1, 1.5], [0, 0.3]),
    "texts that look like numbers": (["1.0", "2"], ["007", "1e3"]),
}


@pytest.mark.parametrize(("focus", "other"), KINDS.values(), ids=KINDS)
def test_levels_arrive_on_the_page_as_they_were_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, focus: list[Any], other: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(TRAIN)
    config = configured(focus, other)
    trainer, store = trainers.choose(config), Store(Path("runs"))
    plan = Plan(config, trainer.origin())
    for job in plan.jobs():
        trainer.train(job, plan, store, lambda *_: None)
    plans.write(plan, Path("out"), trainer.words())
    tables.write(tables.collect(plan, trainer, store), Path("out"))
    inputs = ["--design", "out/design.json", "--out", "out/analysis"]
    assert main(["analyze", "out/runs.parquet", *inputs]) == 0
    assert main(["report", "out"]) == 0
    results = read_results("out")
    assert results.focus.levels == tuple(map(level_key, focus))
    assert results.control == level_key(focus[0])
    assert results.arms == (level_key(focus[1]),)
    verdicts = json.loads(Path("out/analysis/verdicts.json").read_text(encoding="utf-8"))
    (arm,) = verdicts["arms"]
    assert level_key(arm["level"]) == level_key(focus[1])
    (depends,) = arm["depends"]
    assert [level_key(row["level"]) for row in depends["levels"]] == list(map(level_key, other))
    assert "Nothing to compare" not in Path("out/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("levels", "told"), [(["1", "1.0"], "1.0"), (["a", ""], "not empty"), ([1, 1.0], "1.0")])
def test_levels_that_cannot_be_told_apart_are_refused_before_any_training(levels: list[Any], told: str) -> None:
    with pytest.raises(StudyError, match=r"design\.factors\.aug") as error:
        configured(levels, ["u", "v"])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_date_is_refused_in_one_line() -> None:
    import datetime

    with pytest.raises(StudyError, match="a text that is not empty, a finite number, or true or false"):
        configured([datetime.date(2026, 1, 1), "b"], ["u", "v"])


def test_a_table_with_one_number_in_two_spellings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pandas as pd

    rows = [(arm, seed, 0.1 * seed) for arm in ("1", "1.0") for seed in range(3)]
    pd.DataFrame(rows, columns=["arm", "seed", "y"]).to_parquet(tmp_path / "t.parquet")
    options = ["--factor=arm", "--block=seed", "--control=arm=1", "--response=y", f"--out={tmp_path / 'out'}"]
    assert main(["analyze", str(tmp_path / "t.parquet"), *options]) == 2
    assert "'1' and '1.0' are one number" in capsys.readouterr().err


def test_a_truth_value_is_written_as_yaml_writes_it_whoever_holds_it() -> None:
    import numpy as np

    assert [level_text(value) for value in (True, np.bool_(True), False)] == ["true", "true", "false"]
    assert level_key(2e-4) == level_key("0.0002") == level_key(np.float64(2e-4))
    assert level_key(1) != level_key(True)
