"""A sequential study in rows: its path, where it stopped, and what other designs would have done."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from study.stats.power import power_of_equivalence, power_of_t, seeds_needed
from study.stats.sequential_path import Look, Path
from study.stats.table import RunTable

# The fixed designs that a sequential one is compared with find what they look for with this probability.
POWER = 0.8


def path_rows(found: Sequence[Path]) -> list[dict[str, Any]]:
    """One row for each arm and look: `level` and the fields of `Look`."""
    return [{"level": path.level, **asdict(look)} for path in found for look in path.looks]


def summary(
    table: RunTable, found: Sequence[Path], looks: Sequence[int], margin: float, alpha: float
) -> dict[str, Any]:
    """Where each contrast was settled, and what it cost.

    Returns:
        scale, looks, budget (the last look), blocks (those looked at), alpha, margin, unsettled (levels); runs, and
        runs_of_budget, if all blocks of the budget had been run in all cells; arms: rows {level, control, blocks,
        settled_at, verdict, naive, fixed_blocks}: naive {blocks, verdict} is the first conclusion of the t test that
        looks as often without paying for it, None if it never concludes; fixed_blocks, those of a fixed design that
        would show the same with a probability of 80 % if difference and spread are as estimated: hindsight, as nobody
        knows them before; None for what is not settled.
    """
    contrasts = len(table.arms)
    return {
        "scale": table.scales()[-1],
        "looks": list(looks),
        "budget": looks[-1],
        "blocks": max((look.blocks for path in found for look in path.looks), default=0),
        "alpha": alpha,
        "margin": margin,
        "unsettled": [path.level for path in found if path.settled_at is None],
        "runs": len(table.frame),
        "runs_of_budget": looks[-1] * int(np.prod(table.shape)),
        "arms": [
            {
                "level": path.level,
                "control": table.control,
                "blocks": path.looks[-1].blocks if path.looks else 0,
                "settled_at": path.settled_at,
                "verdict": path.looks[-1].verdict if path.looks else "inconclusive",
                "naive": _naive(path),
                "fixed_blocks": _fixed(path.looks[-1], margin, alpha, contrasts) if path.settled_at else None,
            }
            for path in found
        ],
    }


def _naive(path: Path) -> dict[str, Any] | None:
    first = next((look for look in path.looks if look.naive_verdict != "inconclusive"), None)
    return None if first is None else {"blocks": first.blocks, "verdict": first.naive_verdict}


def _fixed(look: Look, margin: float, alpha: float, contrasts: int) -> int | None:
    sd = look.se * np.sqrt(look.pairs)
    if sd == 0:
        return 2
    if look.verdict in ("equivalent", "better but negligible"):
        return seeds_needed(lambda n: power_of_equivalence(margin, sd, n, alpha), POWER)
    return seeds_needed(lambda n: power_of_t(look.estimate, sd, n, alpha / contrasts), POWER)
