"""Signs that runs which should differ by chance are the same run: a seed that is not used, or a run counted twice."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from study.stats.table import RunTable

# Two blocks are called alike if chance would make any two so alike less often than this.
SUSPICIOUS = 1e-3
MOST_NAMED = 20


def seeding(table: RunTable, collapse_below: float | None = None) -> dict[str, Any]:
    """Look for equal weights, equal answers and equal outcomes in different blocks.

    Args:
        table: the runs. Their column `weights_digest` is of the trained weights: different blocks must differ, runs of
            one block may share weights. `correct_bits` holds packed correctness bits: runs of one cell and different
            blocks must differ. `run_id` identifies a run: no value may occur twice.
        collapse_below: see `RunTable.failed`. Collapsed runs (one class for every image) may be equal without fault.

    Returns:
        same_weights, same_bits: lists of groups of blocks (names); None if there is no such column.
        same_outcomes: list of pairs of blocks with equal outcomes in every cell they share, where chance would hardly
            do that (counts: by binomial chance; a response: never, if it has decimals); None without block.
        repeated_run_ids: list; None without that column.
        broken: whether any of these lists has an entry; in_words: one line. At most 20 entries a list are named.

        Without a block each run is its own block, and named by its row (from 1).
    """
    frame = table.frame
    block = frame[table.block] if table.block is not None else pd.Series(np.arange(1, len(frame) + 1))
    names = block.astype(str)
    alive = ~table.failed(collapse_below)
    found: dict[str, Any] = {
        "same_weights": _groups(frame["weights_digest"], names) if "weights_digest" in frame else None,
        "same_bits": None,
        "same_outcomes": _same_outcomes(table, alive) if table.block is not None else None,
        "repeated_run_ids": None,
    }
    if "correct_bits" in frame:
        bits = frame["correct_bits"]
        keyed = pd.Series(list(zip(table.cell_index(), bits, strict=True)), index=frame.index)
        found["same_bits"] = _groups(keyed[alive & bits.notna().to_numpy()], names)
    if "run_id" in frame:
        ids = frame["run_id"].dropna().astype(str)
        found["repeated_run_ids"] = sorted(set(ids[ids.duplicated()]))[:MOST_NAMED]
    signs = {
        "same_weights": "equal weights in different blocks",
        "same_bits": "equal answers to every image in different blocks",
        "same_outcomes": "blocks with equal outcomes in every cell",
        "repeated_run_ids": "a run counted twice",
    }
    broken = [words for name, words in signs.items() if found[name]]
    return {**found, "broken": bool(broken), "in_words": "; ".join(broken) if broken else "no sign of repeated runs"}


def _groups(keys: pd.Series, names: pd.Series) -> list[list[str]]:
    """The sets of two and more different blocks that share a key."""
    keys = keys.dropna()
    shared: dict[tuple[str, ...], None] = {}
    for _, members in names[keys.index].groupby(keys, sort=False):
        different = tuple(dict.fromkeys(members))
        if len(different) > 1:
            shared[different] = None
    return [list(group) for group in list(shared)[:MOST_NAMED]]


def _same_outcomes(table: RunTable, alive: np.ndarray) -> list[list[str]]:
    frame = table.frame
    values = frame[table.successes if table.counts else table.response].to_numpy(dtype=float)
    wide = pd.DataFrame(
        {"block": frame[table.block], "cell": table.cell_index(), "value": np.where(alive, values, np.nan)}
    ).pivot(index="block", columns="cell", values="value")
    outcomes = wide.to_numpy()
    chance = _chance_of_a_tie(table, outcomes)
    pairs = []
    for first, second in combinations(range(len(outcomes)), 2):
        shared = ~np.isnan(outcomes[first]) & ~np.isnan(outcomes[second])
        equal = outcomes[first][shared] == outcomes[second][shared]
        if shared.any() and equal.all():
            expected = chance[shared].prod() * len(outcomes) * (len(outcomes) - 1) / 2
            if expected < SUSPICIOUS:
                pairs.append([str(wide.index[first]), str(wide.index[second])])
        if len(pairs) == MOST_NAMED:
            break
    return pairs


def _chance_of_a_tie(table: RunTable, outcomes: np.ndarray) -> np.ndarray:
    """Chance that two runs of a cell have the same outcome, shape (cells with runs,).

    Counts: two binomial variables of the cell's mean, 1 / (2 sqrt(pi) sd). A response without decimals may be a grade:
    no evidence; with decimals: never by chance.
    """
    if table.counts:
        # The most that a run has: trials may differ, and a rate of 1 would make every tie certain.
        trials = float(table.frame[table.trials].max())
        runs = (~np.isnan(outcomes)).sum(axis=0)
        right = (np.nansum(outcomes, axis=0) + 0.5) / (runs * trials + 1)
        wrong = (np.nansum(trials - outcomes, axis=0) + 0.5) / (runs * trials + 1)
        return np.minimum(1.0, 1.0 / (2 * np.sqrt(np.pi * trials * right * wrong)))
    known = outcomes[~np.isnan(outcomes)]
    return np.full(outcomes.shape[1], 1.0 if (known == np.round(known)).all() else 0.0)
