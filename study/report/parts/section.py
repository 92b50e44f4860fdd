"""A part of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from study.report.parts.figure import Figure
from study.report.parts.table import Table


@dataclass(frozen=True)
class Section:
    """A title with sentences, figures and tables below it."""

    key: str
    title: str
    text: tuple[str, ...]
    items: tuple[Figure | Table, ...]


def made(key: str, title: str, items: Sequence[Figure | Table | None], text: Sequence[str] = ()) -> Section | None:
    """A section of the items and sentences that there are; None if there is none."""
    kept = tuple(item for item in items if item is not None)
    told = tuple(sentence for sentence in text if sentence)
    return Section(key, title, told, kept) if kept or told else None
