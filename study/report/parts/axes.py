"""Scales and axes: accuracies spaced by log error, factors on a log scale, epochs."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

RATIO = "format(datum.value, ',~r') + '×'"


def error_axis(percent: Sequence[float]) -> dict[str, Any]:
    """Scale and axis for errors in per cent, spaced by their logarithm and labelled with the accuracy; right is better.

    Returns keyword arguments of an Altair channel. `percent` are the errors to be shown, all above 0.
    """
    low, high = _widened(min(percent), max(percent))
    ticks = [tick for tick in _round(low, high) if tick <= 90] + ([90.0] if high > 70 else [])
    if len(ticks) < 3:
        ticks = [tick for tick in _even(low, high, 5) if tick > 0]
    label = "format(100 - datum.value, '~r') + '\u202f%'"
    return {
        "scale": alt.Scale(type="log", domain=[low, high], reverse=True, nice=False, clamp=True),
        "axis": _axis(values=thinned(ticks, low, high, 8), labelExpr=label, grid=True),
    }


def value_axis(low: float, high: float) -> dict[str, Any]:
    """Scale and axis for a number in a unit of its own, evenly spaced."""
    room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    scale = alt.Scale(domain=[low - room, high + room], nice=False, clamp=True)
    return {"scale": scale, "axis": _axis(tickCount=5, grid=True)}


def spread_axis(low: float, high: float) -> dict[str, Any]:
    """Scale and axis for a number in a unit of its own: logarithmic where it spans a factor of 10 or more."""
    return positive_axis(low, high) if 0 < low < high / 10 else value_axis(low, high)


def ratio_axis(low: float, high: float, *, most: int = 7) -> dict[str, Any]:
    """Scale and axis for a positive factor on a log scale, 1 among the ticks."""
    low, high = _widened(min(low, 1.0), max(high, 1.0))
    return {
        "scale": alt.Scale(type="log", domain=[low, high], nice=False),
        "axis": _axis(values=ratio_ticks(low, high, most), labelExpr=RATIO, grid=True),
    }


def positive_axis(low: float, high: float) -> dict[str, Any]:
    """Scale and axis for a positive quantity on a log scale with round ticks."""
    low, high = _widened(low, high)
    ticks = thinned(_round(low, high), low, high, 9)
    return {
        "scale": alt.Scale(type="log", domain=[low, high], nice=False),
        "axis": _axis(values=ticks, labelExpr="format(datum.value, ',~r')"),
    }


def effect_axis(ends: Sequence[float], unit: float) -> dict[str, Any]:
    """Scale and axis for differences of which all are seen: a collapse beside a gain of a tenth of a point.

    The scale is linear up to `unit`, and where the largest is more than a dozen of it, logarithmic beyond it.
    """
    low, high = min([*ends, -1.7 * unit]), max([*ends, 1.7 * unit])
    if max(-low, high) <= 12 * unit:
        room = 0.06 * (high - low)
        return {"scale": alt.Scale(domain=[low - room, high + room], nice=False), "axis": signed_axis()}
    sizes = [10.0**e for e in range(math.ceil(math.log10(unit)), math.ceil(math.log10(max(-low, high))) + 1)]
    ticks = [0.0, *(sign * size for size in sizes for sign in (-1, 1) if low <= sign * size <= high)]
    scale = alt.Scale(type="symlog", constant=unit, domain=[1.3 * low, 1.3 * high], nice=False)
    return {"scale": scale, "axis": signed_axis(values=sorted(ticks), grid=True)}


def signed_axis(**look: Any) -> alt.Axis:
    """Axis of a difference: a sign before every number but 0."""
    return _axis(labelExpr="datum.value === 0 ? '0' : format(datum.value, '+~r')", tickCount=5, **look)


def upright(width: int) -> dict[str, Any]:
    """The looks of a vertical axis of a small multiple: so many pixels for the labels of each, so that panels with
    scales of their own still stand in line."""
    return {"labelBound": True, "minExtent": width, "maxExtent": width}


def epochs(last: int) -> alt.X:
    """The axis of epochs 1 to `last`."""
    return alt.X(
        "epoch:Q",
        title="Epoch",
        scale=alt.Scale(domain=[1 if last > 1 else 0.5, max(last, 1.5)], nice=False),
        axis=alt.Axis(values=whole_ticks(1, last), format="d", grid=False),
    )


def whole_ticks(low: int, high: int, most: int = 6) -> list[int]:
    """Round whole numbers from `low` to `high`, at most `most`."""
    return [int(tick) for tick in _even(low, high, most - 1, finest=1.0)]


def ratio_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round factors between `low` and `high`, 1 always among them, at most about `most`."""
    decades = math.log10(high / low)
    if decades <= 0.6:
        return _even(low, high, most, finest=0.01)
    return thinned(_round(low, high, (1,) if decades > 3 else (1, 2, 5)), low, high, most, keep=1.0)


def thinned(ticks: Sequence[float], low: float, high: float, most: int, keep: float | None = None) -> list[float]:
    """At most `most` of the ticks, spread over the log scale from `low` to `high`; `keep` survives."""
    apart = math.log(high / low) / most
    chosen = [] if keep is None else [keep]
    for tick in ticks:
        if all(abs(math.log(tick / other)) >= apart for other in chosen):
            chosen.append(tick)
    return sorted(chosen)


def error_of(accuracy: pd.Series, trials: pd.Series | int) -> pd.Series:
    """Errors in per cent for a log axis: no error at all is drawn as half an error."""
    return (100.0 - accuracy).clip(lower=50.0 / trials)


def _axis(**look: Any) -> alt.Axis:
    return alt.Axis(labelOverlap="greedy", labelSeparation=7, ticks=False, domain=False, **look)


def _widened(low: float, high: float) -> tuple[float, float]:
    room = max((high / low) ** 0.05, 1.04)
    return low / room, high * room


def _even(low: float, high: float, most: int, finest: float = 0.0) -> list[float]:
    """Evenly spaced round numbers from `low` to `high`: as many as make `most` steps or fewer, of `finest` or more."""
    least = max((high - low) / most, finest)
    size = 10.0 ** math.floor(math.log10(least))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= least)
    return [round(k * step, 10) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _round(low: float, high: float, factors: Sequence[int] = (1, 2, 5)) -> list[float]:
    """The multiples of powers of 10 by `factors` from `low` to `high`."""
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    return [factor * 10.0**e for e in exponents for factor in factors if low <= factor * 10.0**e <= high]
