"""How many seeds one job trains, so that a job lasts minutes: from the time that a run takes, and a job should take."""

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Settings = dict[str, Any]

# What a training step of one image takes, forward and backward, in millions of floating point operations; and how many
# of them one core does in a second where nothing is measured: two thirds of what the engine does on a Xeon of 2023.
MEGAFLOP = {"asker": 25, "tutorial": 26, "deep_mnist": 82, "conv1d": 11}
MEGAFLOP_PER_SECOND = 60_000
# Scoring comes on top of training.
SCORING = 1.2
# A run of which nothing is known.
UNKNOWN_SECONDS = 60.0
# A job on a cluster starts Snakemake twice and TensorFlow once.
START_SECONDS = 20.0
# A time limit is so many times what is expected: other nodes, other load. A job that hits it loses nothing but time.
ALLOWANCE = 3
# Settings that change how much there is to do, but not its pace, or neither.
AMOUNTS = ("epochs", "train_images")
INDIFFERENT = ("lr", "dropout", "loss", "bn")
# Of every folder of the store, so many records are looked at.
SAMPLE = 4


def seeds_per_job(execution: Settings, cells: Sequence[Settings]) -> int:
    """`execution.seeds_per_job`; where it is `auto`, as many seeds as fit into `job_minutes`, and at least one."""
    if execution["seeds_per_job"] != "auto":
        return execution["seeds_per_job"]
    seconds = 60 * execution["job_minutes"] - START_SECONDS
    return max(1, int(seconds / _seconds_per_run(execution, cells)))


def minutes_allowed(execution: dict[str, Any], cells: Sequence[Settings], seeds: int) -> int:
    """The time limit of a job that trains so many seeds, in minutes."""
    seconds = START_SECONDS + seeds * _seconds_per_run(execution, cells)
    return 5 + math.ceil(ALLOWANCE * seconds / 60)


def seconds_per_run(cells: Sequence[Settings], store: Path) -> float:
    """How long the longest training of a study takes on one core: as the store's records have it, or else estimated.

    Args:
        cells: the settings of every cell.
        store: the folder of the records. A sample of them is read; it holds those of all studies.

    Returns:
        seconds, rounded to three digits.
    """
    paces: dict[str, list[float]] = {}
    for record in _sample(store):
        amount = _amount(record["settings"])
        cost = record["cost"]
        paces.setdefault(_kind(record["settings"]), []).append(
            (cost["training_seconds"] + cost["evaluation_seconds"]) / amount
        )
    measured = {kind: statistics.median(values) for kind, values in paces.items()}
    longest = max(
        measured[_kind(settings)] * _amount(settings) if _kind(settings) in measured else _estimate(settings)
        for settings in cells
    )
    return float(f"{longest:.3g}")


def _seconds_per_run(execution: dict[str, Any], cells: Sequence[Settings]) -> float:
    value = execution["seconds_per_run"]
    return max(map(_estimate, cells)) if value == "auto" else value


def _estimate(settings: Settings) -> float:
    if settings.get("network") not in MEGAFLOP:
        return UNKNOWN_SECONDS
    return SCORING * _amount(settings) * MEGAFLOP[settings["network"]] / MEGAFLOP_PER_SECOND


def _amount(settings: Settings) -> float:
    """Images that a run trains on, counted once an epoch; 1 where a run has no such settings."""
    found = [settings.get(name) for name in AMOUNTS]
    return math.prod(value for value in found if isinstance(value, int | float) and value > 0)


def _kind(settings: Settings) -> str:
    """What decides the pace of a run: all settings but those of its amount and those that do not matter."""
    kept = {name: value for name, value in settings.items() if name not in (*AMOUNTS, *INDIFFERENT)}
    return json.dumps(kept | {"normalised": settings.get("bn", "none") != "none"}, sort_keys=True)


def _sample(store: Path) -> Iterator[dict[str, Any]]:
    """The first records of each of the store's folders: identities are digests, so the first are any."""
    for folder in sorted(store.glob("[0-9a-f][0-9a-f]")):
        for path in sorted(folder.glob("[0-9a-f]*.json"))[:SAMPLE]:
            try:
                yield json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
