"""A part of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from study.report.parts.figure import Figure
from study.report.parts.table import Table


@dataclass(frozen=True)
class Section:
    """A title with sentences, figures and tables below it.

    Attributes:
        finding: what was found, in a line; empty where the title says it all.
        shown: how many of the items are seen at once; the others are folded.
        appendix: whether the whole section is folded.
    """

    key: str
    title: str
    finding: str
    text: tuple[str, ...]
    items: tuple[Figure | Table, ...]
    shown: int
    appendix: bool


def made(
    key: str,
    title: str,
    items: Sequence[Figure | Table | None],
    text: Sequence[str] = (),
    *,
    finding: str = "",
    shown: int = 1,
    appendix: bool = False,
) -> Section | None:
    """A section of the items and sentences that there are; None if there is none. See `Section`."""
    kept = tuple(item for item in items if item is not None)
    told = tuple(sentence for sentence in text if sentence)
    return (
        Section(key, title, finding, told, kept, len(kept) if appendix else shown, appendix) if kept or told else None
    )
