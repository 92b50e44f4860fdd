"""How many steps a moving variance needs to forget where it started: predicted, observed, and what to do about it.

A moving variance that starts at v0 and follows a variance v with decay d is m = v + (v0 - v) d^t after t steps. So
m / v = 1 + (v0 / v - 1) d^t, and its distance from 1 shrinks by the decay at every step. It is called right from the
step on at which it is within a factor of `RIGHT` of v.
"""

import math
from collections.abc import Mapping
from typing import Any

from study.report.format import of, significant
from study.trainers.mnist.implementations import MovingStatistics

RIGHT = 1.5
"""Moving statistics that are off by less than this factor are not blamed."""


def steps_needed(rule: MovingStatistics, variance: float | None) -> int | None:
    """Steps until the moving variance is right, log(c / |v0 / v - 1|) / log(decay), rounded up.

    c is 1/2 from above and 1/3 from below, which is where m / v is 3/2 and 2/3.

    Args:
        variance: the true variance v, taken as constant; None where it is unknown, which a start at 0 allows.

    Returns:
        None for statistics that are never updated.
    """
    if rule.decay == 1.0:
        return None
    left = _left(rule.initial_variance, variance)
    return math.ceil(math.log(left) / math.log(rule.decay)) if left < 1.0 else 0


def predicted_steps(
    rule: MovingStatistics, variances: Mapping[int, float], steps_an_epoch: int
) -> tuple[int | None, float | None]:
    """Steps until the moving variance is right, by a variance that changes while the network is trained.

    Of the variances that were measured, the one counts that the moving variance meets: the first by whose epoch the
    training has done as many steps as that variance asks for, or the last of all. Nothing is taken from the course of
    the moving variance itself.

    Args:
        variances: the true variance, by the epoch after which it was measured.

    Returns:
        The steps, None for statistics that are never updated; and the variance that they are computed from, None if
        none was measured.
    """
    if not variances:
        return steps_needed(rule, None), None
    before = 0
    for epoch, variance in sorted(variances.items()):
        needed = steps_needed(rule, variance)
        if needed is not None and needed <= epoch * steps_an_epoch:
            # By the variance before, more steps were needed than had been done.
            return max(needed, before), variance
        before = epoch * steps_an_epoch
    return needed, variance


def observed_steps(log_ratios: Mapping[int, float], steps_an_epoch: int) -> int | None:
    """The step from which on the moving variance was seen to be right to the end; None if it was not at the end.

    Args:
        log_ratios: ln(moving variance / true variance) by epoch, NaN where there is no ratio.
    """
    since = None
    for epoch, log_ratio in sorted(log_ratios.items()):
        if not abs(log_ratio) <= math.log(RIGHT):
            since = None
        elif since is None:
            since = epoch
    return None if since is None else since * steps_an_epoch


def shortfall(recovery: Mapping[str, Any]) -> float:
    """The steps that are needed over those that the run had: what falls shortest, or lasts longest, is largest."""
    needed = recovery["predicted_steps"]
    return math.inf if needed is None else needed / recovery["steps"]


def advice(arm: Mapping[str, Any]) -> str:
    """What to do about an implementation whose runs collapse; empty if its statistics are not the cause.

    Args:
        arm: an entry of `arms` in `mechanism.json`.
    """
    collapsed, recovered, recovery = arm["collapsed"], arm["recovered_by_population"], arm.get("recovery")
    if not collapsed or recovered < 0.5 * collapsed:
        return ""
    if recovery is not None and recovery["predicted_steps"] is None:
        return "Its moving statistics are never updated: run the update operations with the training step."
    if recovery is not None and recovery["predicted_steps"] > recovery["steps"]:
        needed, steps = recovery["predicted_steps"], recovery["steps"]
        epochs = math.ceil(needed / recovery["steps_an_epoch"])
        decay = decay_that_fits(recovery["start"], recovery["variance"], steps)
        lower = f"lower the decay to {decay} or less, " if decay else ""
        return (
            f"A decay of {recovery['decay']:g} needs some {significant(needed)} steps, {epochs:,} epochs of these; the "
            f"run had {steps:,}: {lower}train longer, or recompute the statistics after the training."
        )
    return (
        "Recompute the statistics after the training: with those of the training set, "
        f"{of(recovered, collapsed)} collapsed runs recover."
    )


def decay_that_fits(start: float, variance: float | None, steps: int) -> str:
    """The largest decay with which `steps` are enough, in as few digits as say it; empty if there is none.

    1 - decay is rounded up to one significant digit.
    """
    rate = 1.0 - _left(start, variance) ** (1.0 / steps)
    digits = -math.floor(math.log10(rate))
    decay = 1.0 - math.ceil(rate * 10**digits) / 10**digits
    return f"{decay:.{digits}f}" if decay > 0.0 else ""


def _left(start: float, variance: float | None) -> float:
    """c / |v0 / v - 1|, the share of the first distance that may be left; 1 or more where the start is right."""
    # From 0 the distance is 1, whatever the variance.
    off = start / variance - 1.0 if start and variance else -1.0
    if off == 0.0:
        return math.inf
    return (RIGHT - 1.0 if off > 0.0 else 1.0 - 1.0 / RIGHT) / abs(off)
