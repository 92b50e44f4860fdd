"""The verdict in words: sentences made from the results, true whatever came out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.report.explanation import Explanation
from study.report.format import listing, of, p_value, plural, ratio
from study.report.results import Results, Row, level_key

COLLAPSES = "collapses"
KINDS = {
    "better and matters": "good",
    "better but negligible": "even",
    "equivalent": "even",
    "worse": "bad",
    "inconclusive": "unsure",
    COLLAPSES: "bad",
}
"""The labels an arm can get, each with the kind of colour it is shown in."""


@dataclass(frozen=True)
class ArmVerdict:
    """What is concluded about one level of the factor of interest.

    Attributes:
        level, name: its key and the words for it.
        label: one of `KINDS`.
        difference, interval, ratio, p: in words, empty where there is none.
        collapsed: "120 of 120", empty where collapse is not defined.
    """

    level: str
    name: str
    label: str
    difference: str
    interval: str
    ratio: str
    p: str
    collapsed: str

    @property
    def kind(self) -> str:
        return KINDS[self.label]


@dataclass(frozen=True)
class Verdict:
    """The answer of the study.

    Attributes:
        stamp: why there is no verdict yet; empty for a finished study.
        headline: the answer, a sentence or two a conclusion, collapses first.
        notes: what to bear in mind with it.
        arms: a conclusion for each compared level; empty while interim.
    """

    stamp: str
    headline: tuple[str, ...]
    notes: tuple[str, ...] = ()
    arms: tuple[ArmVerdict, ...] = ()

    @property
    def line(self) -> str:
        """The verdict in one line, for a terminal."""
        return " ".join(part for part in (self.stamp, *self.headline) if part)

    @property
    def fallen(self) -> frozenset[str]:
        """The levels that collapse."""
        return frozenset(arm.level for arm in self.arms if arm.label == COLLAPSES)


def verdict(results: Results, explain: Explanation | None = None) -> Verdict:
    """Conclude. An unfinished study gets a stamp and no conclusion, as its plan allows none before the last run."""
    counts = results.provenance.get("runs") or {}
    if results.interim:
        stamp = f"INTERIM {of(counts['done'], counts['planned'])} runs."
        return Verdict(stamp, ("No verdict yet: the plan allows one when every run is done.",))
    if not results.arms:
        only = results.focus.labels[0]
        return Verdict("", (f"Nothing to compare: {results.focus.title} has one level, {only}.",))
    if counts.get("done") and counts.get("diverged") == counts["done"]:
        return Verdict("", (f"Nothing to compare: all {plural(counts['done'], 'run')} diverged.",))
    arms = tuple(_arm(results, level) for level in results.arms)
    causes = explain.causes(results) if explain else {}
    return Verdict("", tuple(_headline(results, arms, causes)), tuple(_notes(results, arms)), arms)


def collapses(results: Results, level: str) -> bool:
    """Whether the analysis found that runs at `level` collapse, and at a higher rate than the control's."""
    rows = (results.collapse or {}).get("comparisons", ())
    return any(row["rate_difference"] > 0 for row in rows if level_key(row["level"]) == level)


def _counts(results: Results, level: str) -> Row | None:
    """The counts of collapsed runs at `level`, over all cells."""
    rows = results.collapse["arms"] if results.collapse else ()
    return next((row for row in rows if level_key(row["level"]) == level), None)


def _arm(results: Results, level: str) -> ArmVerdict:
    row, odds = results.contrast(level, results.difference_scale), results.contrast(level, "log_odds")
    assert row is not None, "an arm is a level that has a contrast"
    count = _counts(results, level)
    known = row["estimate"] is not None
    return ArmVerdict(
        level=level,
        name=results.arm(level),
        label=COLLAPSES if collapses(results, level) else str(row["verdict"]),
        difference=results.response.difference(row["estimate"]) if known else "",
        interval=results.response.bounds(row["ci_low"], row["ci_high"]),
        ratio=ratio(math.exp(odds["estimate"])) if odds and odds["estimate"] is not None else "",
        p=p_value(row["p_adjusted"]),
        collapsed=of(count["collapsed"], count["runs"]) if count else "",
    )


