"""What a table is: rows of words, ready to be shown."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One entry; `shade` (0 to 1) tints its ground."""

    text: str
    shade: float = 0.0


Entries = tuple[Cell, ...]


@dataclass(frozen=True)
class Column:
    """`show` makes a row's entry: whole numbers get commas, None a dash, everything else stays as it is. `words` are
    set to the left, numbers to the right."""

    title: str
    show: Callable[[Any], object]
    words: bool = False

    def entry(self, row: Any) -> Cell:
        found = self.show(row)
        if isinstance(found, Cell):
            return found
        return Cell("–" if found is None or found == "" else f"{found:,}" if isinstance(found, int) else str(found))


@dataclass(frozen=True)
class Group:
    """Rows under a common heading; `position` is the series whose swatch stands before it, None for none."""

    title: str
    position: int | None
    rows: tuple[Entries, ...]


@dataclass(frozen=True)
class Table:
    """A table; the first column heads its rows. Columns without any title make a list of facts."""

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]


def entries(columns: Sequence[Column], rows: Iterable[Any]) -> tuple[Entries, ...]:
    return tuple(tuple(column.entry(row) for column in columns) for row in rows)


def plain(key: str, title: str, caption: str, columns: Sequence[Column], rows: Iterable[Any]) -> Table | None:
    """A table of rows without headings; None without a row."""
    made = entries(columns, rows)
    return Table(key, title, caption, tuple(columns), (Group("", None, made),)) if made else None


def facts(key: str, title: str, caption: str, rows: Sequence[tuple[str, str]]) -> Table | None:
    """A list of facts, those that are known; None if none is."""
    columns = (Column("", itemgetter(0), words=True), Column("", itemgetter(1), words=True))
    return plain(key, title, caption, columns, [row for row in rows if row[1]])
