"""What only the trainer of a study knows of its results: its own section, the causes of failure, its methods."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from study.report.parts.section import Section
from study.report.results import Results


@dataclass(frozen=True)
class Rescored:
    """The same runs scored in another way: `outcome` in per cent, in the order of the table of runs."""

    words: str
    outcome: pd.Series


class Explanation(Protocol):
    """Handed to the page by whoever knows the trainer."""

    def setting(self, results: Results) -> str:
        """What was trained and for how long, in a few words."""

    def rescored(self, results: Results) -> Rescored | None:
        """How the runs would have ended had they been scored in another way; None if that is not known."""

    def section(self, results: Results, fallen: Container[str]) -> Section | None:
        """Figures, tables and sentences of its own; None if it has nothing to show. `fallen`: the keys of the levels
        whose runs fail (`study.words.level_key`)."""

    def methods(self, results: Results) -> Sequence[str]:
        """Paragraphs for the section on methods. The works that they cite are in `assets/references.json`."""
