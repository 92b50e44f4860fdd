"""What a table is: rows of words, ready to be shown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """`wide` columns are left out on narrow screens; `words` are set to the left, numbers to the right."""

    title: str
    words: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Cell:
    """One entry; `shade` (0 to 1) tints its ground."""

    text: str
    shade: float = 0.0


Entries = tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    """Rows under a common heading; `position` is the series whose swatch stands before it, None for none."""

    title: str
    position: int | None
    rows: tuple[Entries, ...]


@dataclass(frozen=True)
class Table:
    """A table; the first column heads its rows. Columns without any title make a list of facts. A `broad` table has no
    room on a narrow screen, which leaves it out: its numbers stand elsewhere too."""

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    broad: bool = False


def plain(
    key: str, title: str, caption: str, columns: Sequence[Column], rows: Sequence[Entries], broad: bool = False
) -> Table | None:
    """A table of rows without headings; None without a row."""
    groups = (Group("", None, tuple(rows)),)
    return Table(key, title, caption, tuple(columns), groups, broad) if rows else None


def entries(*values: object) -> Entries:
    """A row: whole numbers with commas, None as a dash, everything else as it is."""
    return tuple(Cell("–" if v is None or v == "" else f"{v:,}" if isinstance(v, int) else str(v)) for v in values)


def facts(key: str, title: str, caption: str, rows: Sequence[tuple[str, str]]) -> Table | None:
    """A list of facts, those that are known; None if none is."""
    kept = [(Cell(name), Cell(value)) for name, value in rows if value]
    return plain(key, title, caption, (Column("", words=True), Column("", words=True)), kept)
