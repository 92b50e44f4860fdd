"""What only the trainer of a study knows of its results: its own section, the causes of failure, its methods."""

from collections.abc import Container, Sequence
from typing import Protocol

from study.report.parts.section import Section
from study.report.results import Results


class Explanation(Protocol):
    """Handed to the page by whoever knows the trainer."""

    def section(self, results: Results, fallen: Container[str]) -> Section | None:
        """Figures, tables and sentences of its own; None if it has nothing to show. `fallen`: the keys of the levels
        whose runs fail (`study.words.level_key`)."""

    def methods(self, results: Results) -> Sequence[str]:
        """Paragraphs for the section on methods. The works that they cite are in `assets/references.json`."""