def _headline(results: Results, arms: Sequence[ArmVerdict], causes: Mapping[str, str]) -> list[str]:
    fallen = [arm for arm in arms if arm.label == COLLAPSES]
    parts = [_collapse_headline(results, fallen, len(arms), causes)] if fallen else []
    control, margin = results.arm(results.control), results.response.margin(results.margin)
    openings = {
        "better and matters": f"Better than {control}" + (f" by enough to matter (margin {margin})" if margin else ""),
        "better but negligible": f"Better than {control}, but by too little to matter (margin {margin})",
        "equivalent": f"Equivalent to {control} (within {margin})",
        "worse": f"Worse than {control}",
        "inconclusive": f"Inconclusive against {control}" + (f" (margin {margin})" if margin else ""),
    }
    for label, opening in openings.items():
        group = [arm for arm in arms if arm.label == label]
        if group:
            parts.append(f"{opening}: {'; '.join(_size(results, arm) for arm in group)}.")
    return parts


def _collapse_headline(results: Results, fallen: Sequence[ArmVerdict], compared: int, causes: Mapping[str, str]) -> str:
    control = results.arm(results.control)
    base = _counts(results, results.control)
    names = listing([f"{arm.name} in {arm.collapsed} runs" for arm in fallen])
    who = f"{len(fallen)} of the {compared} compared with {control}" if compared > 1 else "What is compared"
    verb = "collapse" if results.collapse and results.collapse["threshold"] is not None else "diverge"
    text = f"{who} {verb}{'s' if len(fallen) == 1 else ''}{_below(results)}: {names}"
    text += f", {control} in {of(base['collapsed'], base['runs'])}." if base else "."
    told = [(arm.name, causes[arm.level]) for arm in fallen if arm.level in causes]
    if len(fallen) == 1:
        return " ".join([text, *(cause for _, cause in told)])
    return " ".join([text, *(f"{name}: {cause}" for name, cause in told)])


def _size(results: Results, arm: ArmVerdict) -> str:
    """An arm with its difference and interval, and what an interval that is inconclusive still tells."""
    if not arm.difference:
        return f"{arm.name}, no estimate"
    text = f"{arm.name}, {arm.difference}"
    text += f" ({results.level} interval {arm.interval})" if arm.interval else " (no interval: too few runs)"
    row = results.contrast(arm.level, results.difference_scale)
    if arm.label == "inconclusive" and row and row["ci_low"] is not None and row["ci_low"] * row["ci_high"] > 0:
        text += ", better, but perhaps by too little to matter"
    return text


def _notes(results: Results, arms: Sequence[ArmVerdict]) -> list[str]:
    notes = []
    control = _counts(results, results.control)
    collapsed = {arm.level: row["collapsed"] for arm in arms if (row := _counts(results, arm.level))}
    if control and control["collapsed"]:
        count = of(control["collapsed"], control["runs"])
        too = " too" if any(collapsed.values()) else ""
        notes.append(f"The control, {results.arm(results.control)}, collapses{too}: {count} runs{_below(results)}.")
    spared = [arm for arm in arms if arm.label != COLLAPSES and collapsed.get(arm.level)]
    notes += [f"{arm.name}: {arm.collapsed} runs collapse, no larger share than the control's." for arm in spared]
    if any(arm.label == COLLAPSES for arm in arms):
        notes.append(
            "Where runs collapse, a mean difference tells how often they do rather than how good the others are; see "
            "the counts and the cells."
        )
    if any(arm.label == "inconclusive" for arm in arms):
        notes.append(
            f"Inconclusive is not “no effect”: the {results.unit}s so far leave differences of both kinds "
            "possible, some that matter and some that do not."
        )
    return notes


def _below(results: Results) -> str:
    return results.response.beyond(results.collapse["threshold"]) if results.collapse else ""
