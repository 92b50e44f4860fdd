"""Missing runs: how many, and what they could have changed."""

import pandas as pd
import pytest

from study.stats.checks.missing import missing
from study.stats.table import build_table
from tests.oracle import load


def small(*drop: int) -> pd.DataFrame:
    rows = [(a, s, v) for a, values in (("x", (1, 2, 3)), ("y", (4, 5, 9))) for s, v in enumerate(values)]
    return pd.DataFrame(rows, columns=["a", "s", "v"]).drop(index=list(drop))


def found(*drop: int, higher: bool = True) -> dict:
    result = missing(build_table(small(*drop), ["a"], "x", "s", response="v", higher_is_better=higher))
    assert result is not None
    return result


def test_nothing_missing_leaves_no_doubt() -> None:
    (bound,) = found()["bounds"]
    assert (bound["at_worst"], bound["estimate"], bound["at_best"]) == (4.0, 4.0, 4.0)
    assert found()["missing"] == 0


def test_a_missing_run_of_the_arm_may_have_been_the_worst() -> None:
    result = found(5)
    (bound,) = result["bounds"]
    assert bound["estimate"] == pytest.approx(4.5 - 2)
    assert bound["at_worst"] == pytest.approx((4 + 5 + 1) / 3 - 2)  # 1 is the worst outcome of all
    assert bound["at_best"] == pytest.approx(4.5 - 2)
    assert (result["worst"], result["missing"]) == (1.0, 1)


def test_a_missing_run_of_the_control_may_have_been_the_worst() -> None:
    (bound,) = found(2)["bounds"]
    assert bound["at_best"] == pytest.approx(6 - (1 + 2 + 1) / 3)


def test_where_lower_is_better_the_worst_is_the_largest() -> None:
    result = found(5, higher=False)
    assert result["worst"] == 5.0
    assert result["bounds"][0]["at_worst"] == pytest.approx((4 + 5 + 5) / 3 - 2)


def test_missing_runs_are_counted() -> None:
    frame, _ = load("missing")
    result = missing(build_table(frame, ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n"))
    assert result is not None
    assert (result["planned"], result["runs"], result["missing"]) == (600, 576, 24)


def test_without_a_block_nothing_is_missing() -> None:
    assert missing(build_table(small(), ["a"], "x", response="v")) is None


def test_a_factor_between_blocks_leaves_no_places_for_runs_that_nobody_planned() -> None:
    rows = [(arm, "uv"[s % 2], s, float(s)) for arm in "xy" for s in range(6)]
    frame = pd.DataFrame(rows, columns=["a", "between", "s", "v"])
    whole = missing(build_table(frame, ["a", "between"], "x", "s", response="v"))
    assert whole is not None
    assert (whole["planned"], whole["missing"]) == (12, 0)
    holed = missing(build_table(frame.drop(index=3), ["a", "between"], "x", "s", response="v"))
    assert holed is not None
    assert (holed["planned"], holed["missing"]) == (12, 1)


def test_a_run_that_diverged_is_not_missing() -> None:
    frame = small().assign(status="ok")
    frame.loc[5, "status"] = "diverged"
    result = missing(build_table(frame, ["a"], "x", "s", response="v"))
    assert result is not None
    assert result["missing"] == 0
