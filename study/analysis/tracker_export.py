"""Tables of runs as experiment trackers export them: how each run ended, and what follows for the analysis.

Weights & Biases writes a column `State` (finished, crashed, failed, killed, running), MLflow a column `status`
(FINISHED, FAILED, KILLED, RUNNING, SCHEDULED), and this project's own table `status` (ok, diverged).
"""

from dataclasses import dataclass

import pandas as pd

from study.errors import StudyError

COLUMNS = ("State", "status")
# A run that ended well, one whose outcome is that it diverged, and one that has no outcome (yet).
FINISHED = ("ok", "finished", "completed", "success")
DIVERGED = ("diverged",)
UNFINISHED = ("crashed", "failed", "killed", "running", "scheduled", "pending", "preempted", "preempting")


@dataclass(frozen=True)
class Export:
    """A table made ready for the analysis.

    Attributes:
        frame: the runs that ended; where the table tells how they ended, in the column `status`, `ok` or `diverged`.
        left_out: how many runs have no outcome, by how they ended.
        without_number: how many runs ended well but hold no number, and so count as diverged.
    """

    frame: pd.DataFrame
    left_out: dict[str, int]
    without_number: int


def ended_runs(frame: pd.DataFrame, status: str | None, response: str | None, roles: list[str]) -> Export:
    """Keep the runs that ended, and tell those that diverged.

    A run that did not end (crashed, killed, still running) has no outcome: it is left out, and counted. One that
    finished without a finite number in `response` diverged: that is its outcome.

    Args:
        frame: the table as it was exported.
        status: the column that tells how a run ended; None: `State` or `status`, unless it is one of `roles`.
        response: the column of a numeric response, if there is one.
        roles: columns that mean something else.

    Raises:
        StudyError: no such column, or a word in it that is not known.
    """
    if status is not None and status not in frame:
        raise StudyError(f"--status {status}: no such column; the columns are: {', '.join(map(str, frame.columns))}")
    column = status or next((name for name in COLUMNS if name in frame and name not in roles), None)
    if column is None:
        return Export(frame, {}, 0)
    words = frame[column].astype(str).str.strip().str.lower()
    unknown = words[~words.isin([*FINISHED, *DIVERGED, *UNFINISHED])]
    if not unknown.empty:
        raise StudyError(
            f"column {column!r} says {frame[column].loc[unknown.index[0]]!r} in row {unknown.index[0] + 1}; known: "
            f"{', '.join((*FINISHED, *DIVERGED, *UNFINISHED))}; name the right column with --status"
        )
    unfinished = words.isin(UNFINISHED)
    left_out = {str(word): int(count) for word, count in words[unfinished].value_counts().sort_index().items()}
    kept = frame[~unfinished].reset_index(drop=True)
    words = words[~unfinished].reset_index(drop=True)
    diverged = words.isin(DIVERGED)
    without = pd.Series(False, index=kept.index)
    if response is not None and response in kept:
        numbers = pd.to_numeric(kept[response], errors="coerce")
        # "ok" is this project's own word: its table has a number there, or is damaged.
        without = (numbers.isna() | numbers.isin([float("inf"), float("-inf")])) & ~diverged & (words != "ok")
    ended = (diverged | without).map({True: "diverged", False: "ok"})
    return Export(kept.assign(status=ended), left_out, int(without.sum()))
