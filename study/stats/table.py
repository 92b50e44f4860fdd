"""The table of runs that every analysis starts from: one row a run, factors, a block, a response."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from study.errors import StudyError
from study.table_file import read_frame
from study.words import level_key, level_text

MOST_CELLS = 100_000
# A float64 holds every whole number up to here.
MOST_TRIALS = 2**53
# Variances are squares, and the spread of variances squares of these: beyond, they leave the range of a float64.
LARGEST = 1e100


def log_odds_of_error(successes: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Empirical log odds of error, log((n - k + 1/2) / (k + 1/2)), for k successes of n trials.

    The 1/2 keeps the value finite at k = 0 and k = n and removes the first-order bias (Haldane 1956; Anscombe 1956).
    """
    successes = np.asarray(successes, dtype=float)
    trials = np.asarray(trials, dtype=float)
    return np.log((trials - successes + 0.5) / (successes + 0.5))


def on_scale(
    frame: pd.DataFrame, scale: str, successes: str | None, trials: str | None, response: str | None
) -> np.ndarray:
    """The outcome in each row, shape (rows,), from the columns named: `log_odds`, `pp` (accuracy in per cent) or
    `response`.
    """
    if scale == "response":
        return frame[response].to_numpy(dtype=float)
    if scale not in ("log_odds", "pp"):
        raise ValueError(f"unknown scale {scale!r}; log_odds, pp or response")
    k, n = frame[successes].to_numpy(dtype=float), frame[trials].to_numpy(dtype=float)
    return log_odds_of_error(k, n) if scale == "log_odds" else 100.0 * k / n


@dataclass(frozen=True)
class Repeats:
    """Runs that share cell and block, which are one row of the table: their mean.

    Attributes:
        runs: how many there are, in so many `groups`.
        sd: the spread within groups, pooled, on the deciding scale: what the same seed does not fix.
    """

    runs: int
    groups: int
    sd: float


@dataclass(frozen=True)
class RunTable:
    """A validated table of runs. Build it with `read_table` or `build_table`, which check what is assumed here.

    Attributes:
        frame: one row a run. Every factor column is a `pd.Categorical` of strings whose categories are the levels, in
            order of first appearance, the control level first in the focus factor.
        factors: the factor columns, the focus factor first.
        block: the column that names the unit of replication (the seed); None if runs are independent.
        control: the level of the focus factor that the others are compared with.
        successes, trials: the columns of counts, or None if `response` is used.
        response: the column of a numeric response, or None if counts are used. A run that diverged may have none (NaN);
            `finished` leaves it out.
        higher_is_better: the direction of the response; of counts it is always so.
        repeats: runs that were merged; None if there were none.
    """

    frame: pd.DataFrame
    factors: tuple[str, ...]
    block: str | None
    control: str
    successes: str | None = None
    trials: str | None = None
    response: str | None = None
    higher_is_better: bool = True
    repeats: Repeats | None = None

    @property
    def focus(self) -> str:
        """The factor whose levels are compared with the control."""
        return self.factors[0]

    @property
    def other_factors(self) -> tuple[str, ...]:
        return self.factors[1:]

    @property
    def arms(self) -> tuple[str, ...]:
        """The levels of the focus factor other than the control."""
        return tuple(level for level in self.levels(self.focus) if level != self.control)

    @property
    def counts(self) -> bool:
        """Whether the outcome is a count of successes out of trials."""
        return self.successes is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of levels of each factor; cells are numbered in C order of this grid, the last factor fastest."""
        return tuple(len(self.levels(factor)) for factor in self.factors)

    def levels(self, factor: str) -> tuple[str, ...]:
        return tuple(self.frame[factor].cat.categories)

    def scales(self) -> tuple[str, ...]:
        """The scales an effect is given on: log odds of error and percentage points, or the response's own unit."""
        return ("log_odds", "pp") if self.counts else ("response",)

    @property
    def scale(self) -> str:
        """The scale that decides: percentage points, or the response's own unit."""
        return self.scales()[-1]

    def values(self, scale: str) -> np.ndarray:
        """The outcome of each run on one of `scales()`, shape (runs,)."""
        return on_scale(self.frame, scale, self.successes, self.trials, self.response)

    def cell_index(self) -> np.ndarray:
        """The number of each run's cell in C order of `shape`, shape (runs,)."""
        codes = [self.frame[factor].cat.codes.to_numpy() for factor in self.factors]
        return np.ravel_multi_index(codes, self.shape)

    def block_index(self) -> np.ndarray:
        """The number of each run's block, in order of appearance, shape (runs,). Without a block each run is one."""
        if self.block is None:
            return np.arange(len(self.frame))
        return pd.factorize(self.frame[self.block])[0]

    def cells(self) -> list[dict[str, str]]:
        """The levels of each cell, in the order of `cell_index`."""
        levels = [self.levels(factor) for factor in self.factors]
        return [dict(zip(self.factors, combination, strict=True)) for combination in product(*levels)]

    def subset(self, keep: np.ndarray) -> "RunTable":
        """The table with the runs where `keep` (a mask, shape (runs,)) is true. The levels stay; cells may be empty."""
        return replace(self, frame=self.frame[keep].reset_index(drop=True))

    def only(self, levels: Sequence[str]) -> "RunTable":
        """The runs of some levels of the focus factor, the control among them; the others are no levels any more.

        The order of the levels stays: the control is the first.
        """
        part = self.subset(self.frame[self.focus].isin(list(levels)).to_numpy())
        focus = part.frame[self.focus].cat.set_categories([name for name in self.levels(self.focus) if name in levels])
        return replace(part, frame=part.frame.assign(**{self.focus: focus}))

    def furthest(self, scale: str) -> float:
        """How far apart two outcomes on a scale can be: 100 percentage points; infinite elsewhere."""
        return 100.0 if scale == "pp" else np.inf

    def better_is_higher(self, scale: str) -> bool:
        """Whether a higher value on one of `scales()` is better."""
        return self.higher_is_better and scale != "log_odds"

    def diverged(self) -> np.ndarray:
        """Which runs have the status "diverged", shape (runs,); none if the table has no `status`."""
        return _diverged(self.frame)

    def failed(self, threshold: float | None) -> np.ndarray:
        """Which runs failed, shape (runs,): diverged, or worse than `threshold`.

        The threshold is a share of successes (0 to 1), or a number in the response's own unit if the table has no
        counts. None: a run fails by diverging alone.
        """
        if threshold is None:
            return self.diverged()
        level = 100.0 * threshold if self.counts else threshold
        values = self.values(self.scale)
        return self.diverged() | (values < level if self.higher_is_better else values > level)

    def with_outcome(self, values: np.ndarray) -> "RunTable":
        """The same runs with `values`, shape (runs,), as their response, in the column that held the outcome."""
        name = str(self.successes or self.response)
        frame = self.frame.assign(**{name: values})
        return replace(self, frame=frame, successes=None, trials=None, response=name)

    def finished(self) -> "RunTable":
        """The runs that did not diverge: those that have a finite outcome to compare."""
        return self.subset(np.isfinite(self.values(self.scale)) & ~self.diverged())


