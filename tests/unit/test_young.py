"""The page of a study that has hardly begun: from no, one, two, three records, and without each cell in turn; and
that whatever can be planned, however small and however called, can be analysed once it is trained.
"""

import base64
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study import cli, trainers
from study.config import resolve as configuration
from study.design import plan as plans
from study.design.factorial import Cell
from study.design.plan import Plan
from study.design.response import analysis_spec
from study.store import tables
from study.store.record import Record, Store
from tests import examples
from tests.examples import overlaid

CONFIG: dict[str, Any] = {
    "study": {"name": "young"},
    "trainer": {"command": "python train.py {arm} {width} {seed} {record}"},
    "design": {"factors": {"arm": ["a", "b"], "width": [1, 2]}, "control": {"arm": "a"}},
    "execution": {"seconds_per_run": 1},
}
KINDS: dict[str, dict[str, Any]] = {
    "numbers": {"response": {"kind": "number", "name": "loss", "better": "lower"}, "plan": {"margin": 0.5}},
    "counts": {
        "response": {"kind": "proportion", "name": "accuracy", "better": "higher"},
        "plan": {"margin_pp": 0.5, "collapse_below": 0.3},
    },
}
SEEDS: dict[str, Any] = {"fixed": 4, "sequential": {"start": 3, "step": 1, "max": 5}}
TRIALS = 40
Some = Callable[[int, Cell], bool]


def _first(count: int) -> Some:
    return lambda index, cell: index < count


def _without(arm: str, width: int) -> Some:
    return lambda index, cell: (cell.levels["arm"], cell.levels["width"]) != (arm, width)


