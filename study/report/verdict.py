"""The verdict in words: sentences made from the results, true whatever came out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from study.report.results import Results, Row, level_key
from study.report.text import THIN, accuracy, listing, of, p_value, plural, times

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

RIGHT = 1.5
"""Moving statistics that are off by less than this factor are not blamed."""


@dataclass(frozen=True)
class ArmVerdict:
    """What is concluded about one level of the factor of interest.

    Attributes:
        level, name: its key and the words for it.
        label: one of `KINDS`.
        difference, interval, ratio, p: in words, empty where there is none.
        collapsed: "120 of 120", empty where collapse is not defined.
        cause: what the ways of scoring say about its collapse; empty without a collapse or a mechanism file.
    """

    level: str
    name: str
    label: str
    difference: str
    interval: str
    ratio: str
    p: str
    collapsed: str
    cause: str

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


def verdict(results: Results) -> Verdict:
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
    return Verdict("", tuple(_headline(results, arms)), tuple(_notes(results, arms)), arms)


def collapse_row(results: Results, level: str | None) -> Row | None:
    """The counts of collapsed runs at `level`, over all cells."""
    rows = results.collapse["arms"] if results.collapse else ()
    return next((row for row in rows if level_key(row["level"]) == level), None)


def collapses(results: Results, level: str) -> bool:
    """Whether runs at `level` collapse, and at a higher rate than the control's."""
    row, control = collapse_row(results, level), collapse_row(results, results.control)
    return bool(row and row["collapsed"] and row["rate"] > (control["rate"] if control else 0.0))


def cause(results: Results, level: str) -> str:
    """What the ways of scoring say about the collapse of `level`: do the same weights work with other statistics?"""
    row = _mechanism(results, level)
    if row is None or not row["collapsed"]:
        return ""
    recovered, collapsed = row["recovered_by_population"], row["collapsed"]
    scores = row["median_accuracy"]
    text = (
        f"Scored with the statistics of the training set instead of the moving ones, the same weights recover in "
        f"{of(recovered, collapsed)} of its collapsed runs; the median accuracy is {accuracy(scores['population'])} "
        f"instead of {accuracy(scores['moving'])}."
    )
    off = row.get("final_gap_factor")
    if off is not None and off >= RIGHT:
        text += f" After the last epoch its moving variance is {times(off)} times off the true one, in the worst layer."
    widest = _widest_cell(results, level)
    # A spread that the statistics explain; runs that diverged would spread too.
    if widest is not None and recovered >= 0.9 * collapsed:
        scored = widest["accuracy"]["moving"]
        text += (
            f" With the moving statistics the {results.block or 'run'} alone decides between {accuracy(scored['min'])} "
            f"and {accuracy(scored['max'])} ({results.cell_label(widest['levels'])})."
        )
    return text


def _arm(results: Results, level: str) -> ArmVerdict:
    row, odds = results.contrast(level, results.difference_scale), results.contrast(level, "log_odds")
    assert row is not None, "an arm is a level that has a contrast"
    count = collapse_row(results, level)
    known = row["estimate"] is not None
    label = COLLAPSES if collapses(results, level) else str(row["verdict"])
    return ArmVerdict(
        level=level,
        name=results.focus.label(level),
        label=label,
        difference=results.response.difference(row["estimate"]) if known else "",
        interval=results.response.bounds(row["ci_low"], row["ci_high"]),
        ratio=f"{times(math.exp(odds['estimate']))}×" if odds and odds["estimate"] is not None else "",
        p=p_value(row.get("p_adjusted", row.get("p"))),
        collapsed=of(count["collapsed"], count["runs"]) if count else "",
        cause=cause(results, level) if label == COLLAPSES else "",
    )


def _headline(results: Results, arms: Sequence[ArmVerdict]) -> list[str]:
    fallen = [arm for arm in arms if arm.label == COLLAPSES]
    parts = [_collapse_headline(results, fallen, len(arms))] if fallen else []
    control, margin = results.focus.label(results.control), results.response.margin(results.margin)
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