def read_table(
    path: Path | str,
    factors: Sequence[str],
    control: str,
    block: str | None = None,
    successes: str | None = None,
    trials: str | None = None,
    response: str | None = None,
    whole: bool = True,
    higher_is_better: bool = True,
) -> RunTable:
    """Read a tidy CSV, TSV or Parquet file and check it; see `build_table` for the arguments.

    Raises:
        StudyError: the file cannot be read, or its content fails a check; the message begins with the path.
    """
    frame = read_frame(path, levels=[*factors, *([block] if block else [])])
    try:
        return build_table(frame, factors, control, block, successes, trials, response, whole, higher_is_better)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None


def build_table(
    frame: pd.DataFrame,
    factors: Sequence[str],
    control: str,
    block: str | None = None,
    successes: str | None = None,
    trials: str | None = None,
    response: str | None = None,
    whole: bool = True,
    higher_is_better: bool = True,
) -> RunTable:
    """Check a data frame of runs and make it a `RunTable`.

    Args:
        frame: one row a run; further columns are kept.
        factors: names of the factor columns, the focus factor first. Levels may be words or numbers; they become
            strings, numbers in the short form of `str(float)` (0.0002 and 2e-4 are one level).
        control: the level of the first factor that the other levels are compared with.
        block: the column of the unit of replication (the seed), or None if runs are independent.
        successes, trials: the columns of the counts; or else
        response: the column of a numeric response. Where the column `status` says "diverged", it may hold no number.
        whole: whether the design must be whole: the control and another level, two blocks, a run in every cell. A table
            that is not whole can be described; nothing can be inferred from it.
        higher_is_better: the direction of the response.

    Raises:
        StudyError: a column is missing or holds no number where one is needed, counts are impossible, the control is
            not a level, there is one block only, or a cell is empty. One line.
    """
    factors = list(factors)
    _check_roles(factors, block, successes, trials, response)
    _check_columns(frame, [*factors, block, successes, trials, response])
    if frame.empty:
        raise StudyError("the table has no rows; one row a run is needed")
    frame = frame.reset_index(drop=True).copy()
    for factor in factors:
        frame[factor] = _as_levels(frame[factor], factor)
    frame[factors[0]], control = _control_first(frame[factors[0]], factors[0], control, whole)
    if successes is not None and trials is not None:
        _check_counts(frame, successes, trials)
        frame = frame.astype({successes: "int64", trials: "int64"})
    if response is not None:
        frame[response] = _as_numbers(frame, response, diverged=_diverged(frame))
        _check_response(frame[response], response)
    table = RunTable(frame, tuple(factors), block, control, successes, trials, response, higher_is_better)
    if math.prod(table.shape) > MOST_CELLS:
        sizes = " x ".join(map(str, table.shape))
        raise StudyError(f"the factors have {sizes} levels, more than {MOST_CELLS:,} combinations; name fewer factors")
    if block is not None:
        table = _merged(table, block)
    if whole:
        _check_design(table)
    return table


