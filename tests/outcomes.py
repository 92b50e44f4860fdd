"""Simulated outcomes of a study: every way it may come out, each as a table of runs with the plan of its analysis.

`python -m tests.outcomes [NAME ...]` prints what each is told: labels, certainty, and the six answers.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from study.analysis.about import About
from study.analysis.run import analyse
from study.design.response import AnalysisSpec
from study.stats.table import RunTable, build_table

TRIALS = 10_000
Mean = Callable[[Mapping[str, Any]], float]


@dataclass(frozen=True)
class Outcome:
    """A simulated study.

    Attributes:
        truth: what was simulated, in a sentence.
        frame: the runs.
        factors: the factor columns, the one in question first; control: its level.
        spec: further settings of the analysis.
        about: its words.
    """

    truth: str
    frame: pd.DataFrame
    factors: tuple[str, ...]
    control: str
    block: str | None = "seed"
    response: str | None = None
    better: str = "higher"
    spec: Mapping[str, Any] = field(default_factory=dict)
    about: About = field(default_factory=About)

    @property
    def plan(self) -> AnalysisSpec:
        counts = {} if self.response else {"successes": "correct", "trials": "total"}
        given: dict[str, Any] = {"margin": 0.1, "collapse_below": None if self.response else 0.9, **self.spec}
        return AnalysisSpec(
            self.factors, self.control, self.block, response=self.response, better=self.better, **counts, **given
        )

    @property
    def table(self) -> RunTable:
        plan = self.plan
        return build_table(
            self.frame,
            list(self.factors),
            self.control,
            self.block,
            plan.successes,
            plan.trials,
            plan.response,
            higher_is_better=self.better == "higher",
        )

    def verdicts(self) -> dict[str, Any]:
        return analyse(self.table, self.plan, about=self.about)["verdicts"]


def counts(
    name: str,
    levels: Mapping[str, Sequence[Any]],
    mean: Mean,
    seeds: int = 20,
    run_sd: float = 0.08,
    seed_sd: float = 0.05,
) -> pd.DataFrame:
    """Runs of a full factorial: accuracies in per cent around `mean` of the cell, with effects of seed and run."""
    rng = np.random.default_rng([*name.encode()])
    quality = seed_sd * rng.normal(size=seeds)
    rows = []
    for combination in product(*levels.values()):
        cell = dict(zip(levels, combination, strict=True))
        for seed in range(seeds):
            percent = mean(cell) + quality[seed] + run_sd * rng.normal()
            right, valid = (rng.binomial(n, np.clip(percent / 100, 0, 1)) for n in (TRIALS, TRIALS // 2))
            found = {"correct": right, "total": TRIALS, "status": "ok"}
            rows.append({**cell, "seed": seed, **found, "validation_correct": valid, "validation_trials": TRIALS // 2})
    return pd.DataFrame(rows)


def numbers(
    name: str, levels: Mapping[str, Sequence[Any]], mean: Mean, seeds: int = 12, sd: float = 0.02
) -> pd.DataFrame:
    """Runs of a full factorial with a loss around `mean` of the cell."""
    rng = np.random.default_rng([*name.encode()])
    quality = sd * rng.normal(size=seeds)
    return pd.DataFrame(
        {**cell, "seed": seed, "loss": mean(cell) + quality[seed] + sd * rng.normal(), "status": "ok"}
        for combination in product(*levels.values())
        for cell in [dict(zip(levels, combination, strict=True))]
        for seed in range(seeds)
    )


TWO = {"norm": ["none", "batch"], "dropout": ["0", "0.3"]}
FOUR = {"norm": ["none", "a", "b", "c"], "dropout": ["0", "0.3"]}
RATES = {"norm": ["none", "batch"], "lr": ["low", "mid", "high"]}


def gain(size: float, base: float = 97.5, arm: str = "batch", factor: str = "norm") -> Mean:
    return lambda cell: base + size * (cell[factor] == arm)


def gains(sizes: Mapping[str, float], base: float = 97.5) -> Mean:
    return lambda cell: base + sizes.get(str(cell["norm"]), 0.0)


def by(sizes: Mapping[str, float], factor: str = "dropout", base: float = 97.5) -> Mean:
    """A gain of the arm that depends on another factor."""
    return lambda cell: base + (sizes[cell[factor]] if cell["norm"] == "batch" else 0.0)


def fallen(frame: pd.DataFrame, name: str, where: "pd.Series[bool]", share: float = 1.0) -> pd.DataFrame:
    """The runs at `where`, or a share of them, end anywhere between 20 and 85 per cent."""
    rng = np.random.default_rng([*name.encode(), 1])
    hit = where.to_numpy() & (rng.random(len(frame)) < share)
    frame = frame.copy()
    frame.loc[hit, "correct"] = rng.integers(2_000, 8_500, hit.sum())
    return frame


def diverged(frame: pd.DataFrame, where: "pd.Series[bool]") -> pd.DataFrame:
    return frame.assign(
        status=np.where(where, "diverged", frame["status"]), correct=np.where(where, 980, frame["correct"])
    )


def outcomes() -> dict[str, Outcome]:
    """All outcomes by name."""
    two, four = ("norm", "dropout"), ("norm", "dropout")
    found: dict[str, Outcome] = {}

    def add(name: str, truth: str, frame: pd.DataFrame, factors: tuple[str, ...] = two, **more: Any) -> None:
        found[name] = Outcome(truth, frame, factors, more.pop("control", "none"), **more)

    add("clear", "+0.6 pp in every cell", counts("clear", TWO, gain(0.6)))
    add("harmful", "-0.6 pp in every cell", counts("harmful", TWO, gain(-0.6)))
    add("null", "no effect, wide intervals", counts("null", TWO, gain(0.0), seeds=6, run_sd=0.4))
    add("equivalent", "no effect, narrow intervals", counts("equivalent", TWO, gain(0.0), seeds=60))
    small = counts("negligible", TWO, gain(0.25), seeds=40)
    add("negligible", "+0.25 pp, of a margin of 0.5", small, spec={"margin": 0.5})
    add("too few", "+0.2 pp with 3 noisy seeds", counts("too few", TWO, gain(0.2), seeds=3, run_sd=0.5))
    add("crossover", "+0.8 without dropout, -1.1 with it", counts("crossover", TWO, by({"0": 0.8, "0.3": -1.1})))
    add("one level", "+0.8 without dropout, nothing with it", counts("one level", TWO, by({"0": 0.8, "0.3": 0.0})))
    add("sizes", "+0.4 and +1.2", counts("sizes", TWO, by({"0": 0.4, "0.3": 1.2})))
    frame = counts("arm collapses", FOUR, gains({"a": 0.4, "b": 0.4, "c": 0.4}))
    add("arm collapses", "c fails always, a and b gain 0.4", fallen(frame, "arm collapses", frame["norm"] == "c"), four)
    frame = counts("two collapse", FOUR, gains({"a": 0.4}))
    hit = frame["norm"].isin(["b", "c"])
    add("two collapse", "b and c fail in most runs", fallen(frame, "two collapse", hit, 0.7), four)
    frame = counts("control collapses", TWO, gain(0.4))
    hit = frame["norm"] == "none"
    add("control collapses", "the control fails in half of its runs", fallen(frame, "control collapses", hit, 0.5))
    frame = counts("one run", TWO, gain(0.3), seeds=10)
    frame.loc[(frame["norm"] == "batch") & (frame["dropout"] == "0") & (frame["seed"] == 3), "correct"] = 8_900
    add("one run", "+0.3, one run of 20 ends at 89 %", frame)
    frame = counts("collapse in a level", TWO, gain(0.3), seeds=8)
    hit = (frame["norm"] == "batch") & (frame["dropout"] == "0.3")
    add("collapse in a level", "fails with dropout, not without", fallen(frame, "collapse in a level", hit))
    frame = counts("half diverged", TWO, gain(0.3), seeds=8)
    hit = (frame["norm"] == "batch") & (frame["seed"] % 2 == 0)
    add("half diverged", "half of the arm's seeds diverge", diverged(frame, hit))
    frame = counts("one diverged", TWO, gain(0.3))
    hit = (frame["norm"] == "batch") & (frame["seed"] == 4) & (frame["dropout"] == "0")
    add("one diverged", "+0.3, one run diverges", diverged(frame, hit))
    frame = counts("missing", TWO, gain(0.4), seeds=10)
    add("missing", "+0.4, 8 of 40 runs missing", frame.drop(index=[1, 5, 9, 14, 22, 27, 33, 38]))
    frame = counts("one missing", {"norm": ["none", "batch"]}, gain(0.4), seed_sd=1.0)
    add("one missing", "+0.4, one run of 40 missing", frame.drop(index=7), ("norm",))
    frame = counts("ten and four", {"norm": ["none", "batch"]}, gain(0.4), seeds=10)
    keep = (frame["norm"] == "batch") | frame["seed"].isin([1, 3, 4, 8])
    add("ten and four", "+0.4, ten seeds against four of them", frame[keep], ("norm",))
    losses = numbers("loss", {"init": ["small", "he"], "size": [1, 2]}, lambda cell: 0.9 - 0.2 * (cell["init"] == "he"))
    lower = {"margin": 0.05, "name": "validation loss", "unit": "nats", "collapse_below": 1.5}
    add("loss", "-0.2 nats", losses, ("init", "size"), control="small", response="loss", better="lower", spec=lower)
    add("one factor", "+0.4", counts("one factor", {"norm": ["none", "batch"]}, gain(0.4)), ("norm",))
    eight = {"norm": ["none", *"abcdefg"]}
    add(
        "eight",
        "a to g gain 0 to 0.6",
        counts("eight", eight, gains(dict(zip("abcdefg", np.arange(7) / 10, strict=True)))),
        ("norm",),
    )
    frame = counts("numeric", {"batch": [16, 128], "lr": [0.001, 0.01]}, gain(-0.5, arm=128, factor="batch"))
    add("numeric", "128: -0.5", frame, ("batch", "lr"), control="16", about=About(titles={"batch": "batch size"}))
    frame = counts("truth", {"aug": [False, True], "dropout": [0.0, 0.3]}, gain(0.4, arm=True, factor="aug"))
    add("truth values", "augmentation +0.4", frame, ("aug", "dropout"), control="false")
    frame = counts("names", {"нормализация": ["нет", "да, всегда"]}, gain(0.4, arm="да, всегда", factor="нормализация"))
    add("names", "+0.4", frame, ("нормализация",), control="нет")
    frame = counts("identical", TWO, gain(0.0))
    arm = frame["norm"] == "batch"
    frame.loc[arm, ["correct", "validation_correct"]] = frame.loc[~arm, ["correct", "validation_correct"]].to_numpy()
    add("identical", "both arms are the same runs", frame)
    tunes = {"low": -2.0, "mid": 0.0, "high": -1.0}
    frame = counts(
        "tuned",
        RATES,
        lambda cell: 97.5 + tunes[cell["lr"]] + (1.9 * (cell["lr"] == "low") if cell["norm"] == "batch" else 0),
    )
    add("tuned", "+0.6 on average, nothing at the best rate", frame, ("norm", "lr"))
    frame = counts(
        "tuned turned", RATES, lambda cell: 97.5 if cell["norm"] == "batch" else 98.2 + 6 * tunes[cell["lr"]]
    )
    add("tuned turned", "better on average, -0.7 at the best rate", frame, ("norm", "lr"))
    frame = counts("no block", TWO, gain(0.4)).assign(seed=lambda f: np.arange(len(f)))
    add("no block", "+0.4 of independent runs", frame, block=None)
    add("two seeds", "+0.4 with 2 seeds", counts("two seeds", TWO, gain(0.4), seeds=2))
    add("no margin", "+0.4, no margin", counts("no margin", TWO, gain(0.4)), spec={"margin": 0.0})
    frame = counts("sequential", FOUR, gains({"a": 0.5, "b": 0.0, "c": -0.5}))
    add("sequential", "+0.5, 0 and -0.5 in looks", frame, four, spec={"looks": (5, 10, 15, 20)})
    return found


def main(names: Sequence[str]) -> None:
    """Print what is concluded of the outcomes, of all by default."""
    for name, outcome in outcomes().items():
        if names and name not in names:
            continue
        verdicts = outcome.verdicts()
        print(f"\n{name}: {outcome.truth}\n  {verdicts['headline']}")
        for arm in verdicts["arms"]:
            certainty = "; ".join(arm["certainty"]["reasons"])
            print(f"  [{arm['level']}] {arm['label']} ({arm['certainty']['grade']}{': ' * bool(certainty)}{certainty})")
        for row in verdicts["answers"]:
            print(f"  {row['question']} {row['brief']}\n    {row['answer']}")


if __name__ == "__main__":
    main(sys.argv[1:])
