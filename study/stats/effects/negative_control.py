"""The A/A comparison: an arm that is the control under other seeds. What the analysis finds there is false."""

from dataclasses import asdict
from typing import Any

import numpy as np

from study.errors import StudyError
from study.stats.collapse.rates import collapse
from study.stats.effects.contrasts import compare_with_control
from study.stats.table import RunTable


def negative_control(
    table: RunTable,
    level: str,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    collapse_below: float | None = None,
    higher_is_better: bool = True,
) -> dict[str, Any]:
    """Compare the A/A arm with the control by the methods of the real arms, as a family of one.

    Args:
        table: the runs of all arms.
        level: the level of the focus factor that equals the control under other seeds.
        margin, alpha, higher_is_better: see `compare_with_control`.
        collapse_below: see `collapse`.

    Returns:
        level, control, alpha, contrasts (rows as of the real arms, one a scale), simple_effects (the same inside each
        cell of the other factors, a family by themselves; empty without other factors), collapse (the comparison of
        the rates, or None), passed (whether the contrasts, averaged over the cells, find nothing at alpha; by chance a
        share alpha of studies does not pass), in_words.

    Raises:
        StudyError: `level` is not an arm of the table.
    """
    pair = _restrict(table, (table.control, _known(table, level)))
    measured = pair.measured()
    rows = [
        [
            asdict(effect)
            for scale in pair.scales()
            for effect in compare_with_control(
                measured,
                scale,
                margin=margin,
                alpha=alpha,
                within_cells=inside,
                higher_is_better=higher_is_better,
            )
        ]
        for inside in ((False, True) if pair.other_factors else (False,))
    ]
    rates = collapse(pair, collapse_below, alpha)
    p = [row["p_adjusted"] for row in rows[0] if row["p_adjusted"] is not None]
    passed = all(value >= alpha for value in p)
    return {
        "level": level,
        "control": table.control,
        "alpha": alpha,
        "contrasts": rows[0],
        "simple_effects": rows[1] if len(rows) > 1 else [],
        "collapse": rates["comparisons"][0] if rates else None,
        "passed": passed,
        "in_words": (
            f"{level} is {table.control} under other seeds; "
            + ("no difference was found, as it should be" if passed else "a difference was found, which must be chance")
        ),
    }


def without_negative_control(table: RunTable, level: str) -> RunTable:
    """The table without the A/A arm, for every other analysis.

    Raises:
        StudyError: `level` is not an arm of the table, or there is no other.
    """
    _known(table, level)
    kept = tuple(name for name in table.levels(table.focus) if name != level)
    if len(kept) < 2:
        raise StudyError(f"{table.focus}={level}: beside the negative control there is no arm to compare")
    return _restrict(table, kept)


def _known(table: RunTable, level: str) -> str:
    if level not in table.arms:
        raise StudyError(
            f"{table.focus}={level}: no such level for the negative control; one of {', '.join(table.arms)} is needed"
        )
    return level


def _restrict(table: RunTable, levels: tuple[str, ...]) -> RunTable:
    """The runs of some levels of the focus factor; the others are no levels any more."""
    part = table.subset(np.isin(table.frame[table.focus].astype(str).to_numpy(), levels))
    focus = part.frame[table.focus].cat.set_categories(list(levels))
    return RunTable(
        part.frame.assign(**{table.focus: focus}),
        table.factors,
        table.block,
        table.control,
        table.successes,
        table.trials,
        table.response,
    )
