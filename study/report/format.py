"""Numbers as a reader wants them: sensible digits, a true minus sign, a thin space before a unit."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


def number(value: float, digits: int) -> str:
    """`value` with `digits` decimals and commas in thousands: −1,234.5."""
    return f"{value:z,.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int) -> str:
    """As `number`, with a plus sign where the value is positive: +0.12."""
    return f"{'+' if round(value, digits) > 0 else ''}{number(value, digits)}"


def difference(value: float) -> str:
    """A difference in percentage points, or in a response's unit, without the unit: two decimals, one from 10 on."""
    return signed(value, 2 if abs(value) < 9.95 else 1)


def accuracy(value: float) -> str:
    """An accuracy in per cent: 98.97 %."""
    return f"{number(value, 2)}{THIN}%"


def share(value: float) -> str:
    """A share of 1 as per cent: 37 %, 2.5 %, < 0.1 %."""
    percent = 100.0 * value
    if 0 < percent < 0.05:
        return f"<{THIN}0.1{THIN}%"
    if 99.95 <= percent < 100:
        return f">{THIN}99.9{THIN}%"
    return f"{number(percent, 1 if 0 < percent < 9.95 or 90 < percent < 100 else 0)}{THIN}%"


def significant(value: float, digits: int = 2) -> str:
    """A positive number to `digits` significant digits without an exponent: 0.037, 1.2, 5,900."""
    return f"{Decimal(f'{value:#.{digits}g}'):,f}" if value else "0"


def times(factor: float) -> str:
    """A ratio: two decimals, or two significant digits below 0.1 and from 10 on: 0.034, 0.86, 1.05, 66, 1,000."""
    return number(factor, 2) if 0.1 <= factor < 9.95 else significant(factor, 2)


def p_value(p: float | None) -> str:
    """p = 0.032, p < 0.001; a dash where there is none."""
    if p is None:
        return "–"
    return f"<{THIN}0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def ratio(factor: float) -> str:
    """A ratio with its sign: 0.86×."""
    return f"{times(factor)}×"


def span(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    """low to high; empty where one is unknown."""
    return "" if low is None or high is None else f"{show(low)} to {show(high)}"


def interval(low: float | None, high: float | None) -> str:
    """low to high, for a difference; empty where there is no interval."""
    return span(low, high, difference)


def with_bounds(value: str, bounds: str) -> str:
    """value (bounds), or the value alone."""
    return f"{value} ({bounds})" if bounds else value


def degrees(value: float) -> str:
    """Degrees of freedom: 4, or 3.7."""
    return number(value, 0 if abs(value - round(value)) < 1e-6 else 1)


def optional(value: float | None, show: Callable[[float], str]) -> str:
    """`show(value)`, or a dash where there is no value."""
    return "–" if value is None else show(value)


def of(part: int, whole: int) -> str:
    """120 of 120, with commas."""
    return f"{part:,} of {whole:,}"


def listing(words: list[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def plural(count: int, noun: str) -> str:
    """1 run, 2 runs."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def moment(text: str) -> str:
    """An ISO date and time as 20 Nov 2025, 08:00 UTC; other text as it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    found = found.astimezone(UTC) if found.tzinfo else found
    return f"{found.day} {found:%b %Y, %H:%M}{' UTC' if found.tzinfo else ''}"


def sentence(text: str) -> str:
    """`text` with its first letter as a capital."""
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Response:
    """What was measured.

    Attributes:
        name: in running text, as in "test accuracy" or "validation loss".
        unit: of a number; a proportion is shown in per cent, its differences in percentage points.
        counts: whether it is a proportion of successes.
        higher: whether higher values are better.
        digits: decimals of a number and of its differences.
    """

    name: str
    unit: str
    counts: bool
    higher: bool
    digits: int

    @staticmethod
    def of(outcome: Mapping[str, Any], margin: float | None, estimates: Iterable[float | None]) -> "Response":
        """Of an `outcome` as analysis.json holds it, with digits that show the margin, or the smallest estimate."""
        counts = outcome["successes"] is not None
        sizes = [] if counts else [abs(estimate) for estimate in estimates if estimate]
        return Response(
            name=str(outcome["name"]),
            unit=str(outcome["unit"]),
            counts=counts,
            higher=outcome["better"] != "lower",
            digits=decimals(margin or min(sizes, default=0.0)),
        )

    @property
    def title(self) -> str:
        """Its name at the head of a figure or an axis, with the unit of a number."""
        return self.name + self.unit_after

    @property
    def unit_after(self) -> str:
        """The unit of a number at the end of a heading."""
        return f", {self.unit}" if self.unit else ""

    @property
    def difference_unit(self) -> str:
        """The unit of a difference, after a number; empty where there is none."""
        return f"{THIN}pp" if self.counts else f"{THIN}{self.unit}" if self.unit else ""

    @property
    def difference_title(self) -> str:
        """A difference at the head of an axis."""
        return f"Difference, {'percentage points' if self.counts else self.unit or f'in {self.name}'}"

    def toward(self, higher: str, lower: str) -> str:
        """Which end of an axis is better."""
        return f"{higher if self.higher else lower} is better"

    def value(self, value: float) -> str:
        """98.97 %, or 0.314 nats."""
        return accuracy(value) if self.counts else f"{number(value, self.digits)}{self.difference_unit}"

    def spread(self, value: float) -> str:
        """A standard deviation, without its unit."""
        return number(value, 2 if self.counts else self.digits)

    def change(self, value: float) -> str:
        """A difference without its unit: +0.20."""
        return difference(value) if self.counts else signed(value, self.digits)

    def difference(self, value: float) -> str:
        """A difference with its unit: +0.20 pp, or −0.05 nats."""
        return f"{self.change(value)}{self.difference_unit}"

    def bounds(self, low: float | None, high: float | None) -> str:
        """From one difference to another, without the unit; empty where there is no interval."""
        return span(low, high, self.change)

    def margin(self, value: float | None) -> str:
        """±0.1 pp; empty without a margin."""
        return f"±{value:g}{self.difference_unit}" if value else ""

    def beyond(self, threshold: float | None) -> str:
        """ " below 90 % accuracy", or " above 1.05 nats"; empty without a threshold."""
        if threshold is None:
            return ""
        side = "below" if self.higher else "above"
        if self.counts:
            return f" {side} {number(100 * threshold, 0)}{THIN}% {self.name.removeprefix('test ')}"
        return f" {side} {threshold:g}{self.difference_unit}"


def decimals(scale: float) -> int:
    """As many decimals as show two significant digits of `scale`, the size of a difference that matters."""
    return min(8, max(0, 1 - math.floor(math.log10(scale)))) if scale > 0 and math.isfinite(scale) else 3
