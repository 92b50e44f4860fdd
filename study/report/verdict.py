"""The verdict as the page and the terminal show it: what `verdicts.json` holds, in words; nothing is concluded here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.report.format import listing, of
from study.report.results import Results, Row, damage_told
from study.words import level_key

_KINDS = {
    "better": "good",
    "worse": "bad",
    "collapses": "bad",
    "diverges": "bad",
    "equivalent": "even",
    "depends": "unsure",
    "inconclusive": "unsure",
}


@dataclass(frozen=True)
class Arm:
    """A row of the verdict's table: a level of the factor of interest, in words.

    Attributes:
        kind: the kind of color that its label is shown in.
        failed: runs that collapsed or diverged; empty where none did.
        reasons: why the certainty is not high.
    """

    level: str
    name: str
    label: str
    kind: str
    mean: str
    runs: str
    difference: str
    interval: str
    failed: str
    certainty: str
    reasons: str


@dataclass(frozen=True)
class Verdict:
    """The answer of the study.

    Attributes:
        stamp: why nothing is concluded; empty for a finished study.
        headline: the answer with its numbers, in two lines.
        answers: rows of question, brief, answer and evidence (the key of a section).
        arms: the control first, then each compared level; empty where nothing is concluded.
    """

    stamp: str
    headline: str
    answers: tuple[Mapping[str, str], ...]
    arms: tuple[Arm, ...] = ()

    def answer(self, key: str) -> str:
        """The sentences that answer a question."""
        return next(row["answer"] for row in self.answers if row["key"] == key)

    def brief(self, key: str) -> str:
        """The line that answers a question."""
        return next(row["brief"] for row in self.answers if row["key"] == key)

    @property
    def text(self) -> str:
        """All answers, for a terminal."""
        return self.stamp or "\n".join(f"{row['question']} {row['answer']}" for row in self.answers)

    @property
    def fallen(self) -> frozenset[str]:
        """The levels whose runs fail."""
        return frozenset(arm.level for arm in self.arms if arm.label in ("collapses", "diverges"))


def verdict(results: Results) -> Verdict:
    """The verdict of a results directory.

    Raises:
        StudyError: verdicts.json is of another version, or damaged.
    """
    with damage_told(results.folder):
        return _verdict(results)


def _verdict(results: Results) -> Verdict:
    found = results.objects["verdicts"]
    rows = tuple(found["answers"])
    if not all(isinstance(row[name], str) for row in rows for name in ("key", "question", "brief", "answer")):
        raise TypeError("an answer is no text")
    if not found["arms"]:
        return Verdict(found["stamp"], found["headline"], rows)
    control = _arm(results, found["control"] | {"label": "control"})
    return Verdict(found["stamp"], found["headline"], rows, (control, *(_arm(results, row) for row in found["arms"])))


def label_words(results: Results, label: str) -> str:
    """A label with the factor that it names in words."""
    before, _, factor = label.partition("depends on ")
    return before + "depends on " + results.title(factor) if factor else label


def _arm(results: Results, row: Row) -> Arm:
    response, known = results.response, row.get("estimate") is not None
    lowest, highest = row["lowest"], row["highest"]
    certainty: dict[str, Any] = row.get("certainty") or {"grade": "", "reasons": []}
    return Arm(
        level=level_key(row["level"]),
        name=results.arm(row["level"]),
        label=label_words(results, row["label"]),
        kind="even" if "negligible" in row["label"] else _KINDS.get(row["label"].split()[0], ""),
        mean="" if row["mean"] is None else response.value(row["mean"]),
        runs="" if lowest is None else f"{response.value(lowest)} to {response.value(highest)}",
        difference=response.difference(row["estimate"]) if known else "",
        interval=response.bounds(row["low"], row["high"]) if known else "",
        failed=listing([of(row[kind], row["runs"]) + f" {kind}" for kind in ("collapsed", "diverged") if row[kind]]),
        certainty=certainty["grade"],
        reasons="; ".join(certainty["reasons"]),
    )
