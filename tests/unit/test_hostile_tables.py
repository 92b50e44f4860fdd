"""Tables at the ends of what numbers hold: each is analysed and reported in silence, or refused in one line.

A warning of NumPy, SciPy or pandas counts as a failure: it says that a number on the page may be none.
"""

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from study import table_file
from study.cli import main
from study.errors import StudyError
from study.table_file import read_frame

RNG = np.random.default_rng(15)
SEEDS = 4
FRAME = pd.DataFrame(
    [(norm, rate, seed) for norm in "ab" for rate in "pq" for seed in range(SEEDS)], columns=["norm", "rate", "seed"]
)
NOISE = RNG.normal(size=len(FRAME))
RIGHT = 950 + RNG.integers(0, 20, len(FRAME))
ARM, CELL = FRAME["norm"] == "a", (FRAME["norm"] == "a") & (FRAME["rate"] == "p")
NUMBER = ["--response", "y"]
COUNTS = ["--successes", "right", "--trials", "images"]

RESPONSES: dict[str, np.ndarray | pd.Series] = {
    "constant": np.ones(len(FRAME)),
    "nought": np.zeros(len(FRAME)),
    "constant in each arm": np.where(ARM, 1.0, 2.0),
    "constant in each cell": np.where(ARM, 1.0, 2.0) * np.where(FRAME["rate"] == "p", 1.0, 3.0),
    "constant in one arm": np.where(ARM, 1.0, NOISE),
    "constant in the control": np.where(ARM, NOISE, 1.0),
    "constant in a cell": np.where(CELL, 1.0, NOISE),
    "the seed alone": FRAME["seed"] * 1.0,
    "the seed and the arm": FRAME["seed"] + 1.0 * ARM,
    "two values": RNG.integers(0, 2, len(FRAME)),
    "an outlier of 1e90": np.where(np.arange(len(FRAME)) == 3, 1e90, NOISE),
    "beside 1e15": 1e15 + NOISE,
    **{f"times {scale:g}": NOISE * scale for scale in (1e-90, 1e-20, 1e20, 1e90)},
}
DIVERGED = {
    "in a cell": CELL,
    "in an arm": ARM,
    "in the control": ~ARM,
    "in a block": FRAME["seed"] == 0,
    "all but one": np.arange(len(FRAME)) != 3,
    "all but two": ~FRAME.index.isin([3, 11]),
}
RIGHTS: dict[str, tuple[object, object]] = {
    "the same everywhere": (950, 1000),
    "all right": (1000, 1000),
    "all wrong": (0, 1000),
    "an arm all right": (np.where(ARM, 1000, RIGHT), 1000),
    "one trial": (RNG.integers(0, 2, len(FRAME)), 1),
    "2^53 trials": (2**53 - RIGHT, 2**53),
    "a collapsed arm": (np.where(ARM, 98, RIGHT), 1000),
    "a collapsed control": (np.where(ARM, RIGHT, 98), 1000),
}
PLANS = [[], ["--looks", "3,4", "--margin", "1"], ["--tune", "rate"], ["--random", "seed + seed:rate"]]


