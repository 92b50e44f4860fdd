"""The outcome in the reader's words: its name, its unit, its direction, and numbers with the digits they deserve."""

import math
from dataclasses import dataclass

from study.report.text import THIN, accuracy, difference, interval, number, sentence, signed


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

    @property
    def title(self) -> str:
        """Its name at the head of a figure or an axis, with the unit of a number."""
        return sentence(self.name) + (f", {self.unit}" if self.unit else "")

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
        if self.counts or low is None or high is None:
            return interval(low, high)
        return f"{self.change(low)} to {self.change(high)}"

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
