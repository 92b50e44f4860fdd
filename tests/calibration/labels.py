"""How often any label of a study is false, fixed and sequential: at no effect, at the margin, and at its negative."""

import numpy as np
import pandas as pd

from study.design.factorial import planned_looks
from study.stats.effects.contrasts import compare_with_control
from study.stats.effects.labels import label
from study.stats.sequential.e_process import monitor
from study.stats.sequential.power import prefix_moments
from study.stats.table import build_table

ALPHA = 0.05
ARMS = ("a", "b", "c", "d")
MARGIN = 1.0
BLOCKS = 20
LIMIT = 0.05


def false(found: str, truth: float) -> bool:
    """Whether a label is false of a true difference of 0, the margin or its negative."""
    if found == "inconclusive":
        return False
    if truth == 0:
        return found != "equivalent"
    # At the margin itself a difference is neither more than it nor less.
    return found != ("better" if truth > 0 else "worse")


def fixed(truth: float, studies: int, seed: int, alpha: float = ALPHA) -> float:
    """The share of studies of four arms with any false label; the control makes their differences correlate by 1/2."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(arm, block) for arm in ("control", *ARMS) for block in range(BLOCKS)], columns=["arm", "block"]
    )
    shift = np.where(frame["arm"] == "control", 0.0, truth * MARGIN)
    count = 0
    for _ in range(studies):
        values = shift + rng.normal(size=len(frame))
        table = build_table(frame.assign(y=values), ["arm"], "control", "block", response="y")
        found = compare_with_control(table, margin=MARGIN, alpha=alpha)
        count += any(false(effect.label, truth) for effect in found)
    return count / studies


def sequential(truth: float, studies: int, seed: int) -> float:
    """The same of studies that look after 5, 10 ... 60 blocks, at any look."""
    looks = planned_looks(5, 5, 60)
    rng = np.random.default_rng(seed)
    control = rng.normal(size=(studies, looks[-1]))
    wrong = np.zeros(studies, dtype=bool)
    for _ in ARMS:
        differences = truth * MARGIN + rng.normal(size=control.shape) - control
        seen = monitor(*prefix_moments(differences, looks), np.array(looks), level=ALPHA / len(ARMS))
        ends = zip(seen.low, seen.high, strict=True)
        wrong |= [
            any(false(label(low, high, MARGIN, True), truth) for low, high in zip(*pair, strict=True)) for pair in ends
        ]
    return float(wrong.mean())


def report(studies: int, seed: int) -> list[str]:
    """Print the table; returns what is out of its limit, in words."""
    faults = []
    print(f"\nAny false label, {studies} studies of 4 arms, {BLOCKS} seeds, margin of 1 sd; per cent")
    print(f"{'true difference':<20}{'fixed':>10}{'sequential':>14}")
    for truth in (0.0, 1.0, -1.0):
        rates = {"fixed": fixed(truth, studies, seed), "sequential": sequential(truth, studies, seed)}
        print(f"{truth:<20g}{100 * rates['fixed']:>10.1f}{100 * rates['sequential']:>14.1f}", flush=True)
        for name, rate in rates.items():
            if rate > LIMIT + 3 * np.sqrt(LIMIT * (1 - LIMIT) / studies):
                faults.append(f"labels, {name}, at {truth:g}: {100 * rate:.1f} % of the studies have a false one")
    return faults
