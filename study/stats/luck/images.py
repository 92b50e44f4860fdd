"""What the single images tell: how much of the spread between runs is the finite test set, and on what digits an effect
holds. Everything here comes from one bit a run and image: right or wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from study.errors import StudyError
from study.stats.collapse.proportions import mcnemar_exact
from study.stats.luck.crossed_components import RANDOM, crossed_components
from study.stats.luck.reader_case import Difference, mean_squares, omnibus, paired_difference, unpaired_difference
from study.stats.luck.run_variance import RunVariance, pairwise_agreement, run_variance
from study.stats.table import RunTable


def images(table: RunTable, column: str = "correct_bits", alpha: float = 0.05) -> dict[str, Any] | None:
    """Analyse the correctness bits of the runs.

    Args:
        table: runs with counts; `column` holds, a run, `np.packbits` of right (1) or wrong (0) over the same images in
            the same order. Runs without bits (None) are left out and counted.
        alpha: 1 - the level of every interval.

    Returns:
        None if there is no such column, no bits in it, no counts, or a single image. Otherwise, variances in pp^2, sd
        and differences in percentage points (pp), rates and agreements as shares of 1:
        images, runs, runs_without_bits, agrees_with_counts (whether the bits sum to the table's successes), alpha,
        paired (whether blocks pair the runs).
        cells: levels, runs, accuracy_pp, run_variance, sampling_variance, distribution_variance (may be negative),
            ci_low, ci_high, distribution_sd (None if the variance is negative), zero_compatible, binomial_sd
            (sqrt(a (1 - a) / n), what plain coin tossing would give), calibrated_sd (sqrt(error / (2 n)), Jordan's
            value for calibrated ensembles), agreement (share of images on which two runs of the cell agree, mean
            over pairs of runs), agreement_if_independent, always_right, never_right, contested (numbers of images);
            None instead of variances for a cell of one run.
        arms: the same for each level, variances averaged over its cells; images counted over all runs of the arm;
            without agreement.
        omnibus: blocks (complete ones), cells (of the other factors, averaged within block and image), mean_squares,
            df, components (rows of term, variance: signed, of one image's value, and reml: none negative; pp^2), and
            for the scopes `these_images` (blocks random) and `new_images_too` (blocks and images random) the
            test F, df1, df2, p; None without a block or with fewer than two complete blocks.
        contrasts: level, control, blocks (complete for both; None without a block), estimate_pp, for both scopes se,
            df, statistic, p, ci_low, ci_high (pp; p and interval unadjusted); mcnemar: `pairs` of single runs (same
            block and cell) compared by the exact McNemar test over images, how many have p < alpha in favour of the
            arm (`better`) or of the control (`worse`), median_p; majority: arm_only, control_only, p of the exact
            McNemar test between the images that more than half of the runs get right. A contrast without two complete
            blocks (or two runs a cell) has None there.

        Averages over the grid of the other factors weigh each cell alike.

    Raises:
        StudyError: the bits do not fit the number of trials, or that number differs between runs.
    """
    if not table.counts or column not in table.frame or not table.frame[column].notna().any():
        return None
    present = table.frame[column].notna().to_numpy()
    frame = table.frame.loc[present]
    count = _images_per_run(frame, table)
    if count < 2:
        return None
    correct = _unpack(frame, column, count)
    layout = _Layout.of(table, frame)
    cells = [
        {"levels": layout.levels(arm, cell), **_cell_row(correct[rows], alpha)}
        for arm in range(len(layout.arms))
        for cell in range(len(layout.cells))
        if len(rows := layout.rows(arm, cell))
    ]
    return {
        "images": correct.shape[1],
        "runs": correct.shape[0],
        "runs_without_bits": int((~present).sum()),
        "agrees_with_counts": bool((correct.sum(axis=1, dtype=np.int64) == frame[table.successes].to_numpy()).all()),
        "alpha": alpha,
        "paired": table.block is not None,
        "cells": cells,
        "arms": [_arm_row(arm, layout, correct, alpha) for arm in range(len(layout.arms))],
        "omnibus": _omnibus(layout, correct),
        "contrasts": [_contrast(arm, layout, correct, alpha) for arm in range(1, len(layout.arms))],
    }


@dataclass(frozen=True)
class _Layout:
    """Where each run sits: row numbers by arm (control first), cell of the other factors and block.

    `index` has shape (arms, cells, blocks), -1 where a run is missing, if there are blocks; `members` lists the rows of
    each arm and cell whether there are blocks or not.
    """

    focus: str
    other_factors: tuple[str, ...]
    arms: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
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
        return _Layout(table.focus, table.other_factors, arms, cells, members, index)

    def rows(self, arm: int, cell: int) -> np.ndarray:
        return self.members[arm, cell]

    def levels(self, arm: int, cell: int) -> dict[str, str]:
        return {self.focus: self.arms[arm], **dict(zip(self.other_factors, self.cells[cell], strict=True))}


def _images_per_run(frame: pd.DataFrame, table: RunTable) -> int:
    trials = frame[table.trials].unique()
    if len(trials) != 1:
        raise StudyError(
            f"column {table.trials!r}: the runs were scored on different numbers of images ({min(trials)} to "
            f"{max(trials)}); their correctness bits cannot be compared. Analyse runs of one test set at a time."
        )
    return int(trials[0])


def _unpack(frame: pd.DataFrame, column: str, images: int) -> np.ndarray:
    """Right (1) or wrong (0), uint8, shape (runs, images)."""
    expected = -(-images // 8)
    correct = np.empty((len(frame), images), dtype=np.uint8)
    for row, bits in enumerate(frame[column]):
        packed = np.frombuffer(bits, dtype=np.uint8)
        if len(packed) != expected:
            raise StudyError(
                f"column {column!r}: {len(packed)} bytes in row {row + 1}, but {images} images need {expected}. "
                "Collect the runs again."
            )
        correct[row] = np.unpackbits(packed, count=images)
    return correct


def _cell_row(correct: np.ndarray, alpha: float) -> dict[str, Any]:
    accuracy = float(correct.mean())
    single = len(correct) < 2
    return {
        "runs": len(correct),
        "accuracy_pp": 100.0 * accuracy,
        **_variance_fields(None if single else [run_variance(correct, alpha)], alpha),
        **_reference_lines(accuracy, correct.shape[1]),
        "agreement": None if single else pairwise_agreement(correct),
        "agreement_if_independent": accuracy**2 + (1 - accuracy) ** 2,
        **_unanimity(correct),
    }


def _arm_row(arm: int, layout: _Layout, correct: np.ndarray, alpha: float) -> dict[str, Any]:
    parts = [correct[rows] for cell in range(len(layout.cells)) if len(rows := layout.rows(arm, cell))]
    accuracy = float(np.mean([part.mean() for part in parts]))
    variances = [run_variance(part, alpha) for part in parts if len(part) > 1]
    everything = np.concatenate(parts)
    return {
        "level": layout.arms[arm],
        "runs": len(everything),
        "cells": len(parts),
        "accuracy_pp": 100.0 * accuracy,
        **_variance_fields(variances or None, alpha),
        **_reference_lines(accuracy, correct.shape[1]),
        **_unanimity(everything),
    }


def _variance_fields(variances: list[RunVariance] | None, alpha: float) -> dict[str, Any]:
    """The mean over cells, in pp^2. The interval of a mean of variances uses Satterthwaite's df."""
    if variances is None:
        keys = ("run_variance", "sampling_variance", "distribution_variance", "ci_low", "ci_high", "distribution_sd")
        return {**dict.fromkeys(keys), "zero_compatible": None}
    total = np.array([v.total for v in variances])
    df = np.array([v.runs - 1 for v in variances])
    n = variances[0].images
    mean_total, sampling = float(total.mean()), float(np.mean([v.sampling for v in variances]))
    pooled_df = total.sum() ** 2 / (total**2 / df).sum() if mean_total > 0 else float(df.sum())
    low, high = (
        n / (n - 1) * (pooled_df * mean_total / stats.chi2.ppf([1 - alpha / 2, alpha / 2], pooled_df) - sampling)
    )
    distribution = n / (n - 1) * (mean_total - sampling)
    return {
        "run_variance": 1e4 * mean_total,
        "sampling_variance": 1e4 * sampling,
        "distribution_variance": 1e4 * distribution,
        "ci_low": 1e4 * float(low),
        "ci_high": 1e4 * float(high),
        "distribution_sd": 100.0 * float(np.sqrt(distribution)) if distribution >= 0 else None,
        "zero_compatible": bool(low <= 0.0),
    }


def _reference_lines(accuracy: float, n: int) -> dict[str, float]:
    return {
        "binomial_sd": 100.0 * float(np.sqrt(accuracy * (1 - accuracy) / n)),
        "calibrated_sd": 100.0 * float(np.sqrt((1 - accuracy) / (2 * n))),
    }


def _unanimity(correct: np.ndarray) -> dict[str, int]:
    right = correct.sum(axis=0, dtype=np.int64)
    always, never = int((right == len(correct)).sum()), int((right == 0).sum())
    return {"always_right": always, "never_right": never, "contested": correct.shape[1] - always - never}


def _grid_sums(rows: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Runs right on each image, summed over cells. `rows` has shape (cells, blocks); the result (blocks, images)."""
    sums = np.zeros((rows.shape[1], correct.shape[1]), dtype=np.int32)
    for cell in rows:
        sums += correct[cell]
    return sums


def _omnibus(layout: _Layout, correct: np.ndarray) -> dict[str, Any] | None:
    if layout.index is None:
        return None
    complete = (layout.index >= 0).all(axis=(0, 1))
    if complete.sum() < 2:
        return None
    values = np.stack([_grid_sums(arm[:, complete], correct) for arm in layout.index])
    squares = mean_squares(values, divisor=len(layout.cells))
    components = crossed_components(squares, values.shape)
    return {
        "blocks": int(complete.sum()),
        "cells": len(layout.cells),
        "mean_squares": squares.mean_square,
        "df": squares.df,
        "components": [
            {"term": term, "variance": 1e4 * float(signed), "reml": 1e4 * float(reml)}
            for term, signed, reml in zip(RANDOM, components.signed, components.reml, strict=True)
        ],
        "these_images": omnibus(squares, new_images=False),
        "new_images_too": omnibus(squares, new_images=True),
    }


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
            scopes = [paired_difference(differences, len(layout.cells), new, alpha) for new in (False, True)]
    else:
        sides = [[correct[layout.rows(a, cell)] for cell in range(len(layout.cells))] for a in (arm, 0)]
        if all(len(part) >= 2 for side in sides for part in side):
            scopes = [unpaired_difference(sides[0], sides[1], new, alpha) for new in (False, True)]
    return {
        **row,
        "blocks": blocks,
        "estimate_pp": 100.0 * scopes[0].estimate if scopes else None,
        "these_images": _in_pp(scopes[0]) if scopes else None,
        "new_images_too": _in_pp(scopes[1]) if scopes else None,
        "mcnemar": _mcnemar_of_pairs(arm, layout, correct, alpha),
        "majority": _mcnemar_of_majorities(arm, layout, correct),
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


def _mcnemar_of_pairs(arm: int, layout: _Layout, correct: np.ndarray, alpha: float) -> dict[str, Any] | None:
    """What someone would have concluded who trained each of the two just once."""
    if layout.index is None:
        return None
    both = (layout.index[0] >= 0) & (layout.index[arm] >= 0)
    better = worse = 0
    p_values = []
    for first, second in zip(layout.index[arm][both], layout.index[0][both], strict=True):
        arm_only = int((correct[first] & ~correct[second] & 1).sum())
        control_only = int((correct[second] & ~correct[first] & 1).sum())
        p = mcnemar_exact(arm_only, control_only)
        p_values.append(p)
        better += p < alpha and arm_only > control_only
        worse += p < alpha and arm_only < control_only
    if not p_values:
        return None
    return {"pairs": len(p_values), "better": better, "worse": worse, "median_p": float(np.median(p_values))}


def _mcnemar_of_majorities(arm: int, layout: _Layout, correct: np.ndarray) -> dict[str, Any]:
    majorities = []
    for a in (arm, 0):
        rows = np.concatenate([layout.rows(a, cell) for cell in range(len(layout.cells))])
        majorities.append(2 * correct[rows].sum(axis=0, dtype=np.int64) > len(rows))
    arm_only = int((majorities[0] & ~majorities[1]).sum())
    control_only = int((majorities[1] & ~majorities[0]).sum())
    return {"arm_only": arm_only, "control_only": control_only, "p": mcnemar_exact(arm_only, control_only)}
