"""A sequential study in rows: its path, where it stopped, and what other designs would have done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from study.stats.effects.power import power_of_settling, seeds_needed
from study.stats.sequential.path import ContrastPath
from study.stats.table import RunTable

# The fixed designs that a sequential one is compared with find what they look for with this probability.
POWER = 0.8


def path_rows(found: Sequence[ContrastPath]) -> list[dict[str, Any]]:
    """One row for each arm and look: `level` and the fields of `Look`."""
    return [{"level": path.level, **asdict(look)} for path in found for look in path.looks]


def row_at_any_time(table: RunTable, row: Mapping[str, Any], path: ContrastPath) -> dict[str, Any]:
    """A row of the primary contrasts, with what holds at the time of stopping in place of what a fixed design gives."""
    left_out = ("se", "df", "statistic", "p", "p_adjusted", "ci_low", "ci_high")
    valid = {**row, **dict.fromkeys(left_out)}
    if not path.looks:
        return valid | {"label": "inconclusive", "note": "fewer blocks than the first look"}
    look = path.looks[-1]
    known = (table.block_index() < look.blocks) & table.frame[table.focus].isin([path.level, table.control]).to_numpy()
    names = ("estimate", "se", "p", "p_adjusted", "ci_low", "ci_high", "label", "pairs", "blocks")
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
        settled_at, label, naive, fixed_blocks}: naive {blocks, label} is the first conclusion of the t test that
        looks as often without paying for it, None if it never concludes; fixed_blocks, those of a fixed design that
        would show the same with a probability of 80 % if difference and spread are as estimated: hindsight, as nobody
        knows them before; None for what is not settled.
    """
    contrasts = len(table.arms)
    return {
        "scale": table.scale,
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
                "label": path.looks[-1].label if path.looks else "inconclusive",
                "naive": _naive(path),
                "fixed_blocks": _fixed(path, margin, alpha / contrasts) if path.settled_at else None,
            }
            for path in found
        ],
    }


def _naive(path: ContrastPath) -> dict[str, Any] | None:
    first = next((look for look in path.looks if look.naive_label != "inconclusive"), None)
    return None if first is None else {"blocks": first.blocks, "label": first.naive_label}


def _fixed(path: ContrastPath, margin: float, alpha: float) -> int | None:
    look = path.looks[-1]
    sd = look.se * np.sqrt(look.pairs)
    if sd == 0:
        return 2
    return seeds_needed(lambda n: power_of_settling(look.estimate, sd, n, alpha, margin), POWER)