def told(folder: Path, frame: pd.DataFrame, options: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a refusal says; empty if the table is analysed and its page drawn. Any warning is an error."""
    frame.to_csv(folder / "runs.csv", index=False)
    names = ["--factor", "norm", "--factor", "rate", "--block", "seed", "--control", "norm=b"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code = main(["analyze", str(folder / "runs.csv"), "--out", str(folder / "out"), *names, *options])
        code = code or main(["report", str(folder / "out"), "--out", str(folder / "page.html")])
    printed = capsys.readouterr().err.strip()
    if code == 0:
        assert (folder / "page.html").stat().st_size > 10_000
        assert not printed
        return ""
    assert code == 2
    assert printed.startswith("study: error: ")
    assert "\n" not in printed
    # The page is drawn from what the analysis wrote: it may never find that damaged.
    assert "result file" not in printed
    return printed


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_that_hardly_varies_or_is_of_any_size_is_analysed(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = PLANS[list(RESPONSES).index(kind) % len(PLANS)]
    assert told(tmp_path, FRAME.assign(y=RESPONSES[kind]), [*NUMBER, *plan], capsys) == ""


@pytest.mark.parametrize("kind", DIVERGED)
@pytest.mark.parametrize("outcome", ["number", "count"])
def test_runs_that_diverged_leave_the_rest_to_be_analysed(
    kind: str, outcome: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = np.asarray(DIVERGED[kind])
    frame = FRAME.assign(status=np.where(gone, "diverged", "ok"), y=np.where(gone, np.nan, NOISE))
    frame = frame.assign(right=np.where(gone, 98, RIGHT), images=1000)
    plan = PLANS[list(DIVERGED).index(kind) % 3] if outcome == "number" else []
    assert told(tmp_path, frame, [*(NUMBER if outcome == "number" else COUNTS), *plan], capsys) == ""


@pytest.mark.parametrize("kind", RIGHTS)
def test_counts_that_hardly_vary_or_are_of_any_size_are_analysed(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, images = RIGHTS[kind]
    options = [*COUNTS, *(["--collapse-below", "0.9"] if "collapsed" in kind else [])]
    assert told(tmp_path, FRAME.assign(right=right, images=images), options, capsys) == ""


@pytest.mark.parametrize("exponent", [-320, -310, -200, -120, 101, 150, 200, 308])
def test_a_response_whose_squares_leave_the_range_of_doubles_is_refused(
    exponent: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = FRAME.assign(y=NOISE / 10 * float(f"1e{exponent}"))
    assert "allowed are sizes from 1e-100 to 1e+100" in told(tmp_path, frame, NUMBER, capsys)


@pytest.mark.parametrize("outcome", ["number", "count"])
def test_a_table_of_diverged_runs_alone_is_refused(
    outcome: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = FRAME.assign(y=NOISE, right=98, images=1000, status="diverged")
    options = NUMBER if outcome == "number" else COUNTS
    assert "all runs diverged" in told(tmp_path, frame, options, capsys)


@pytest.mark.parametrize(("count", "word"), [(2**53 + 2, "above 2^53"), (10**400, "beyond 1e+100"), (-1, "negative")])
def test_a_count_that_no_double_holds_is_refused(
    count: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = FRAME.assign(right=[count] * len(FRAME), images=[count] * len(FRAME))
    assert word in told(tmp_path, frame, COUNTS, capsys)


def gzipped(path: Path) -> None:
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(b"y\n" + b"1\n" * 100_000))


def of_one_value(path: Path) -> None:
    pq.write_table(pa.table({"y": pa.array(np.zeros(1_000_000))}), path.with_suffix(".parquet"))


def of_one_word(path: Path) -> None:
    pq.write_table(pa.table({"y": ["x" * 200_000]}), path.with_suffix(".parquet"), compression="gzip")


def plain(path: Path) -> None:
    path.with_suffix(".csv").write_bytes(b"y\n" + b"1\n" * 100_000)


@pytest.mark.parametrize("write", [gzipped, of_one_value, of_one_word, plain])
def test_a_table_that_unpacks_to_more_than_it_may_is_refused(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "runs")
    (path,) = tmp_path.iterdir()
    assert len(read_frame(path)) > 0
    monkeypatch.setattr(table_file, "MOST_BYTES", 100_000)
    monkeypatch.setattr(table_file, "MOST_VALUES", 500_000)
    with pytest.raises(StudyError, match=r"allowed|no more are") as caught:
        read_frame(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b,a\n1,2,3\n", "column 'a' occurs twice"),
        ("a,b\n1,2,3\n1,2,3\n", "cannot be read"),
        ("a,b\n1,2\n1,2,3\n", "cannot be read"),
        ('a,b\n1,"2\n', "cannot be read"),
    ],
)
def test_a_text_whose_columns_are_guesswork_is_refused(text: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(StudyError, match=word):
        read_frame(tmp_path / "runs.csv")


@pytest.mark.parametrize("control", ["1_0", "\u0661\u0660", "10.5"])
def test_a_control_is_matched_by_its_number_as_yaml_reads_it(
    control: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = FRAME.assign(norm=np.where(ARM, "2", "10"), y=NOISE)
    frame.to_csv(tmp_path / "runs.csv", index=False)
    names = ["--factor", "norm", "--block", "seed", "--response", "y", "--control", f"norm={control}"]
    assert main(["analyze", str(tmp_path / "runs.csv"), "--out", str(tmp_path / "out"), *names]) == 2
    assert "no such level" in capsys.readouterr().err
