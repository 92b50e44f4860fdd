"""Words that more than one room shows to a reader, and the one way to write a level."""

from typing import Any


def level_text(level: Any) -> str:
    """A level as text, in a command, a table, a folder's name, or a file: truth values as YAML writes them."""
    level = level.item() if hasattr(level, "item") else level  # a NumPy scalar
    return str(level).lower() if isinstance(level, bool) else str(level)


def level_key(level: Any) -> str:
    """One spelling per level, to find it by: 2e-4, "0.0002" and 0.0002 are the same level, 0 and 0.0 too."""
    text = level_text(level)
    try:
        return repr(float(text)) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


# Names of a block that a sentence can count: 3 seeds. Any other (`batch`, `rng_id`) is called a block there.
_COUNTED = ("seed", "run", "fold", "split", "block", "subject", "trial", "replicate", "repeat", "session", "site")


def unit(block: str | None) -> str:
    """What is replicated, in running text: a noun whose plural ends in s. Without a block it is the run."""
    return "run" if block is None else block if block in _COUNTED else "block"


def duration(seconds: float) -> str:
    """A time in the unit that one reads: 42 s, 12 min, 5.2 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
