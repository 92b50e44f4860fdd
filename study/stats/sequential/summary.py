"""A sequential study in rows: its path, where it stopped, and what other designs would have done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from study.stats.effects.power import power_of_equivalence, power_of_t, seeds_needed
from study.stats.sequential.path import ContrastPath, Look, twin
from study.stats.table import RunTable

# The fixed designs that a sequential one is compared with find what they look for with this probability.
POWER = 0.8


def path_rows(found: Sequence[ContrastPath]) -> list[dict[str, Any]]:
    """One row for each arm and look: `level` and the fields of `Look`."""
    return [{"level": path.level, **asdict(look)} for path in found for look in path.looks]


def row_at_any_time(table: RunTable, row: Mapping[str, Any], path: ContrastPath, alpha: float) -> dict[str, Any]:
    """A row of the primary contrasts, with what holds at the time of stopping in place of what a fixed design gives.

    Args:
        row: the contrast of the path's level on any scale, with its `scale` and `margin`; what it has of p values and
            intervals is left out where it is valid for a number of blocks fixed in advance alone.
    """
    look: Look | None = path.looks[-1] if path.looks else None
    if look is not None and row["scale"] != table.scales()[-1]:
        look = twin(table, row["scale"], path, row["margin"], alpha)
    left_out = [name for name in row if name in ("se", "df", "statistic") or name.startswith(("p", "ci_"))]
    valid = {**row, **dict.fromkeys(left_out)}
    if look is None:
        return valid | {"verdict": "inconclusive", "note": "fewer blocks than the first look"}
    known = (table.block_index() < look.blocks) & table.frame[table.focus].isin([path.level, table.control]).to_numpy()
    names = ("estimate", "se", "p", "p_adjusted", "ci_low", "ci_high", "p_equivalence", "verdict")
    found = {name: getattr(look, name) for name in names}
    note = f"holds at any time of stopping; after {look.blocks} blocks"
    return valid | found | {"df": look.pairs - 1, "runs": int(known.sum()), "note": note}


def summary(
    table: RunTable, found: Sequence[ContrastPath], looks: Sequence[int], margin: float, alpha: float
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


def _naive(path: ContrastPath) -> dict[str, Any] | None:
    first = next((look for look in path.looks if look.naive_verdict != "inconclusive"), None)
    return None if first is None else {"blocks": first.blocks, "verdict": first.naive_verdict}


def _fixed(look: Look, margin: float, alpha: float, contrasts: int) -> int | None:
    sd = look.se * np.sqrt(look.pairs)
    if sd == 0:
        return 2
    if look.verdict in ("equivalent", "better but negligible"):
        return seeds_needed(lambda n: power_of_equivalence(margin, sd, n, alpha), POWER)
    return seeds_needed(lambda n: power_of_t(look.estimate, sd, n, alpha / contrasts), POWER)
