"""What only the trainer of a study knows of its results: its own section, the causes of failure, its methods."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from study.report.parts.section import Section
from study.report.results import Results


class Explanation(Protocol):
    """Handed to the page by whoever knows the trainer."""

    def section(self, results: Results) -> Section | None:
        """Figures, tables and sentences of its own; None if it has nothing to show."""

    def causes(self, results: Results) -> Mapping[str, str]:
        """By the key of a level (`study.report.results.level_key`): why that arm fails, in a sentence that ends with
        a full stop and does not name the arm. Arms without a known cause are left out."""

    def methods(self, results: Results) -> Sequence[str]:
        """Paragraphs for the section on methods. The works that they cite are in `assets/references.json`."""
