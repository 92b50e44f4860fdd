"""Simulated tables of runs with known truth, to see what the analysis makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import special

from study.errors import StudyError

DEFAULT_DESIGN: dict[str, tuple[str, ...]] = {
    "arm": ("control", "a", "b", "c", "d"),
    "regime": ("off", "on"),
    "rate": ("low", "middle", "high"),
}


@dataclass(frozen=True)
class Truth:
    """What a simulated study is made of. Standard deviations are on log odds of error.

    Attributes:
        design: factor -> levels; the first factor is the one of interest, its first level the control.
        seeds: number of blocks.
        error_rate: the control's share of errors, 0 to 1, at the other factors' average.
        trials: test images of a run.
        seed_sd: between blocks, common to all runs of a block.
        seed_arm_sd: between blocks, of each arm's own deviation.
        run_sd: between runs beyond that; binomial noise comes on top.
        wide_arm: level of the first factor whose run_sd is multiplied by `width`; None: none.
        effects: level of the first factor -> improvement in percentage points at the control's error rate.
        other_effects: half the spread, on log odds, that each other factor's levels are given.
        collapse: level of the first factor -> probability that a run collapses (to between 10 and 60 % right).
        diverged: share of the collapsed runs that have the status "diverged".
        missing: probability that a run is absent.
    """

    design: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(DEFAULT_DESIGN))
    seeds: int = 20
    error_rate: float = 0.016
    trials: int = 10_000
    seed_sd: float = 0.05
    seed_arm_sd: float = 0.0
    run_sd: float = 0.10
    wide_arm: str | None = None
    width: float = 2.5
    effects: Mapping[str, float] = field(default_factory=dict)
    other_effects: float = 0.05
    collapse: Mapping[str, float] = field(default_factory=dict)
    diverged: float = 0.0
    missing: float = 0.0

    @property
    def focus(self) -> str:
        return next(iter(self.design))

    @property
    def arms(self) -> tuple[str, ...]:
        return self.design[self.focus]

    def log_odds_effect(self, level: str) -> float:
        """The true difference of a level from the control on log odds of error; negative is better."""
        better = self.error_rate - self.effects.get(level, 0.0) / 100.0
        return float(special.logit(better) - special.logit(self.error_rate))


# The scenarios under which the tests were chosen; the last arm is the one that differs.
SCENARIOS = ("A", "B", "C", "D", "E", "F")


def scenario(name: str, truth: Truth | None = None) -> Truth:
    """One of the scenarios, laid over `truth` (default: no effect anywhere).

    A: the seeds differ. B: A, and each arm reacts to the seed in its own way (sd 0.08). C: A, and one arm's runs spread
    2.5 times as much. D: the seeds do not differ. E: A, and 2 % of all runs collapse. F: B and C.

    Raises:
        StudyError: no such scenario.
    """
    truth = truth if truth is not None else Truth()
    last = truth.arms[-1]
    changes: dict[str, dict[str, object]] = {
        "A": {},
        "B": {"seed_arm_sd": 0.08},
        "C": {"wide_arm": last},
        "D": {"seed_sd": 0.0},
        "E": {"collapse": {**dict.fromkeys(truth.arms, 0.02), **truth.collapse}},
        "F": {"seed_arm_sd": 0.08, "wide_arm": last},
    }
    if name not in changes:
        raise StudyError(f"scenario {name!r}: no such scenario; one of {', '.join(SCENARIOS)}")
    return replace(truth, **changes[name])  # type: ignore[arg-type]


def simulate(truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    """Draw a table of runs.

    Returns:
        One row a run: the factors (strings), `seed`, `status` ("ok" or "diverged"), `test_correct`, `test_trials`.
        A cell that would lose all its runs to `missing` keeps one.

    Raises:
        StudyError: the truth is impossible.
    """
    _check(truth)
    shape = tuple(len(levels) for levels in truth.design.values())
    arms, cells, seeds = shape[0], int(np.prod(shape[1:])), truth.seeds
    mean = np.full((arms, cells, 1), special.logit(truth.error_rate))
    mean = mean + np.array([truth.log_odds_effect(level) for level in truth.arms])[:, None, None]
    grid = np.unravel_index(np.arange(cells), shape[1:]) if shape[1:] else ()
    for axis, position in enumerate(grid, start=1):
        mean = mean + truth.other_effects * np.linspace(-1.0, 1.0, shape[axis])[position][None, :, None]
    sd = np.array([truth.run_sd * (truth.width if level == truth.wide_arm else 1.0) for level in truth.arms])
    log_odds = (
        mean
        + truth.seed_sd * rng.normal(size=(1, 1, seeds))
        + truth.seed_arm_sd * rng.normal(size=(arms, 1, seeds))
        + sd[:, None, None] * rng.normal(size=(arms, cells, seeds))
    )
    right = rng.binomial(truth.trials, special.expit(-log_odds))
    risk = np.array([truth.collapse.get(level, 0.0) for level in truth.arms])[:, None, None]
    collapsed = rng.random(right.shape) < risk
    right = np.where(collapsed, np.round(truth.trials * rng.uniform(0.1, 0.6, right.shape)).astype(int), right)
    diverged = collapsed & (rng.random(right.shape) < truth.diverged)
    present = rng.random(right.shape) >= truth.missing
    present[..., 0] |= ~present.any(axis=2)

    place = np.nonzero(present)
    levels = (place[0], *(position[place[1]] for position in grid))
    frame = {
        factor: np.array(names)[index] for (factor, names), index in zip(truth.design.items(), levels, strict=True)
    }
    return pd.DataFrame(
        {
            **frame,
            "seed": place[2],
            "status": np.where(diverged[place], "diverged", "ok"),
            "test_correct": right[place],
            "test_trials": truth.trials,
        }
    )


def _check(truth: Truth) -> None:
    for factor, levels in truth.design.items():
        if len(levels) < 2 or len(set(levels)) != len(levels):
            raise StudyError(f"factor {factor!r}: two or more different levels are needed, found {', '.join(levels)}")
    if truth.seeds < 2:
        raise StudyError(f"seeds {truth.seeds}: replication needs at least two")
    if truth.trials < 1:
        raise StudyError(f"trials {truth.trials}: at least one is needed")
    if not 0.0 < truth.error_rate < 1.0:
        raise StudyError(f"error rate {truth.error_rate:g}: a share between 0 and 1 is needed, for example 0.016")
    for name, per_level in (("effect", truth.effects), ("collapse", truth.collapse)):
        for level in per_level:
            if level not in truth.arms:
                raise StudyError(f"{name} {level!r}: no such level; the levels are: {', '.join(truth.arms)}")
    for level, effect in truth.effects.items():
        if not 0.0 < truth.error_rate - effect / 100.0 < 1.0:
            raise StudyError(
                f"effect {level}={effect:g}: the control has {100 * truth.error_rate:g} % errors, so an improvement is "
                f"below {100 * truth.error_rate:g} pp"
            )
    shares = [("missing", truth.missing), ("diverged", truth.diverged), *truth.collapse.items()]
    for share_name, share in shares:
        if not 0.0 <= share <= 1.0:
            raise StudyError(f"{share_name} {share:g}: a probability lies between 0 and 1")
