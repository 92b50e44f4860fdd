"""Words that more than one room shows to a reader."""


def duration(seconds: float) -> str:
    """A time in the unit that one reads: 42 s, 12 min, 5.2 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
