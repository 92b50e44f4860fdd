"""How many seeds one job trains, so that a job lasts minutes: from the time that a run takes, and a job should take."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# What one core does in a second where nothing is measured: two thirds of what TensorFlow does on a Xeon of 2023.
MEGAFLOP_PER_SECOND = 60_000
# A run of which nothing is known.
UNKNOWN_SECONDS = 60.0
# A job on a cluster starts Snakemake twice and the trainer once.
START_SECONDS = 20.0
# A time limit is so many times what is expected: other nodes, other load. A job that hits it loses nothing but time.
ALLOWANCE = 3


@dataclass(frozen=True)
class Work:
    """What a run has to do.

    Attributes:
        pace: what decides how long a unit of the work takes; runs of one pace differ in their amount alone.
        amount: how much there is to do, in any unit, such as images.
        megaflops: millions of floating point operations of the whole run; None if nobody knows.
    """

    pace: Any
    amount: float = 1.0
    megaflops: float | None = None


def seeds_per_job(execution: dict[str, Any]) -> int:
    """`execution.seeds_per_job`; where it is `auto`, as many seeds as fit into `job_minutes`, and at least one."""
    if execution["seeds_per_job"] != "auto":
        return execution["seeds_per_job"]
    seconds = 60 * execution["job_minutes"] - START_SECONDS
    return max(1, int(seconds / execution["seconds_per_run"]))


def minutes_allowed(execution: dict[str, Any], seeds: Sequence[int]) -> int:
    """The time limit of a job that trains these seeds, in minutes."""
    seconds = START_SECONDS + len(seeds) * execution["seconds_per_run"]
    return 5 + math.ceil(ALLOWANCE * seconds / 60)


def seconds_per_run(planned: Sequence[Work], measured: Iterable[tuple[Work, float]]) -> float:
    """How long the longest training of a study takes on one core: as runs of the same pace took, or else estimated.

    Args:
        planned: the work of every cell.
        measured: the work of recorded runs, of any study, and the seconds that it took.

    Returns:
        seconds, rounded to three digits.
    """
    paces: list[tuple[Any, float]] = [(work.pace, seconds / work.amount) for work, seconds in measured]

    def expected(work: Work) -> float:
        known = [seconds for pace, seconds in paces if pace == work.pace]
        if known:
            return statistics.median(known) * work.amount
        return UNKNOWN_SECONDS if work.megaflops is None else work.megaflops / MEGAFLOP_PER_SECOND

    return float(f"{max(map(expected, planned)):.3g}")