def _check_roles(
    factors: list[str], block: str | None, successes: str | None, trials: str | None, response: str | None
) -> None:
    if not factors:
        raise StudyError("no factor is named; name at least one with --factor")
    if response is None and (successes is None or trials is None):
        raise StudyError("no outcome is named; give --successes and --trials (counts), or --response (a number)")
    if response is not None and (successes is not None or trials is not None):
        raise StudyError("two outcomes are named; give either --successes and --trials, or --response")
    roles = [*factors, *(name for name in (block, successes, trials, response) if name is not None)]
    twice = sorted({name for name in roles if roles.count(name) > 1})
    if twice:
        raise StudyError(f"column {twice[0]!r} is named in two roles; factors, block and outcome must differ")


def _check_columns(frame: pd.DataFrame, names: Sequence[str | None]) -> None:
    repeated = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if repeated:
        raise StudyError(f"column {repeated[0]!r} occurs twice; names of columns must be unique")
    missing = [name for name in names if name is not None and name not in frame.columns]
    if missing:
        found = ", ".join(str(name) for name in frame.columns[:30])
        raise StudyError(f"no column {', '.join(repr(name) for name in missing)}; the columns are: {found}")


def _as_levels(column: pd.Series, factor: str) -> pd.Series:
    """A column as strings, its levels in order of first appearance."""
    values = column.astype(object)
    empty = values.isna().to_numpy()
    if empty.any():
        raise StudyError(_where(empty, f"column {factor!r} has no level"))
    words = [level_text(value) for value in values]
    spellings: dict[str, str] = {}
    for word in dict.fromkeys(words):
        other = spellings.setdefault(level_key(word), word)
        if other != word:
            raise StudyError(f"column {factor!r}: {other!r} and {word!r} are one number; write the level in one way")
    return pd.Series(pd.Categorical(words, categories=list(dict.fromkeys(words))))


def _control_first(column: pd.Series, factor: str, control: str, whole: bool) -> tuple[pd.Series, str]:
    levels = list(column.cat.categories)
    same = (level for level in levels if level_key(level) == level_key(control))
    match = control if control in levels else next(same, None)
    if match is None and not whole:
        return column, control
    if match is None:
        raise StudyError(f"{factor}={control}: no such level; the levels of {factor!r} are: {', '.join(levels)}")
    if len(levels) == 1 and whole:
        raise StudyError(f"factor {factor!r} has the control {control!r} only; at least two levels are needed")
    return column.cat.reorder_categories([match, *(level for level in levels if level != match)]), match


def _diverged(frame: pd.DataFrame) -> np.ndarray:
    if "status" not in frame:
        return np.zeros(len(frame), dtype=bool)
    return (frame["status"].astype(str) == "diverged").to_numpy()


def _as_numbers(frame: pd.DataFrame, name: str, diverged: np.ndarray | None = None) -> pd.Series:
    """A column as finite numbers; of runs that `diverged`, NaN where it has none."""
    try:
        numbers = pd.to_numeric(frame[name], errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)
    except OverflowError:
        raise StudyError(f"column {name!r} has a number beyond {LARGEST:g}; allowed are smaller ones") from None
    bad = ~np.isfinite(numbers.to_numpy())
    if diverged is not None:
        bad &= ~diverged
    if bad.any():
        found = frame[name].iloc[int(np.flatnonzero(bad)[0])]
        found = found.item() if isinstance(found, np.generic) else found
        raise StudyError(_where(bad, f"column {name!r} has no finite number (found {found!r})"))
    return numbers


