"""`study analyze` as a user runs it: files, exit status, messages."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study import cli
from tests.oracle import FOLDER, load

TABLE = FOLDER / "missing.csv.gz"
FACTORS = ["--factor", "bn", "--factor", "dropout", "--factor", "lr"]
COUNTS = ["--successes", "test_correct", "--trials", "test_n"]
DESIGN = [*FACTORS, "--block", "seed", "--control", "bn=none"]

LISTS = {
    "contrasts": {
        *("factor", "level", "control", "scale", "estimate", "se", "df", "statistic", "p", "p_adjusted"),
        *("ci_low", "ci_high", "label", "runs", "pairs", "blocks", "note"),
    },
    "simple_effects": {"factor", "level", "control", "cell", "scale", "estimate", "ci_low", "ci_high", "label"},
    "interactions": {"factor", "level", "control", "cell", "scale", "estimate", "ci_low", "ci_high"},
    "anova": {"term", "df1", "df2", "F", "p", "p_gg", "ges", "note"},
    "cells": {"levels", "runs", "median", "min", "max"},
}
OBJECTS = {
    "analysis": {"schema", "plan", "factors", "absent"},
    "mixed": {"loglik", "components", "singular", "terms", "contrasts"},
    "collapse": {"threshold", "arms", "cells", "comparisons"},
    "luck": {"variance_shares", "contrasts"},
    "diagnostics": {"qq", "levene"},
    "missing": {"planned", "missing", "bounds"},
    "ranks": {"arms", "chi2", "critical_difference"},
    "power": {"main", "cell"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysis")
    options = [*COUNTS, *DESIGN, "--collapse-below", "0.9"]
    assert cli.main(["analyze", str(TABLE), *options, "--out", str(folder)]) == 0
    return folder


def rows_of(folder: Path, name: str) -> list[dict]:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_their_fields_and_a_twin_in_csv(results: Path, name: str) -> None:
    rows = rows_of(results, name)
    assert rows
    for row in rows:
        assert set(row) >= LISTS[name]
    assert len(pd.read_csv(results / f"{name}.csv")) == len(rows)


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_have_their_fields(results: Path, name: str) -> None:
    assert set(json.loads((results / f"{name}.json").read_text())) >= OBJECTS[name]


def test_contrasts_are_on_the_deciding_scale(results: Path) -> None:
    rows = rows_of(results, "contrasts")
    assert [row["scale"] for row in rows] == ["pp"] * 4
    assert {row["label"] for row in rows} == {"better by more than the margin"}


def test_the_specification_table_is_csv(results: Path) -> None:
    table = pd.read_csv(results / "specification.csv", keep_default_na=False)
    assert table["primary"].sum() == 4
    assert set(table["level"]) == {"keras", "contrib", "contrib_stale", "pkmital"}


def test_cells_of_simple_effects_are_columns_of_the_csv(results: Path) -> None:
    table = pd.read_csv(results / "simple_effects.csv")
    assert {"dropout", "lr"} <= set(table.columns)
    assert "cell" not in table


def test_the_same_analysis_gives_the_same_bytes(tmp_path: Path) -> None:
    frame = load("missing")[0]
    frame[(frame["seed"] < 8) & (frame["lr"] == 0.001)].to_csv(tmp_path / "t.csv", index=False)
    options = ["--factor", "bn", "--factor", "dropout", "--block", "seed", "--control", "bn=none"]
    for name in ("one", "other"):
        arguments = ["analyze", tmp_path / "t.csv", *COUNTS, *options, "--out", tmp_path / name]
        subprocess.run([sys.executable, "-m", "study", *arguments], check=True)
    assert {path.name for path in (tmp_path / "one").iterdir()} >= {"contrasts.json", "luck.json", "specification.csv"}
    for path in (tmp_path / "one").iterdir():
        assert (tmp_path / "other" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_response_has_one_scale_and_a_direction(tmp_path: Path) -> None:
    frame, r = load("seedslope")
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ["analyze", str(tmp_path / "t.csv"), "--response", "y", *DESIGN, "--margin", "0.05", "--better", "lower"]
    assert cli.main([*options, "--out", str(tmp_path / "out")]) == 0
    rows = rows_of(tmp_path / "out", "contrasts")
    assert [row["scale"] for row in rows] == ["response"] * 4
    assert [row["p"] for row in rows] == pytest.approx([row["p"] for row in r["paired_t"]], rel=1e-9)
    assert all(row["label"].startswith("better") for row in rows)
    terms = rows_of(tmp_path / "out", "anova")
    assert [term["p_gg"] for term in terms] == pytest.approx([row["Pr(>F)"] for row in r["afex"]["GG"]], rel=1e-9)
    assert not (tmp_path / "out" / "collapse.json").exists()


def test_other_names_nine_blocks_and_holes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (norm, width, group, 50 - 4 * (norm == "layer") + 3 * (width == 64) + rng.normal())
        for norm in ("batch", "layer", "None")
        for width in (32, 64)
        for group in "abcdefghi"
    ]
    frame = pd.DataFrame(rows, columns=["p", "scale", "group", "cell"]).drop(index=[2, 11, 30])
    frame.to_parquet(tmp_path / "t.parquet")
    options = ["--factor", "scale", "--factor", "p", "--block", "group", "--control", "p=None"]
    out = tmp_path / "out"
    assert cli.main(["analyze", str(tmp_path / "t.parquet"), "--response", "cell", *options, "--out", str(out)]) == 0
    assert [(row["level"], row["estimate"] < -2) for row in rows_of(out, "contrasts")] == [
        ("batch", False),
        ("layer", True),
    ]
    assert [row["term"] for row in rows_of(out, "anova")] == ["p", "scale", "p:scale"]
    assert json.loads((out / "missing.json").read_text())["missing"] == 3
    simple = pd.read_csv(out / "simple_effects.csv", keep_default_na=False)
    assert {"p", "cell.scale"} <= set(simple.columns)  # the factor "scale" does not overwrite the field


def test_one_factor_and_no_block(tmp_path: Path) -> None:
    frame = load("null")[0]
    frame[(frame["lr"] == 0.001) & (frame["dropout"] == 0)].to_csv(tmp_path / "t.csv", index=False)
    options = ["--factor", "bn", "--block", "none", "--control", "bn=none", *COUNTS]
    assert cli.main(["analyze", str(tmp_path / "t.csv"), *options, "--out", str(tmp_path / "out")]) == 0
    assert rows_of(tmp_path / "out", "contrasts")[0]["p"] is not None
    assert rows_of(tmp_path / "out", "simple_effects") == []
    assert not (tmp_path / "out" / "mixed.json").exists()


def test_a_response_may_be_called_like_a_block(tmp_path: Path) -> None:
    """`--block none` means no block, and nothing else."""
    frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], "none": [1, 2, 1, 2], "y": [1.0, 2.0, 3.0, 5.0]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ["--response", "y", "--factor", "arm", "--block", "none", "--control", "arm=a"]
    assert cli.main(["analyze", str(tmp_path / "t.csv"), *options, "--out", str(tmp_path / "out")]) == 0


def curves_of(frame: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for epoch in (1, 2, 3):
        part = frame[["bn", "dropout", "lr", "seed"]].copy()
        part["epoch"] = epoch
        part["validation_correct"] = (frame["test_correct"] // 2 - 200 // epoch).clip(lower=0)
        part["validation_trials"] = 5000
        parts.append(part)
    return pd.concat(parts)


def test_curves_tuning_and_bits_make_their_files(tmp_path: Path) -> None:
    frame = load("interaction")[0]
    frame = frame[frame["bn"].isin(["none", "keras"]) & (frame["seed"] < 6)].reset_index(drop=True)
    rng = np.random.default_rng(0)
    frame["correct_bits"] = [
        np.packbits(rng.permutation(np.arange(10_000) < k)).tobytes() for k in frame["test_correct"]
    ]
    frame["validation_correct"], frame["validation_trials"] = frame["test_correct"] // 2, 5000
    frame.to_parquet(tmp_path / "t.parquet")
    curves_of(frame).to_parquet(tmp_path / "c.parquet")
    more = ["--curves", str(tmp_path / "c.parquet"), "--tune", "lr"]
    out = tmp_path / "out"
    assert cli.main(["analyze", str(tmp_path / "t.parquet"), *COUNTS, *DESIGN, *more, "--out", str(out)]) == 0
    assert {row["epoch"] for row in rows_of(out, "curves")} == {1, 2, 3}
    bands = rows_of(out, "curve_contrasts")
    assert [(row["level"], row["epoch"]) for row in bands] == [("keras", 1), ("keras", 2), ("keras", 3)]
    assert all(row["ci_low"] < row["estimate"] < row["ci_high"] for row in bands)
    chosen = json.loads((out / "tuned.json").read_text())
    assert chosen["factor"] == "lr"
    assert chosen["contrasts"][0]["level"] == "keras"
    assert json.loads((out / "images.json").read_text())["agrees_with_counts"]
    assert "area under the curve" in set(pd.read_csv(out / "specification.csv")["endpoint"])


def test_a_row_listed_twice_changes_no_estimate_and_is_told(tmp_path: Path) -> None:
    frame = load("null")[0]
    frame = frame[frame["seed"] < 3].reset_index(drop=True)
    found = []
    for name, rows in (("once", frame), ("twice", pd.concat([frame, frame.iloc[[4]]]))):
        path, out = tmp_path / f"{name}.csv", tmp_path / name
        rows.to_csv(path, index=False)
        assert cli.main(["analyze", str(path), *COUNTS, *DESIGN, "--out", str(out)]) == 0
        found.append(json.loads((out / "verdicts.json").read_text()))
    once, twice = ([arm["estimate"] for arm in verdicts["arms"]] for verdicts in found)
    assert twice == pytest.approx(once, rel=1e-12)
    size = next(answer for answer in found[1]["answers"] if answer["key"] == "size")
    assert "2 runs share cell and seed" in size["answer"]
    assert "a run may be listed twice" in size["answer"]


MISTAKES = {
    "no such file": (["absent.csv", *COUNTS, *DESIGN], ["absent.csv", "no such file"]),
    "unknown type": (["t.xlsx", *COUNTS, *DESIGN], ["unknown file type", ".parquet"]),
    "missing column": (["t.csv", "--successes", "right", "--trials", "test_n", *DESIGN], ["'right'", "columns are"]),
    "control level": (["t.csv", *COUNTS, *DESIGN[:-1], "bn=batch"], ["bn=batch", "keras"]),
    "control factor": (["t.csv", *COUNTS, *DESIGN[:-1], "norm=none"], ["norm=none", "FACTOR=LEVEL"]),
    "control without level": (["t.csv", *COUNTS, *DESIGN[:-1], "bn"], ["FACTOR=LEVEL"]),
    "one seed": (["one_seed.csv", *COUNTS, *DESIGN], ["'seed'", "one value"]),
    "empty cell": (["empty_cell.csv", *COUNTS, *DESIGN], ["no run with bn=keras"]),
    "above trials": (["t.csv", "--successes", "test_n", "--trials", "test_correct", *DESIGN], ["above", "row 1"]),
    "not whole": (["fraction.csv", *COUNTS, *DESIGN], ["whole number"]),
    "negative": (["negative.csv", *COUNTS, *DESIGN], ["negative"]),
    "not a number": (["nan.csv", *COUNTS, *DESIGN], ["'test_correct'", "row 8"]),
    "alpha": (["t.csv", *COUNTS, *DESIGN, "--alpha", "5"], ["--alpha 5"]),
    "margin": (["t.csv", *COUNTS, *DESIGN, "--margin-pp", "-1"], ["--margin-pp -1"]),
    "margin of a response": (["t.csv", *COUNTS, *DESIGN, "--margin", "1"], ["--margin-pp"]),
    "collapse in percent": (["t.csv", *COUNTS, *DESIGN, "--collapse-below", "90"], ["--collapse-below 90"]),
    "tuning the focus": (["t.csv", *COUNTS, *DESIGN, "--tune", "bn"], ["is not one of the other factors"]),
    "negative control": (["t.csv", *COUNTS, *DESIGN, "--negative-control", "same"], ["bn=same"]),
    "random terms": (["t.csv", *COUNTS, *DESIGN, "--random", "lr"], ["random"]),
    "curves": (["t.csv", *COUNTS, *DESIGN, "--curves", "t.csv"], ["--curves", "'epoch'"]),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    frame = load("null")[0]
    frame = frame[frame["seed"] < 3].reset_index(drop=True)
    odd = frame.astype({"test_correct": float})
    frame.to_csv(folder / "t.csv", index=False)
    (folder / "t.xlsx").write_text("x")
    frame[frame["seed"] == 1].to_csv(folder / "one_seed.csv", index=False)
    hole = (frame["bn"] == "keras") & (frame["lr"] == 0.001) & (frame["dropout"] == 0)
    frame[~hole].to_csv(folder / "empty_cell.csv", index=False)
    for name, value in (("fraction", 9000.5), ("negative", -3.0), ("nan", np.nan)):
        odd.assign(test_correct=odd["test_correct"].where(odd.index != 7, value)).to_csv(
            folder / f"{name}.csv", index=False
        )
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_exit_2_and_nothing_written(
    mistake: str, bad: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bad)
    arguments, words = MISTAKES[mistake]
    assert cli.main(["analyze", *arguments, "--out", "out"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("study: error: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
    assert not (bad / "out").exists()


def test_a_negative_control_is_compared_apart(tmp_path: Path) -> None:
    frame = load("null")[0]
    frame = frame[frame["bn"].isin(["none", "keras", "contrib"]) & (frame["seed"] < 8) & (frame["lr"] == 0.001)].copy()
    frame.loc[frame["bn"] == "contrib", "seed"] += 1000
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ["--factor", "bn", "--factor", "dropout", "--block", "seed", "--control", "bn=none"]
    out = tmp_path / "out"
    arguments = ["analyze", str(tmp_path / "t.csv"), *COUNTS, *options, "--out", str(out)]
    assert cli.main([*arguments, "--negative-control", "contrib"]) == 0
    assert {row["level"] for row in rows_of(out, "contrasts")} == {"keras"}
    assert json.loads((out / "negative_control.json").read_text())["level"] == "contrib"
    assert json.loads((out / "missing.json").read_text())["missing"] == 0
    # Without it the arm is one of the arms, and the earlier file is gone.
    assert cli.main(arguments) == 0
    assert {row["level"] for row in rows_of(out, "contrasts")} == {"keras", "contrib"}
    assert not (out / "negative_control.json").exists()


def test_an_output_folder_that_is_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    frame = load("null")[0]
    frame[(frame["seed"] < 4) & (frame["lr"] == 0.001) & (frame["dropout"] == 0)].to_csv(
        tmp_path / "t.csv", index=False
    )
    options = ["--factor", "bn", "--block", "seed", "--control", "bn=none"]
    assert cli.main(["analyze", str(tmp_path / "t.csv"), *COUNTS, *options, "--out", str(tmp_path / "out")]) == 2
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_two_seeds_are_enough(tmp_path: Path) -> None:
    frame = load("null")[0]
    frame[frame["seed"] < 2].to_csv(tmp_path / "t.csv", index=False)
    assert cli.main(["analyze", str(tmp_path / "t.csv"), *COUNTS, *DESIGN, "--out", str(tmp_path / "out")]) == 0


def test_a_table_without_any_variation_is_analysed(tmp_path: Path) -> None:
    rows = [(a, s, 90, 100) for a in ("x", "y") for s in range(4)]
    pd.DataFrame(rows, columns=["a", "s", "k", "n"]).to_csv(tmp_path / "t.csv", index=False)
    options = ["--successes", "k", "--trials", "n", "--factor", "a", "--block", "s", "--control", "a=x"]
    assert cli.main(["analyze", str(tmp_path / "t.csv"), *options, "--out", str(tmp_path / "out")]) == 0
    rows = rows_of(tmp_path / "out", "contrasts")
    assert [(row["estimate"], row["p_adjusted"], row["label"]) for row in rows] == [(0.0, 1.0, "equivalent")]
    assert "mixed" in json.loads((tmp_path / "out" / "analysis.json").read_text())["absent"]


def test_analysis_never_imports_tensorflow_or_snakemake() -> None:
    code = (
        "import sys; from study import cli; import study.analysis.run; cli._parser(['analyze']); "
        "sys.exit(any(name.split('.')[0] in ('tensorflow', 'snakemake') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_is_quick_to_import() -> None:
    code = (
        "import sys; from study import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('pandas', 'scipy', 'tensorflow', 'snakemake')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0
    assert "analyze" in done.stdout


# Objects whose keys are levels, terms or scales of the table and not fields.
_DATA = {"levels", "cell", "factors", "shares"}


def fields(value: object, inside: str = "") -> set[str]:
    if isinstance(value, dict):
        named = set() if inside in _DATA else set(value) - {"log_odds", "pp"}
        return named.union(*(fields(item, key) for key, item in value.items())) if value else set()
    if isinstance(value, list):
        return set().union(*(fields(item) for item in value)) if value else set()
    return set()


def test_every_field_that_is_written_is_described(results: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "analysis-files.md").read_text(encoding="utf-8")
    for path in sorted(results.glob("*.json")):
        assert f"`{path.name}`" in text
        section = text.split(f"### `{path.name}`", 1)
        section = section if len(section) == 2 else text.split("### `specification.csv`", 1)
        described = section[1].split("\n### ", 1)[0]
        if path.stem in ("simple_effects", "level_effects", "interactions", "tuned", "negative_control"):
            described += text.split("### `contrasts.json`", 1)[1].split("\n### ", 1)[0]
        unknown = {name for name in fields(json.loads(path.read_text())) if f"`{name}`" not in described}
        assert not unknown, f"{path.name}: {sorted(unknown)}"