def _collapse_headline(results: Results, fallen: Sequence[ArmVerdict], compared: int) -> str:
    control = results.focus.label(results.control)
    base = collapse_row(results, results.control)
    names = listing([f"{arm.name} in {arm.collapsed} runs" for arm in fallen])
    who = f"{len(fallen)} of the {compared} compared with {control}" if compared > 1 else "What is compared"
    verb = "collapse" if results.collapse and results.collapse["threshold"] is not None else "diverge"
    text = f"{who} {verb}{'s' if len(fallen) == 1 else ''}{_below(results)}: {names}"
    text += f", {control} in {of(base['collapsed'], base['runs'])}." if base else "."
    rows = [row for arm in fallen if (row := _mechanism(results, arm.level)) is not None]
    recovered, collapsed = (sum(row[key] for row in rows) for key in ("recovered_by_population", "collapsed"))
    if not collapsed:
        return text
    if recovered >= 0.9 * collapsed:
        text += " The training is sound: "
    elif recovered >= 0.5 * collapsed:
        text += " Most of the training is sound: "
    else:
        return f"{text} Scored with the training set's own statistics, {of(recovered, collapsed)} recover."
    text += (
        f"scored with the training set's own statistics, the same weights recover in {of(recovered, collapsed)} runs."
    )
    off = [times(row["final_gap_factor"]) for row in rows if (row.get("final_gap_factor") or 0.0) >= RIGHT]
    if off:
        text += f" What fails is the moving variance that scoring uses: it ends {listing(off)} times off the true one."
    return text


def _size(results: Results, arm: ArmVerdict) -> str:
    """An arm with its difference and interval, and what an interval that is inconclusive still tells."""
    if not arm.difference:
        return f"{arm.name}, no estimate"
    text = f"{arm.name}, {arm.difference}"
    text += f" ({_level(results)} interval {arm.interval})" if arm.interval else " (no interval: too few runs)"
    row = results.contrast(arm.level, results.difference_scale)
    if arm.label == "inconclusive" and row and row["ci_low"] is not None and row["ci_low"] * row["ci_high"] > 0:
        text += ", better, but perhaps by too little to matter"
    return text


def _notes(results: Results, arms: Sequence[ArmVerdict]) -> list[str]:
    notes = []
    control = collapse_row(results, results.control)
    if control and control["collapsed"]:
        count = of(control["collapsed"], control["runs"])
        rows = (collapse_row(results, arm.level) for arm in arms)
        too = " too" if any(row and row["collapsed"] for row in rows) else ""
        notes.append(
            f"The control, {results.focus.label(results.control)}, collapses{too}: {count} runs{_below(results)}."
        )
    spared = [
        arm for arm in arms if arm.label != COLLAPSES and not arm.collapsed.startswith(("0 ", "None")) and arm.collapsed
    ]
    notes += [f"{arm.name}: {arm.collapsed} runs collapse, no larger share than the control's." for arm in spared]
    if any(arm.label == COLLAPSES for arm in arms):
        notes.append(
            "Where runs collapse, a mean difference tells how often they do rather than how good the others are; see "
            "the counts and the cells."
        )
    if any(arm.label == "inconclusive" for arm in arms):
        notes.append(
            f"Inconclusive is not “no effect”: the {results.block or 'run'}s so far leave differences of both kinds "
            "possible, some that matter and some that do not."
        )
    return notes


def _mechanism(results: Results, level: str) -> Row | None:
    rows = (results.mechanism or {}).get("arms", ())
    return next((row for row in rows if level_key(row["level"]) == level), None)


def _widest_cell(results: Results, level: str) -> Row | None:
    """The cell of `level` whose runs differ most with the moving statistics, if they differ by 5 points or more."""
    name = results.focus.name
    rows = [row for row in (results.mechanism or {}).get("cells", ()) if level_key(row["levels"].get(name)) == level]
    rows = [row for row in rows if row["accuracy"]["moving"]["min"] is not None and row["runs"] > 1]
    widest = max(rows, key=_spread, default=None)
    return widest if widest is not None and _spread(widest) >= 5.0 else None


def _spread(row: Row) -> float:
    return row["accuracy"]["moving"]["max"] - row["accuracy"]["moving"]["min"]


def _below(results: Results) -> str:
    assert results.collapse is not None
    return results.response.beyond(results.collapse["threshold"])


def _level(results: Results) -> str:
    return f"{100 * (1 - results.alpha):g}{THIN}%"
