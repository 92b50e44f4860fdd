"""A level as text: in a command, in a folder's name, in a table, on the page."""

from typing import Any


def level_text(level: Any) -> str:
    """A level as a command gets it and as the report shows it: truth values as YAML writes them."""
    return str(level).lower() if isinstance(level, bool) else str(level)
