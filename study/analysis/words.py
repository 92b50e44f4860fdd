"""What the answers are made with: names, numbers with units, and the results that they tell of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.analysis.about import About
from study.design.response import AnalysisSpec
from study.report.format import Response, of
from study.stats.table import RunTable
from study.words import level_key, unit

Row = Mapping[str, Any]

NOT_STUDIED = "Not studied here"
_ENOUGH = 5  # blocks to speak of chances


@dataclass(frozen=True)
class Words:
    """See the module."""

    table: RunTable
    spec: AnalysisSpec
    about: About
    response: Response
    results: Row
    control: Row

    def title(self, factor: str) -> str:
        return self.about.titles.get(factor, factor)

    def level(self, factor: str, level: str) -> str:
        """A level in running text: a bare number has its factor's title before it, and a name that could be read as a
        word of the sentence, or as two names, is quoted."""
        label = self.about.labels.get(factor, {}).get(level_key(level), level)
        if _is_number(label):
            return f"{self.title(factor)} {label}"
        return label if " " in label and "," not in label else f"“{label}”"

    def arm(self, level: str) -> str:
        return self.level(self.table.focus, level)

    @property
    def base(self) -> str:
        return self.arm(self.table.control)

    @property
    def broken_control(self) -> bool:
        """Whether a tenth of the control's runs fail, or more."""
        return 0.1 * self.control["runs"] <= self.control["collapsed"] + self.control["diverged"] > 0

    @property
    def margin(self) -> str:
        return self.response.margin(self.spec.margin)

    @property
    def unit(self) -> str:
        """What is replicated."""
        return unit(self.table.block)

    @property
    def few_blocks(self) -> bool:
        """Whether there are too few blocks to speak of chances."""
        return self.table.block is not None and self.table.frame[self.table.block].nunique() < _ENOUGH

    def failed(self, counts: Row) -> str:
        """6 of 20 runs end below 90 % accuracy and 2 diverge."""
        parts = []
        if counts["collapsed"]:
            verb = "ends" if counts["runs"] == 1 else "end"
            below = self.response.beyond(self.spec.collapse_below)
            parts.append(f"{of(counts['collapsed'], counts['runs'])} runs {verb}{below}")
        if counts["diverged"]:
            parts.append(
                f"{counts['diverged']:,} diverge" if parts else f"{of(counts['diverged'], counts['runs'])} runs diverge"
            )
        return " and ".join(parts)

    def effect(self, row: Row) -> str:
        """+0.62 pp (+0.51 to +0.74)."""
        if row["estimate"] is None:
            return "no estimate"
        bounds = self.response.bounds(row["low"], row["high"])
        return f"{self.response.difference(row['estimate'])} ({bounds or 'no interval'})"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
