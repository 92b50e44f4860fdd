"""What a run of a trainer of the study's own wrote, read and checked. docs/trainers.md describes it."""

import base64
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from study.errors import MissingFileError, RunFailureError, StudyError
from study.reading import read_text
from study.store.record import STATUSES

KEYS = {
    "proportion": ("successes", "trials", "status", "curve", "curve_trials", "correct"),
    "number": ("value", "status", "curve"),
}


@dataclass(frozen=True)
class RunResult:
    """What came out of a run.

    Attributes:
        status: `diverged` if the trainer said so, or if what it measured is no finite number.
        curve: `epoch`, and `successes` and `trials` or `response`; None where an epoch has no finite number.
        outcome: `successes` and `trials`, None if the response is a number; `response`, None if there are counts, and
            where a diverged run has none; `correct_bits`, one bit a trial, packed, base64, or None.
    """

    status: str
    curve: dict[str, list[Any]]
    outcome: dict[str, Any]


def read(path: Path, kind: str) -> RunResult:
    """Read the file that a run wrote.

    Raises:
        RunFailureError: there is none, or it holds no result of that kind.
    """
    try:
        body = json.loads(read_text(path))
    except MissingFileError:
        raise RunFailureError("ended well but wrote no file where {record} said") from None
    except (StudyError, ValueError, RecursionError) as error:
        raise RunFailureError(f"wrote what is not JSON ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(body, dict):
        raise RunFailureError(f"wrote {_shown(body)}; needed: an object with {', '.join(KEYS[kind])}")
    unknown = next((key for key in body if key not in KEYS[kind]), None)
    if unknown is not None:
        raise RunFailureError(f"wrote the key {unknown!r}; allowed for a {kind}: {', '.join(KEYS[kind])}")
    status = body.get("status", "ok")
    if status not in STATUSES:
        raise RunFailureError(f"wrote the status {_shown(status)}; allowed: {', '.join(STATUSES)}")
    return _proportion(body, status) if kind == "proportion" else _number(body, status)


def _number(body: dict[str, Any], status: str) -> RunResult:
    value = _finite(_needed(body, "value"), "value")
    return RunResult(
        status="diverged" if value is None else status,
        curve=_curve("response", [_finite(item, "curve") for item in _list(body, "curve")]),
        outcome={"successes": None, "trials": None, "response": value, "correct_bits": None},
    )


def _proportion(body: dict[str, Any], status: str) -> RunResult:
    trials = _count(_needed(body, "trials"), "trials")
    if not trials:
        raise RunFailureError(f"wrote {_shown(trials)} trials; allowed: 1 or more")
    successes = _count(_needed(body, "successes"), "successes", trials)
    if successes is None:
        # What is not a number succeeded nowhere.
        status, successes = "diverged", 0
    of = _count(body.get("curve_trials", trials), "curve_trials")
    most = math.inf if of is None else of
    curve = _curve("successes", [_count(item, "curve", most) for item in _list(body, "curve")])
    if curve:
        curve["trials"] = [of] * len(curve["epoch"])
    bits = _bits(body, successes, trials)
    outcome = {"successes": successes, "trials": trials, "response": None, "correct_bits": bits}
    return RunResult(status, curve, outcome)


def _needed(body: dict[str, Any], key: str) -> Any:
    if key not in body:
        raise RunFailureError(f"wrote no {key!r}, only {', '.join(map(repr, body)) or 'an empty object'}")
    return body[key]


def _list(body: dict[str, Any], key: str) -> list[Any]:
    found = body.get(key)
    if found is not None and not isinstance(found, list):
        raise RunFailureError(f"wrote {key} as {_shown(found)}; needed: a list")
    return found or []


def _finite(value: Any, key: str) -> float | None:
    """A number; None for null, NaN and the infinities."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RunFailureError(f"wrote {key} as {_shown(value)}; needed: a number")
    return float(value) if abs(value) <= sys.float_info.max else None


def _count(value: Any, key: str, most: float = math.inf) -> int | None:
    """A whole number from 0 to `most`; None for null, NaN and the infinities."""
    number = _finite(value, key)
    if number is None:
        return None
    if not number.is_integer() or not 0 <= number <= most:
        limit = "0 or more" if most == math.inf else f"0 to {most}"
        raise RunFailureError(f"wrote {key} as {_shown(value)}; allowed: a whole number, {limit}")
    return int(number)


def _curve(name: str, values: list[Any]) -> dict[str, list[Any]]:
    return {"epoch": list(range(1, len(values) + 1)), name: values} if values else {}


def _bits(body: dict[str, Any], successes: int, trials: int) -> str | None:
    correct = _list(body, "correct")
    if not correct:
        return None
    if len(correct) != trials or any(item not in (0, 1) for item in correct):
        raise RunFailureError(
            f"wrote {len(correct)} entries of correct; needed: {trials}, one a trial, each true or false"
        )
    if sum(correct) != successes:
        raise RunFailureError(f"wrote {successes} successes, but {sum(correct)} of correct are true")
    return base64.b64encode(np.packbits(np.array(correct, dtype=bool)).tobytes()).decode()


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
