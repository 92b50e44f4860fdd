"""The A/A comparison: an arm that is the control under other seeds. What the analysis finds there is false."""

from dataclasses import asdict
from typing import Any

from study.errors import StudyError
from study.stats.effects.contrasts import compare_with_control
from study.stats.table import RunTable


def negative_control(table: RunTable, level: str, *, margin: float = 0.0, alpha: float = 0.05) -> dict[str, Any]:
    """Compare the A/A arm with the control by the methods of the real arms, as a family of one.

    Args:
        table: the runs of all arms.
        level: the level of the focus factor that equals the control under other seeds.
        margin, alpha: see `compare_with_control`.

    Returns:
        level, control, alpha, contrast (a row as of the real arms), passed (whether it finds nothing at alpha; by
        chance a share alpha of studies does not pass).

    Raises:
        StudyError: `level` is not an arm of the table.
    """
    pair = table.only((table.control, _known(table, level))).finished()
    (contrast,) = compare_with_control(pair, margin=margin, alpha=alpha)
    return {
        "level": level,
        "control": table.control,
        "alpha": alpha,
        "contrast": asdict(contrast),
        "passed": contrast.p is None or contrast.p >= alpha,
    }


def without_negative_control(table: RunTable, level: str) -> RunTable:
    """The table without the A/A arm, for every other analysis.

    Raises:
        StudyError: `level` is not an arm of the table, or there is no other.
    """
    _known(table, level)
    kept = tuple(name for name in table.levels(table.focus) if name != level)
    if len(kept) < 2:
        raise StudyError(f"{table.focus}={level}: apart from the negative control there is no arm to compare")
    return table.only(kept)


def _known(table: RunTable, level: str) -> str:
    if level not in table.arms:
        raise StudyError(
            f"{table.focus}={level}: no such level for the negative control; one of {', '.join(table.arms)} is needed"
        )
    return level
