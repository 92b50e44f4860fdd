"""Tables of runs as experiment trackers export them: how each run ended, and what follows for the analysis.

Weights & Biases writes a column `State` (finished, crashed, failed, killed, running), MLflow a column `status`
(FINISHED, FAILED, KILLED, RUNNING, SCHEDULED), and this project's own table `status` (ok, diverged).
"""

from typing import Any

import numpy as np
import pandas as pd

from study.errors import StudyError

COLUMNS = ("State", "status")
# A run that ended well, one whose outcome is that it diverged, and one that has no outcome (yet).
FINISHED = ("ok", "finished", "completed", "success")
DIVERGED = ("diverged",)
UNFINISHED = ("crashed", "failed", "killed", "running", "scheduled", "pending", "preempted", "preempting")


def ended_runs(
    frame: pd.DataFrame, status: str | None, response: str | None, roles: list[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Keep the runs that ended, and tell those that diverged.

    A run that did not end (crashed, killed, still running) has no outcome: it is left out, and counted. One that
    finished without a finite number in `response` diverged: that is its outcome.

    Args:
        frame: the table as it was exported.
        status: the column that tells how a run ended; None: `State` or `status`, unless it is one of `roles`.
        response: the column of a numeric response, if there is one.
        roles: columns that mean something else.

    Returns:
        the runs that ended, where the table tells how with a column `status`, `ok` or `diverged`; and `left_out`, how
        many runs have no outcome, by how they ended, and `without_number`, how many ended well but hold no number.

    Raises:
        StudyError: no such column, or a word in it that is not known.
    """
    if status is not None and status not in frame:
        raise StudyError(f"--status {status}: no such column; the columns are: {', '.join(map(str, frame.columns))}")
    column = status or next((name for name in COLUMNS if name in frame and name not in roles), None)
    if column is None:
        return frame, {"left_out": {}, "without_number": 0}
    words = frame[column].astype(str).str.strip().str.lower()
    known = (*FINISHED, *DIVERGED, *UNFINISHED)
    unknown = words[~words.isin(known)]
    if not unknown.empty:
        raise StudyError(
            f"column {column!r} says {frame[column].loc[unknown.index[0]]!r} in row {unknown.index[0] + 1}; known: "
            f"{', '.join(known)}; name the right column with --status"
        )
    unfinished, diverged = words.isin(UNFINISHED), words.isin(DIVERGED)
    without = pd.Series(False, index=frame.index)
    if response is not None and response in frame:
        numbers = pd.to_numeric(frame[response], errors="coerce").replace([np.inf, -np.inf], np.nan)
        # "ok" is this project's own word: its table has a number there, or is damaged.
        without = numbers.isna() & ~unfinished & ~diverged & (words != "ok")
    ended = frame.assign(status=(diverged | without).map({True: "diverged", False: "ok"}))
    left_out = words[unfinished].value_counts().sort_index().to_dict()
    return ended[~unfinished].reset_index(drop=True), {"left_out": left_out, "without_number": int(without.sum())}
