"""No number of any analysis changes while the program is rearranged: all are as `baseline.json.xz` keeps them.

How long it takes, about 45 s of processor time, is the price of looking at everything.
"""

import math
from collections.abc import Iterator
from concurrent.futures import Future
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.guard.numbers import CASES, Numbers, flatten, kernels, measure, processes, read_baseline

DROPPED: tuple[str, ...] = ()
"""Results that are no more, on purpose: patterns of keys, as "*/luck/best_of_k.*"."""

KEPT_KERNELS, BASELINE = read_baseline()
# Other kernels add in another order. Where a search ends, as in the models of counts, seven digits agree then.
TOLERANCE = 1e-12 if kernels() == KEPT_KERNELS else 1e-6
NEAR_ZERO = 1e-12
SHOWN = 10

every_case = pytest.mark.parametrize("name", [case.name for case in CASES])


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[dict[str, "Future[Numbers]"]]:
    """The numbers now, of the cases that the tests that were asked for look at."""
    items = [item for item in request.session.items if item.path == request.path]
    wanted = {item.callspec.params.get("name") for item in items if hasattr(item, "callspec")}
    with processes() as pool:
        yield {case.name: pool.submit(measure, case) for case in CASES if case.name in wanted}


def kept(name: str) -> Numbers:
    return {key: value for key, value in BASELINE.items() if key.startswith(f"{name}/")}


def same(one: Any, other: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether two values are the same, numbers but for rounding."""
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other)]
    if all(numbers):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=NEAR_ZERO)
    return type(one) is type(other) and bool(one == other)


def different(old: Numbers, new: Numbers) -> list[str]:
    """The results that are in both and not the same, a line each."""
    return [f"{key}: was {old[key]!r}, is {new[key]!r}" for key in old if key in new and not same(old[key], new[key])]


def gone(old: Numbers, new: Numbers, dropped: tuple[str, ...] = DROPPED) -> list[str]:
    """The results that are no more, and were not dropped on purpose."""
    return [key for key in old if key not in new and not any(fnmatchcase(key, pattern) for pattern in dropped)]


def told(lines: list[str]) -> str:
    return "\n".join(["", *lines[:SHOWN], *([f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])])


@every_case
def test_every_number_is_what_it_was(name: str, measured: dict[str, "Future[Numbers]"]) -> None:
    found = different(kept(name), measured[name].result())
    assert not found, f"{len(found)} results of {name} differ by more than {TOLERANCE:g}:{told(found)}"


@every_case
def test_no_result_is_gone(name: str, measured: dict[str, "Future[Numbers]"]) -> None:
    found = gone(kept(name), measured[name].result())
    assert not found, f"{len(found)} results of {name} are no more; if on purpose, DROPPED takes them:{told(found)}"


def test_the_kept_numbers_are_of_these_cases() -> None:
    assert {key.partition("/")[0] for key in BASELINE} == {case.name for case in CASES}


# -- the guard itself


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, 1.0 + 1e-5),
        (1, 2),
        (1e-11, 2e-11),
        (0.0, None),
        (True, False),
        (1, True),
        ("worse", "equivalent"),
        (0.5, "0.5"),
    ],
)
def test_a_change_is_seen(one: Any, other: Any) -> None:
    assert different({"case/file/key": one}, {"case/file/key": other})
    assert not different({"case/file/key": one}, {"case/file/key": one})


def test_rounding_is_no_change() -> None:
    assert same(0.1 + 0.2, 0.3)
    assert same(0, -1e-17)
    assert same(20, 20.0)
    assert not same(1.0, 1.0 + 1e-11, 1e-12)


def test_a_result_may_be_new_but_not_gone_unless_it_was_dropped() -> None:
    old, new = {"case/luck/odds.p": 1.0, "case/anova/p": 1.0}, {"case/anova/p": 1.0, "case/anova/q": 2.0}
    assert gone(old, new, dropped=()) == ["case/luck/odds.p"]
    assert gone(old, new, dropped=("*/luck/odds.*",)) == []
    assert different(old, new) == []


def test_a_row_is_named_by_what_it_is_about_and_not_by_its_place() -> None:
    rows = [{"level": level, "scale": "pp", "cell": {"lr": lr}, "p": lr} for level in "ab" for lr in (0.1, 0.2)]
    assert dict(flatten(rows)) == dict(flatten(rows[::-1]))
    assert ("level=a,lr=0.2,scale=pp.p", 0.2) in set(flatten(rows[:2]))
    assert dict(flatten({"looks": [{"level": "a", "blocks": blocks} for blocks in (5, 10)]})) == {
        "looks.level=a,blocks=5.level": "a",
        "looks.level=a,blocks=5.blocks": 5,
        "looks.level=a,blocks=10.level": "a",
        "looks.level=a,blocks=10.blocks": 10,
    }
    assert dict(flatten([1.5, 2.5])) == {"0": 1.5, "1": 2.5}
