"""The table of runs: what is accepted, and one clear line for each mistake."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.errors import StudyError
from study.stats.table import build_table, read_table
from study.table_file import read_frame


def runs(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        [
            (norm, rate, seed, 90 + seed, 100)
            for norm in ("without", "batch")
            for rate in (0.1, 2e-4)
            for seed in (3, 1, 2)
        ],
        columns=["norm", "rate", "seed", "right", "images"],
    )
    return frame.assign(**changes)


def build(frame: pd.DataFrame, **arguments: object):  # type: ignore[no-untyped-def]
    settings = {
        "factors": ["norm", "rate"],
        "control": "without",
        "block": "seed",
        "successes": "right",
        "trials": "images",
    }
    return build_table(frame, **{**settings, **arguments})  # type: ignore[arg-type]


def test_levels_are_strings_in_order_of_appearance_with_the_control_first() -> None:
    table = build(runs(), control="batch")
    assert table.levels("norm") == ("batch", "without")
    assert table.levels("rate") == ("0.1", "0.0002")
    assert table.arms == ("without",)
    assert table.shape == (2, 2)


def test_numbers_are_named_in_their_short_form() -> None:
    frame = runs()
    for values, names in (
        ([0.0, 0.3], ("0.0", "0.3")),
        ([1, 2], ("1", "2")),
        ([True, False], ("true", "false")),
        ([np.float64(2e-4), 0.005], ("0.0002", "0.005")),
    ):
        frame["rate"] = [values[i % 6 // 3] for i in range(len(frame))]
        assert build(frame).levels("rate") == names


def test_the_control_may_be_another_spelling_of_a_number() -> None:
    assert build(runs(), factors=["rate", "norm"], control="2e-4").control == "0.0002"


def test_cells_are_numbered_in_the_order_of_the_grid() -> None:
    table = build(runs())
    assert table.cells()[1] == {"norm": "without", "rate": "0.0002"}
    for cell, row in zip(table.cell_index(), table.frame.itertuples(), strict=True):
        assert table.cells()[cell] == {"norm": row.norm, "rate": row.rate}


def test_blocks_are_numbered_in_order_of_appearance() -> None:
    assert build(runs()).block_index()[:3].tolist() == [0, 1, 2]


def test_further_columns_and_the_callers_frame_are_kept() -> None:
    frame = runs(host="a")
    before = frame.copy()
    assert "host" in build(frame).frame
    pd.testing.assert_frame_equal(frame, before)


def test_scales_of_counts_and_of_a_response() -> None:
    table = build(runs())
    assert table.values("pp")[0] == pytest.approx(93)
    assert table.values("log_odds")[0] == pytest.approx(np.log(7.5 / 93.5))
    response = build(runs(), successes=None, trials=None, response="right")
    assert response.scales() == ("response",)
    assert response.values("response")[0] == 93


def test_whole_numbers_written_as_floats_are_counts() -> None:
    assert build(runs(right=93.0)).frame["right"].dtype == "int64"


def holed(column: str, value: object) -> pd.DataFrame:
    frame = runs().astype({column: object})
    frame.loc[4, column] = value
    return frame


MISTAKES = {
    "a missing column": (runs().drop(columns="right"), {}, ["'right'", "the columns are: norm, rate, seed, images"]),
    "an unknown control": (runs(), {"control": "layer"}, ["norm=layer", "without, batch"]),
    "a control alone": (runs(norm="without"), {}, ["'norm'", "two levels"]),
    "one block": (runs()[lambda f: f["seed"] == 1], {}, ["'seed'", "one value only (1)"]),
    "an empty cell": (runs().iloc[:9], {}, ["no run with norm=batch, rate=0.0002", "1 of 4"]),
    "more successes than trials": (holed("right", 101), {}, ["row 5", "'right' is above 'images' (101 of 100)"]),
    "a negative count": (holed("right", -1), {}, ["row 5", "negative"]),
    "half a success": (holed("right", 92.5), {}, ["row 5", "whole number", "92.5"]),
    "no trials": (holed("images", 0), {}, ["row 5", "0 trials"]),
    "NaN in a count": (holed("right", np.nan), {}, ["row 5", "'right'"]),
    "a word in a count": (holed("right", "many"), {}, ["row 5", "'many'"]),
    "NaN in a level": (holed("norm", np.nan), {}, ["row 5", "'norm'"]),
    "NaN in the block": (holed("seed", np.nan), {}, ["row 5", "'seed'"]),
    "infinity as response": (
        holed("right", np.inf),
        {"successes": None, "trials": None, "response": "right"},
        ["row 5", "'right'"],
    ),
    "no rows": (runs().iloc[:0], {}, ["no rows"]),
    "no outcome": (runs(), {"successes": None}, ["--response"]),
    "two outcomes": (runs(), {"response": "right"}, ["two outcomes"]),
    "no factor": (runs(), {"factors": []}, ["--factor"]),
    "two roles": (runs(), {"block": "rate"}, ["'rate'", "two roles"]),
    "nothing replicated": (runs()[lambda f: f["seed"] == 1], {"block": None}, ["--block"]),
    "a repeated column": (runs().set_axis(["norm", "rate", "seed", "right", "right"], axis=1), {}, ["occurs twice"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line_that_names_it(mistake: str) -> None:
    frame, arguments, words = MISTAKES[mistake]
    with pytest.raises(StudyError) as caught:
        build(frame, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet"])
def test_a_file_of_each_type_gives_the_same_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"runs{suffix}"
    if suffix == ".parquet":
        runs().to_parquet(path)
    else:
        runs().to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    table = read_table(path, ["norm", "rate"], "without", "seed", "right", "images")
    assert table.levels("rate") == ("0.1", "0.0002")
    assert (table.values("pp") == build(runs()).values("pp")).all()


def test_words_such_as_none_and_na_are_levels(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("norm,seed,y\n" + "".join(f"{n},{s},{s}\n" for n in ("None", "NA", "null") for s in (1, 2)))
    assert read_table(path, ["norm"], "None", "seed", response="y").levels("norm") == ("None", "NA", "null")


def test_an_empty_level_is_not_a_word(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("norm,seed,y\na,1,1\n,1,2\n")
    with pytest.raises(StudyError, match="row 2"):
        read_table(path, ["norm"], "a", "seed", response="y")


def test_a_file_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "runs.xlsx").write_bytes(b"PK")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01\n" * 3)
    for name, word in (
        ("runs.xlsx", "unknown file type"),
        ("absent.csv", "no such file"),
        ("empty.csv", "cannot be read"),
        ("damaged.parquet", "cannot be read"),
        ("folder.csv", "is a folder"),
        ("binary.csv", "cannot be read"),
    ):
        with pytest.raises(StudyError) as caught:
            read_frame(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert word in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_message_about_a_files_content_begins_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    runs().to_csv(path, index=False)
    with pytest.raises(StudyError, match=r"runs\.csv: no column 'wrong'"):
        read_table(path, ["norm", "wrong"], "without", "seed", "right", "images")


def test_a_subset_keeps_the_levels() -> None:
    table = build(runs())
    part = table.subset(table.values("pp") > 91.5)
    assert part.shape == table.shape
    assert len(part.frame) == 8


def test_the_same_seed_twice_is_one_run_with_the_right_weight_and_its_spread_is_told() -> None:
    rows = [("c", s, 90 + s, 100) for s in range(4)] + [("x", s, 93 + s, 100) for s in range(4)] + [("x", 2, 93, 100)]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "k", "n"]).assign(status="ok")
    table = build_table(frame, ["arm"], "c", "seed", "k", "n")
    assert len(table.frame) == 8
    (merged,) = table.frame[(table.frame["arm"] == "x") & (table.frame["seed"] == 2)].to_dict("records")
    assert (merged["k"], merged["n"]) == (95 + 93, 200)
    assert table.repeats is not None
    assert (table.repeats.runs, table.repeats.groups) == (2, 1)
    assert table.repeats.sd == pytest.approx(np.std([95.0, 93.0], ddof=1))


def test_of_repeated_runs_those_that_finished_count() -> None:
    rows = [("c", 0, 1.0, "ok"), ("c", 1, 2.0, "ok"), ("x", 0, 5.0, "ok"), ("x", 0, np.nan, "diverged")]
    rows += [("x", 1, np.nan, "diverged"), ("x", 1, np.nan, "diverged")]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "y", "status"])
    table = build_table(frame, ["arm"], "c", "seed", response="y")
    found = table.frame.set_index(["arm", "seed"])
    assert (found.loc[("x", 0), "y"], found.loc[("x", 0), "status"]) == (5.0, "ok")
    assert found.loc[("x", 1), "status"] == "diverged"
