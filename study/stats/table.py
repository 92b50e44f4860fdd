"""The table of runs that every analysis starts from: one row a run, factors, a block, a response."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


def log_odds_of_error(successes: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Empirical log odds of error, log((n - k + 1/2) / (k + 1/2)), for k successes of n trials.

    The 1/2 keeps the value finite at k = 0 and k = n and removes the first-order bias (Haldane 1956; Anscombe 1956).
    """
    successes = np.asarray(successes, dtype=float)
    trials = np.asarray(trials, dtype=float)
    return np.log((trials - successes + 0.5) / (successes + 0.5))


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
        response: the column of a numeric response, or None if counts are used.
    """

    frame: pd.DataFrame
    factors: tuple[str, ...]
    block: str | None
    control: str
    successes: str | None = None
    trials: str | None = None
    response: str | None = None

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

    def levels(self, factor: str) -> tuple[str, ...]:
        return tuple(self.frame[factor].cat.categories)

    def scales(self) -> tuple[str, ...]:
        """The scales an effect is told on: log odds of error and percentage points, or the response's own unit."""
        return ("log_odds", "pp") if self.counts else ("response",)

    def values(self, scale: str) -> np.ndarray:
        """The outcome of each run on one of `scales()`, shape (runs,)."""
        if scale == "log_odds":
            return log_odds_of_error(self.frame[self.successes].to_numpy(), self.frame[self.trials].to_numpy())
        if scale == "pp":
            return 100.0 * self.frame[self.successes].to_numpy(dtype=float) / self.frame[self.trials].to_numpy(float)
        if scale == "response":
            return self.frame[self.response].to_numpy(dtype=float)
        raise ValueError(f"unknown scale {scale!r}; one of {self.scales()}")