WHICH: dict[str, Some] = {
    **{f"{count} records": _first(count) for count in (1, 2, 3)},
    **{f"all but {arm}, {width}": _without(arm, width) for arm in "ab" for width in (1, 2)},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()


def _record(plan: Plan, cell: Cell, seed: int, kind: str) -> Record:
    """A run with a curve, and with its bits if it counts."""
    run_id = plan.run_id(cell, seed)
    draw = np.random.default_rng(int(run_id, 16))
    extra: dict[str, Any] = {"successes": None, "trials": None, "response": None, "correct_bits": None}
    curve: dict[str, list[Any]] = {"epoch": [1, 2]}
    if kind == "counts":
        right = draw.random(TRIALS) < 0.8
        bits = base64.b64encode(np.packbits(right).tobytes()).decode()
        extra |= {"successes": int(right.sum()), "trials": TRIALS, "correct_bits": bits}
        curve |= {"successes": [20, int(right.sum())], "trials": [TRIALS, TRIALS]}
    else:
        extra |= {"response": float(draw.normal())}
        curve |= {"response": [2.0, extra["response"]]}
    return Record(
        id=run_id,
        settings=cell.settings,
        seed=seed,
        status="ok",
        curve=curve,
        provenance=examples.provenance(plan, seed),
        cost={"training_seconds": 1.0, "evaluation_seconds": 0.0, "shared_by": 1},
        extra={"trainer": plan.origin["trainer"]} | extra,
    )


def _reported(plan: Plan, store: Store, folder: Path) -> None:
    """Do all steps after the training; none may fail."""
    trainer = trainers.choose(plan.config)
    # What networks are trained on is known by their images, which these plans lack; no page here tells of it.
    words = trainer.words() if "trainer" in plan.config else {}
    plans.write(plan, folder, words)
    tables.write(tables.collect(plan, trainer, store), folder)
    design, curves = ["--design", str(folder / "design.json")], ["--curves", str(folder / "curves.parquet")]
    out = ["--out", str(folder / "analysis")]
    assert cli.main(["analyze", str(folder / "runs.parquet"), *design, *curves, *out]) == 0
    assert cli.main(["report", str(folder)]) == 0


def _asked(tmp_path: Path, kind: str, seeds: str, some: Some) -> int:
    """`study interim` of a study that has some of its runs, by their place in the order of the seeds and their cell."""
    config = overlaid(KINDS[kind] | {"design": {"seeds": SEEDS[seeds]}}, CONFIG)
    resolved = configuration.resolve(config)
    plan = Plan(resolved, trainers.choose(resolved).origin())
    store = Store(tmp_path / "runs")
    runs = sorted(plan.runs(), key=lambda run: run[2])
    for index, (_, cell, seed) in enumerate(runs):
        if some(index, cell):
            store.write(_record(plan, cell, seed, kind))
    return cli.main(["interim", json.dumps(config), "--store", str(store.root), "--out", str(tmp_path / "interim")])


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_record_it_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, seeds: str
) -> None:
    assert _asked(tmp_path, kind, seeds, lambda index, cell: False) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"study: error: .*runs: none of the \d+ planned runs has a record yet; .*", last)
    assert not (tmp_path / "interim/report.html").exists()


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_young_study_has_a_page_that_compares_nothing(tmp_path: Path, kind: str, seeds: str, which: str) -> None:
    assert _asked(tmp_path, kind, seeds, WHICH[which]) == 0
    page = (tmp_path / "interim/report.html").read_text(encoding="utf-8")
    text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert "INTERIM" in text
    assert "No verdict yet" in text
    assert not re.search(r"\b(nan|inf|None|NaN)\b", text)
    assert not (tmp_path / "interim/analysis/contrasts.json").exists()


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_study_of_too_few_seeds_to_tune_has_all_its_other_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seeds: int
) -> None:
    factors = {"bn": ["none", "keras"], "lr": [0.001, 0.005], "dropout": None}
    plan = examples.planned(examples.resolved(design={"factors": factors, "seeds": seeds}))
    assert analysis_spec(plan.config, trainers.choose(plan.config).response()).tune == "lr"
    store, folder = Store(tmp_path / "runs"), tmp_path / "small"
    examples.fill(store, plan)
    _reported(plan, store, folder)
    assert (folder / "analysis/contrasts.json").exists()
    assert not (folder / "analysis/tuned.json").exists()
    capsys.readouterr()
    assert cli.main(["verdict", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "at its own best? Not studied here: at least four values of 'seed' are needed, two to choose on" in said


# Names that tables within an analysis might have too.
CALLED = (
    "arm",
    "level",
    "value",
    "failed",
    "block",
    "cell",
    "outcome",
    "index",
    "T",
    "run",
    "estimate",
    "scale",
    "group",
)


@pytest.mark.parametrize("number", range(10))
def test_what_can_be_planned_can_be_analysed(tmp_path: Path, number: int) -> None:
    """Small designs at random: factors of any name, 1 to 3 levels, 2 to 4 seeds, outcomes that hardly vary or fail."""
    draw = random.Random(number)
    names = draw.sample(CALLED, draw.choice([1, 2, 3]))
    factors = {name: draw.sample([0, 1, 0.5, "a", "b"], draw.choice([1, 2, 3])) for name in names}
    factors[names[0]] = draw.sample([0, 1, "a", "b"], draw.choice([2, 3]))
    kind, fails = draw.choice(list(KINDS)), draw.choice(["nothing", "an arm", "a cell", "all but chance"])
    config = {
        **KINDS[kind],
        "study": {"name": "planned"},
        "trainer": {"command": " ".join(["python train.py {seed} {record}", *(f"{{{name}}}" for name in names)])},
        "design": {
            "factors": factors,
            "control": {names[0]: factors[names[0]][0]},
            "seeds": draw.choice([2, 3, 4]),
            "block": draw.choice(["seed", "seed", None]),
            "negative_control": draw.random() < 0.3,
        },
        "execution": {"seconds_per_run": 1},
    }
    resolved = configuration.resolve(config)
    plan, store, folder = (
        Plan(resolved, trainers.choose(resolved).origin()),
        Store(tmp_path / "runs"),
        tmp_path / "planned",
    )
    last, constant = plan.cells()[-1], draw.random() < 0.3
    for _, cell, seed in plan.runs():
        record = _record(plan, cell, seed, kind)
        failed = {
            "nothing": False,
            "an arm": cell.levels[names[0]] == last.levels[names[0]],
            "a cell": cell == last,
            "all but chance": draw.random() < 0.6 and seed > 0,
        }[fails]
        if failed:
            nothing = {"successes": 0, "correct_bits": None} if kind == "counts" else {"response": None}
            record = replace(record, status="diverged", curve={}, extra=record.extra | nothing)
        elif constant:
            same = {"successes": 30, "correct_bits": None} if kind == "counts" else {"response": 1.5}
            record = replace(record, extra=record.extra | same)
        store.write(record)
    _reported(plan, store, folder)
