"""Numbers as a reader wants them: sensible digits, a true minus sign, a thin space before a unit."""

from collections.abc import Callable
from datetime import UTC, datetime

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


def number(value: float, digits: int) -> str:
    """`value` with `digits` decimals and commas in thousands: −1,234.5."""
    text = f"{abs(value):,.{digits}f}"
    return f"{MINUS}{text}" if value < 0 and float(text.replace(",", "")) != 0 else text


def signed(value: float, digits: int) -> str:
    """As `number`, with a plus sign where the value is positive: +0.12."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and any(c in "123456789" for c in text) else text


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
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    decimals = max(0, digits - len(f"{int(abs(rounded))}")) if abs(rounded) >= 1 else _small_decimals(rounded, digits)
    return number(rounded, decimals)


def times(factor: float) -> str:
    """A ratio: two decimals below 10, two significant digits above: 0.86, 1.05, 66, 1,000."""
    return number(factor, 2) if factor < 9.95 else significant(factor, 2)


def p_value(p: float | None) -> str:
    """p = 0.032, p < 0.001; a dash where there is none."""
    if p is None:
        return "–"
    return "<\N{NARROW NO-BREAK SPACE}0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def interval(low: float | None, high: float | None) -> str:
    """low to high, for a difference; empty where there is no interval."""
    if low is None or high is None:
        return ""
    return f"{difference(low)} to {difference(high)}"


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


def duration(seconds: float) -> str:
    """42 s, 12 min, 5.2 h."""
    if seconds < 90:
        return f"{seconds:.0f}{THIN}s"
    return f"{seconds / 60:.0f}{THIN}min" if seconds < 5400 else f"{seconds / 3600:,.1f}{THIN}h"


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


def _small_decimals(value: float, digits: int) -> int:
    exponent = f"{abs(value):e}".split("e")[1]
    return -int(exponent) + digits - 1