def _check_response(numbers: pd.Series, name: str) -> None:
    """The response can be squared without leaving the range of a float64."""
    size = numbers.abs().to_numpy()
    allowed = f"allowed are sizes from {1 / LARGEST:g} to {LARGEST:g}; give it in another unit"
    if (size > LARGEST).any():
        bad = size > LARGEST
        raise StudyError(_where(bad, f"column {name!r} has {numbers[bad].iloc[0]:g}") + f"; {allowed}")
    largest = np.max(size, initial=0.0, where=np.isfinite(size))
    if 0 < largest < 1 / LARGEST:
        raise StudyError(f"column {name!r} has no number above {largest:g}; {allowed}")


def _check_counts(frame: pd.DataFrame, successes: str, trials: str) -> None:
    for name in (successes, trials):
        numbers = _as_numbers(frame, name).to_numpy()
        for bad, what in (
            (numbers < 0, "a negative count"),
            (numbers != np.round(numbers), "a count that is not a whole number"),
            (numbers > MOST_TRIALS, f"a count above 2^53 = {MOST_TRIALS:,}"),
        ):
            if bad.any():
                found = numbers[np.flatnonzero(bad)[0]]
                raise StudyError(_where(bad, f"column {name!r} has {what} ({found:g})"))
    k, n = frame[successes].to_numpy(dtype=float), frame[trials].to_numpy(dtype=float)
    if (n == 0).any():
        raise StudyError(_where(n == 0, f"column {trials!r} has 0 trials"))
    if (k > n).any():
        row = int(np.flatnonzero(k > n)[0])
        raise StudyError(_where(k > n, f"{successes!r} is above {trials!r} ({k[row]:g} of {n[row]:g})"))


def _merged(table: RunTable, block: str) -> RunTable:
    """The table with one row for each cell and block: of repeated runs that finished, counts are added and the rest is
    averaged."""
    frame = table.frame
    empty = frame[block].isna().to_numpy()
    if empty.any():
        raise StudyError(_where(empty, f"column {block!r} has no value"))
    keys = [*table.factors, block]
    if not frame.duplicated(keys).any():
        return table
    group = frame.groupby(keys, observed=True, sort=False).ngroup()
    # A group with a run that finished is made from such runs alone.
    done = ~table.diverged() & np.isfinite(table.values(table.scale))
    kept = done | ~group.isin(group[done]).to_numpy()
    frame, group = frame[kept], group[kept]
    sizes = group.map(group.value_counts()).to_numpy()
    values = table.values(table.scale)[kept]
    again = (sizes > 1) & np.isfinite(values)
    spread = pd.Series(values[again]).groupby(group.to_numpy()[again])
    freedom = int((spread.size() - 1).sum())
    sd = float(np.sqrt(((values[again] - spread.transform("mean")) ** 2).sum() / freedom)) if freedom else 0.0
    added = [name for name in (table.successes, table.trials) if name is not None]
    how: dict[str, str] = {
        str(name): "sum" if name in added else "mean" if pd.api.types.is_numeric_dtype(frame[name]) else "first"
        for name in frame
        if name not in keys
    }
    if "correct_bits" in frame:
        frame = frame.assign(correct_bits=frame["correct_bits"].where(sizes == 1, None))
    merged = frame.groupby(keys, observed=True, sort=False, as_index=False).agg(how)[list(frame.columns)]
    repeats = Repeats(int((sizes > 1).sum()), int(group[sizes > 1].nunique()), sd)
    return replace(table, frame=merged, repeats=repeats)


def _check_design(table: RunTable) -> None:
    """Every cell has a run, and something is replicated."""
    frame, block = table.frame, table.block
    if block is not None and frame[block].nunique() == 1:
        raise StudyError(
            f"column {block!r} has one value only ({frame[block].iloc[0]}); replication needs at least two"
        )
    if table.diverged().all():
        raise StudyError("all runs diverged; to compare arms, some must have an outcome")
    counts = np.bincount(table.cell_index(), minlength=int(np.prod(table.shape)))
    if (counts == 0).any():
        cell = table.cells()[int(np.flatnonzero(counts == 0)[0])]
        where = ", ".join(f"{name}={level}" for name, level in cell.items())
        raise StudyError(
            f"no run with {where} ({int((counts == 0).sum())} of {len(counts)} combinations are empty); "
            "every combination of levels needs a run"
        )
    if block is None and counts.max() == 1:
        raise StudyError("one run for each combination of levels and no block: nothing is replicated; name a --block")


def _where(bad: np.ndarray, what: str) -> str:
    """`what`, and the row where it is first seen (counted from 1, without the header)."""
    more = f" and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""
    return f"{what} in row {int(np.flatnonzero(bad)[0]) + 1}{more}"
