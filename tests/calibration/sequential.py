"""The sequential design when the truth is known: false claims at many looks, coverage, and the seeds spent."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from study.design.factorial import planned_looks
from study.stats.effects.power import power_of_t
from study.stats.sequential.e_process import monitor
from study.stats.sequential.power import prefix_moments

ALPHA = 0.05
MANY = tuple(range(2, 202))
FIXED = 20
BUDGET = 60
CHUNK = 500
MOST_OF_FIXED = 0.6

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def _collapsing(arm: float, control: float) -> Draw:
    """Differences in pp of the mean over six cells, whose runs collapse with these probabilities, minus their mean."""

    def loss(rng: np.random.Generator, risk: float, shape: tuple[int, int]) -> np.ndarray:
        fallen = rng.random((*shape, 6)) < risk
        return (fallen * rng.uniform(40, 90, fallen.shape)).mean(axis=-1)

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        values = 0.09 * rng.normal(size=shape) - loss(rng, arm, shape) + loss(rng, control, shape)
        return values + 65 * (arm - control)

    return draw


# Differences whose mean is 0. The first five are symmetric, as they are where arm and control do not differ at all.
NULLS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "spread differs by seed": lambda rng, shape: rng.normal(size=shape) * np.exp(rng.normal(0, 0.7, shape)),
    "t with 3 df": lambda rng, shape: rng.standard_t(3, size=shape),
    "2 % of all runs collapse": _collapsing(0.02, 0.02),
    "20 % of all runs collapse": _collapsing(0.20, 0.20),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "2 % of one arm collapse": _collapsing(0.02, 0.0),
    "20 % of one arm collapse": _collapsing(0.20, 0.0),
}
SYMMETRIC = tuple(NULLS)[:5]


@dataclass(frozen=True)
class Peeking:
    """Shares of simulated studies of one contrast without effect, at 5 %.

    Attributes:
        sequential, naive: a claim of a difference at any of 200 looks, by the e-process and by the t test.
        at_stop: the interval at the look where the sequential design stops (5, 10 ... 60) holds the truth.
        naive_at_stop: the t interval where the t test first rejects, or at the end, holds the truth.
    """

    sequential: float
    naive: float
    at_stop: float
    naive_at_stop: float


@dataclass(frozen=True)
class Spent:
    """Seeds spent until a difference is shown, over simulated studies."""

    median: float
    mean: float
    q90: float
    most: float
    shown: float


def peeking(draw: Draw, studies: int, seed: int) -> Peeking:
    """Look 200 times at data without effect, and stop a planned study as it would."""
    rng = np.random.default_rng(seed)
    rows = []
    planned = np.array(planned_looks(5, 5, BUDGET))
    at = planned - MANY[0]
    for start in range(0, studies, CHUNK):
        mean, se = prefix_moments(draw(rng, (min(CHUNK, studies - start), MANY[-1])), MANY)
        seen = monitor(mean, se, np.array(MANY), level=ALPHA)
        naive = _p_of_t(mean, se, np.array(MANY)) < ALPHA
        stop = monitor(mean[:, at], se[:, at], planned, level=ALPHA)
        where = _first((stop.low > 0) | (stop.high < 0))
        inside = (stop.low <= 0) & (stop.high >= 0)
        where_naive = _first(naive[:, at])
        each = np.arange(len(mean))
        rows.append(
            np.column_stack(
                [seen.p[:, -1] < ALPHA, naive.any(axis=1), inside[each, where], ~naive[:, at][each, where_naive]]
            )
        )
    return Peeking(*(float(value) for value in np.concatenate(rows).mean(axis=0)))


def spent(effect: float, looks: tuple[int, ...], contrasts: int, studies: int, seed: int) -> dict[str, Spent]:
    """Seeds until a standardised difference is shown, by the e-process and by boundaries for these looks alone.

    The boundary is Pocock's (1977): one level for all looks, which a simulation of the null finds. It is exact for
    normal values and for these looks, and void as soon as one is added.
    """
    n = np.array(looks)
    rng = np.random.default_rng(seed)
    level = ALPHA / contrasts
    null = _p_of_t(*prefix_moments(rng.normal(size=(4 * studies, looks[-1])).astype(np.float32), looks), n)
    pocock = np.quantile(null.min(axis=1), level)
    mean, se = prefix_moments(effect + rng.normal(size=(studies, looks[-1])), looks)
    seen = monitor(mean, se, n, level=level)
    return {
        "e-process": _spent((seen.low > 0) | (seen.high < 0), n),
        "Pocock": _spent(_p_of_t(mean, se, n) <= pocock, n),
    }


def report(studies: int, seed: int) -> list[str]:
    """Print the tables; returns what is out of its limits, in words."""
    faults = []
    print(f"\nSequential designs, {studies} studies; per cent")
    print(f"{'no effect; differences are':<28}{'claims in 200 looks':>22}{'naive':>8}{'holds at stop':>16}{'naive':>8}")
    for name, draw in NULLS.items():
        found = peeking(draw, studies, seed)
        values = (100 * value for value in (found.sequential, found.naive, found.at_stop, found.naive_at_stop))
        print(f"{name:<28}{next(values):>22.1f}{next(values):>8.1f}{next(values):>16.1f}{next(values):>8.1f}")
        if name in SYMMETRIC and found.sequential > ALPHA:
            faults.append(f"{name}: {100 * found.sequential:.1f} % false claims in 200 looks, not 5 % at most")
        if name in SYMMETRIC and found.at_stop < 1 - ALPHA:
            faults.append(f"{name}: the interval at the stop holds the truth in {100 * found.at_stop:.1f} %, not 95 %")
    print(f"\nSeeds until a difference is shown, at most {BUDGET}: median, mean, 90 % (share shown)")
    print(
        f"{'sd':>4}{'contrasts':>11}{'looks':>16}{'e-process':>28}{'Pocock, these looks':>28}"
        f"{'fixed design, power':>21}"
    )
    for contrasts, step in ((1, 1), (1, 5), (4, 1), (4, 5)):
        for effect in (0.5, 1.0, 1.5, 2.0, 4.0):
            looks = planned_looks(5, step, BUDGET)
            found_by = spent(effect, looks, contrasts, 5 * studies, seed)
            words = [f"{s.median:g}, {s.mean:.1f}, {s.q90:g} ({100 * s.shown:.1f} %)" for s in found_by.values()]
            power = power_of_t(effect, 1.0, FIXED, ALPHA / contrasts)
            print(
                f"{effect:>4g}{contrasts:>11}{f'5, {5 + step} ... {BUDGET}':>16}{words[0]:>28}{words[1]:>28}"
                f"{f'{FIXED} seeds, {100 * power:.1f} %':>21}"
            )
            sequential = found_by["e-process"]
            if (effect, contrasts, step) == (1.0, 1, 1) and sequential.median > MOST_OF_FIXED * FIXED:
                faults.append(f"a clear effect takes {sequential.median:g} seeds in the median, not 12 at most")
            if effect >= 1 and sequential.shown < power:
                faults.append(f"{effect:g} sd: shown in {100 * sequential.shown:.1f} %, by the fixed design more often")
            if sequential.most > BUDGET:
                faults.append(f"{sequential.most:g} seeds were spent, more than the budget")
    return faults


def _p_of_t(mean: np.ndarray, se: np.ndarray, n: np.ndarray) -> np.ndarray:
    return 2 * stats.t.sf(np.abs(mean) / np.maximum(se, 1e-300), n - 1)


def _first(shown: np.ndarray) -> np.ndarray:
    """The place of the first look that shows it, the last one where none does."""
    return np.where(shown.any(axis=1), shown.argmax(axis=1), shown.shape[1] - 1)


def _spent(shown: np.ndarray, looks: np.ndarray) -> Spent:
    seeds = looks[_first(shown)].astype(float)
    return Spent(
        median=float(np.median(seeds)),
        mean=float(seeds.mean()),
        q90=float(np.quantile(seeds, 0.9, method="higher")),
        most=float(seeds.max()),
        shown=float(shown.any(axis=1).mean()),
    )
