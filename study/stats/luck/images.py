"""How much of the spread between runs is the finite test set, and whether an effect holds on new images.

Everything here comes from one bit a run and image: right or wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from study.errors import StudyError
from study.stats.luck.crossed_components import RANDOM, crossed_components
from study.stats.luck.reader_case import Difference, mean_squares, paired_difference, unpaired_difference
from study.stats.luck.run_variance import run_variance
from study.stats.table import RunTable

_BITS = "correct_bits"


def images(table: RunTable, alpha: float = 0.05) -> dict[str, Any] | None:
    """Analyse the correctness bits of the runs.

    Args:
        table: runs with counts; the column `correct_bits` holds, a run, `np.packbits` of right (1) or wrong (0) over
            the same images in the same order. Runs without bits (None) are left out and counted.
        alpha: 1 - the level of every interval.

    Returns:
        None if there is no such column, no bits in it, no counts, or a single image. Otherwise, variances in pp^2, sd
        and differences in percentage points (pp):
        images, runs, runs_without_bits, agrees_with_counts (whether the bits sum to the table's successes), alpha,
        paired (whether blocks pair the runs).
        arms: level, runs, accuracy_pp; means over its cells with two runs or more: run_variance, sampling_variance,
            distribution_variance (may be negative), ci_low, ci_high, distribution_sd (None if the variance is
            negative); None if there is no such cell.
        components: rows {source, variance, sd, share} of the random part of one answer, averaged over the cells of the
            other factors, by restricted maximum likelihood, see `crossed_components`; a source is the block, the image,
            their interplay with each other and with the focus factor, or "residual"; shares of 1. None without a block
            or with fewer than two blocks that are complete.
        contrasts: level, control, blocks (complete for both; None without a block), estimate_pp; for the scopes
            `these_images` (blocks random) and `new_images_too` (blocks and images random) se, df, statistic, p, ci_low,
            ci_high (pp; p and interval unadjusted); mcnemar: `pairs` of single runs (same block and cell) compared by
            the exact McNemar test over images, how many have p < alpha in favour of the arm (`better`) or of the
            control (`worse`). A contrast without two complete blocks (or two runs a cell) has None there.

        Averages over the grid of the other factors weigh each cell alike.

    Raises:
        StudyError: the bits do not fit the number of trials, or that number differs between runs.
    """
    if not table.counts or _BITS not in table.frame or not table.frame[_BITS].notna().any():
        return None
    present = table.frame[_BITS].notna().to_numpy()
    frame = table.frame.loc[present]
    count = _images_per_run(frame, table)
    if count < 2:
        return None
    correct = _unpack(frame, count)
    layout = _Layout.of(table, frame)
    return {
        "images": correct.shape[1],
        "runs": correct.shape[0],
        "runs_without_bits": int((~present).sum()),
        "agrees_with_counts": bool((correct.sum(axis=1, dtype=np.int64) == frame[table.successes].to_numpy()).all()),
        "alpha": alpha,
        "paired": table.block is not None,
        "arms": [_arm_row(arm, layout, correct, alpha) for arm in range(len(layout.arms))],
        "components": _components(layout, correct, {"arm": table.focus, "block": str(table.block)}),
        "contrasts": [_contrast(arm, layout, correct, alpha) for arm in range(1, len(layout.arms))],
    }


@dataclass(frozen=True)
class _Layout:
    """Where each run sits: row numbers by arm (control first), cell of the other factors and block.

    `index` has shape (arms, cells, blocks), -1 where a run is missing, if there are blocks; `members` lists the rows of
    each arm and cell whether there are blocks or not.
    """

    arms: tuple[str, ...]
    cells: int
    members: dict[tuple[int, int], np.ndarray]
    index: np.ndarray | None

    @staticmethod
    def of(table: RunTable, frame: pd.DataFrame) -> "_Layout":
        arms = (table.control, *table.arms)
        arm = frame[table.focus].astype(str).map({level: i for i, level in enumerate(arms)}).to_numpy()
        keys = list(zip(*(frame[f].astype(str) for f in table.other_factors), strict=True)) or [()] * len(frame)
        cells = tuple(dict.fromkeys(keys))
        cell = np.array([cells.index(key) for key in keys])
        members = {
            (a, c): np.flatnonzero((arm == a) & (cell == c)) for a in range(len(arms)) for c in range(len(cells))
        }
        index = None
        if table.block is not None:
            codes, blocks = pd.factorize(frame[table.block])
            index = np.full((len(arms), len(cells), len(blocks)), -1)
            index[arm, cell, codes] = np.arange(len(frame))
        return _Layout(arms, len(cells), members, index)

    def rows(self, arm: int) -> list[np.ndarray]:
        """The rows of an arm in each cell."""
        return [self.members[arm, cell] for cell in range(self.cells)]


def _images_per_run(frame: pd.DataFrame, table: RunTable) -> int:
    trials = frame[table.trials].unique()
    if len(trials) != 1:
        raise StudyError(
            f"column {table.trials!r}: the runs were scored on different numbers of images ({min(trials)} to "
            f"{max(trials)}); their correctness bits cannot be compared. Analyse runs of one test set at a time."
        )
    return int(trials[0])


def _unpack(frame: pd.DataFrame, images: int) -> np.ndarray:
    """Right (1) or wrong (0), uint8, shape (runs, images)."""
    expected = -(-images // 8)
    correct = np.empty((len(frame), images), dtype=np.uint8)
    for row, bits in enumerate(frame[_BITS]):
        packed = np.frombuffer(bits, dtype=np.uint8)
        if len(packed) != expected:
            raise StudyError(
                f"column {_BITS!r}: {len(packed)} bytes in row {row + 1}, but {images} images need {expected}. "
                "Collect the runs again."
            )
        correct[row] = np.unpackbits(packed, count=images)
    return correct


def _arm_row(arm: int, layout: _Layout, correct: np.ndarray, alpha: float) -> dict[str, Any]:
    parts = [correct[rows] for rows in layout.rows(arm) if len(rows)]
    row: dict[str, Any] = {
        "level": layout.arms[arm],
        "runs": sum(len(part) for part in parts),
        "accuracy_pp": 100.0 * float(np.mean([part.mean() for part in parts])),
        **dict.fromkeys(("run_variance", "sampling_variance", "distribution_variance", "ci_low", "ci_high")),
        "distribution_sd": None,
    }
    repeated = [part for part in parts if len(part) > 1]
    if repeated:
        found = run_variance(repeated, alpha)
        row |= {
            "run_variance": 1e4 * found.total,
            "sampling_variance": 1e4 * found.sampling,
            "distribution_variance": 1e4 * found.distribution,
            "ci_low": 1e4 * found.ci_low,
            "ci_high": 1e4 * found.ci_high,
            "distribution_sd": 100.0 * float(np.sqrt(found.distribution)) if found.distribution >= 0 else None,
        }
    return row


def _grid_sums(rows: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Runs right on each image, summed over cells. `rows` has shape (cells, blocks); the result (blocks, images)."""
    sums = np.zeros((rows.shape[1], correct.shape[1]), dtype=np.int32)
    for cell in rows:
        sums += correct[cell]
    return sums


def _components(layout: _Layout, correct: np.ndarray, names: dict[str, str]) -> list[dict[str, Any]] | None:
    if layout.index is None:
        return None
    complete = (layout.index >= 0).all(axis=(0, 1))
    if complete.sum() < 2:
        return None
    values = np.stack([_grid_sums(arm[:, complete], correct) for arm in layout.index])
    variances = 1e4 * crossed_components(mean_squares(values, divisor=layout.cells), values.shape)
    total = float(variances.sum())
    return [
        {
            "source": ":".join(names.get(part, part) for part in term.split(":")),
            "variance": float(variance),
            "sd": float(np.sqrt(variance)),
            "share": float(variance) / total if total > 0 else None,
        }
        for term, variance in zip(RANDOM, variances, strict=True)
    ]


def _contrast(arm: int, layout: _Layout, correct: np.ndarray, alpha: float) -> dict[str, Any]:
    row: dict[str, Any] = {"level": layout.arms[arm], "control": layout.arms[0]}
    scopes: list[Difference] = []
    blocks = None
    if layout.index is not None:
        complete = (layout.index[[0, arm]] >= 0).all(axis=(0, 1))
        blocks = int(complete.sum())
        if blocks >= 2:
            differences = _grid_sums(layout.index[arm][:, complete], correct) - _grid_sums(
                layout.index[0][:, complete], correct
            )
            scopes = [paired_difference(differences, layout.cells, new, alpha) for new in (False, True)]
    else:
        sides = [[correct[rows] for rows in layout.rows(a)] for a in (arm, 0)]
        if all(len(part) >= 2 for side in sides for part in side):
            scopes = [unpaired_difference(sides[0], sides[1], new, alpha) for new in (False, True)]
    return {
        **row,
        "blocks": blocks,
        "estimate_pp": 100.0 * scopes[0].estimate if scopes else None,
        "these_images": _in_pp(scopes[0]) if scopes else None,
        "new_images_too": _in_pp(scopes[1]) if scopes else None,
        "mcnemar": _mcnemar_of_pairs(arm, layout, correct, alpha),
    }


def _in_pp(difference: Difference) -> dict[str, float | None]:
    return {
        "se": 100.0 * difference.se,
        "df": difference.df,
        "statistic": difference.statistic,
        "p": difference.p,
        "ci_low": 100.0 * difference.ci_low,
        "ci_high": 100.0 * difference.ci_high,
    }


def _mcnemar_of_pairs(arm: int, layout: _Layout, correct: np.ndarray, alpha: float) -> dict[str, int] | None:
    """What someone would have concluded who trained each of the two just once."""
    if layout.index is None:
        return None
    both = (layout.index[0] >= 0) & (layout.index[arm] >= 0)
    if not both.any():
        return None
    better = worse = 0
    for first, second in zip(layout.index[arm][both], layout.index[0][both], strict=True):
        arm_only = int((correct[first] & ~correct[second] & 1).sum())
        control_only = int((correct[second] & ~correct[first] & 1).sum())
        if arm_only != control_only and stats.binomtest(arm_only, arm_only + control_only).pvalue < alpha:
            better += arm_only > control_only
            worse += arm_only < control_only
    return {"pairs": int(both.sum()), "better": better, "worse": worse}
