"""The answers in brief: a headline with the numbers, and one line for each question, as true as the long answers."""

import math
from collections.abc import Iterable, Sequence

from study.analysis.advice import advice
from study.analysis.verdict import COLLAPSES, DIVERGES
from study.analysis.words import NOT_STUDIED, Row, Words
from study.report.format import sentence, share

_MOST = 3  # arms named in a line

# What is said of the arms of a label, success before failure.
_GROUPS = {
    "better by more than the margin": "yes",
    "better": "yes",
    "better but negligible": "better by less than the margin",
    "equivalent": "no difference that matters",
    "depends": "it depends",
    "inconclusive": "undecided",
    "worse but negligible": "worse by less than the margin",
    "worse": "worse",
    "worse by more than the margin": "worse",
    COLLAPSES: "training collapses",
    DIVERGES: "training diverges",
    "identical": "every run equals the control's",
}
_CHANGES = {
    "depends": "turns the effect round",
    "differs in size": "changes its size",
    "not known": "too few runs to tell",
    "not excluded": "not shown, not excluded",
    "no more than the margin": "no",
}


def headline(words: Words, arms: Sequence[Row]) -> str:
    """The answer with its numbers, in two lines."""
    before = []
    if words.about.deviations:
        before.append("Exploratory, as the plan was not kept.")
    if words.broken_control:
        before.append(f"The control itself fails ({words.base}).")
    parts = [
        f"{sentence(name)}: {_few([_with_numbers(words, arm) for arm in group], '; ')}.{_tuned_away(words, group)}"
        for name, group in _grouped(words, arms)
    ]
    return " ".join(before + parts)


def _group(label: str) -> str:
    return _GROUPS["depends" if label.startswith("depends on ") else label]


def _grouped(words: Words, arms: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {name: [] for name in _GROUPS.values()}
    for arm in arms:
        found[_group("identical" if arm["identical"] else arm["label"])].append(arm)
    # Ahead of a control that fails is no success.
    named = {"yes": "ahead of it"} if words.broken_control else {}
    return [(named.get(name, name), group) for name, group in found.items() if group]


def _few(parts: Sequence[str], separator: str = ", ") -> str:
    more = len(parts) - _MOST
    return separator.join([*parts[:_MOST], f"{more} more"] if more > 0 else parts)


def _named(words: Words, arms: Sequence[Row]) -> str:
    return _few([words.arm(arm["level"]) for arm in arms])


def _told(words: Words, groups: Iterable[tuple[str, Sequence[Row]]]) -> list[str]:
    """Yes: a, b."""
    return [f"{name}: {_named(words, group)}" for name, group in groups if group]


def _sound(arms: Sequence[Row]) -> list[Row]:
    return [arm for arm in arms if arm["label"] not in (COLLAPSES, DIVERGES)]


def _with_numbers(words: Words, arm: Row) -> str:
    """An arm, from the control's mean to its own."""
    name, label = words.arm(arm["level"]), arm["label"]
    if arm["identical"]:
        return name
    if label in (COLLAPSES, DIVERGES):
        return f"{name}, in {arm['diverged' if label == DIVERGES else 'collapsed']:,} of {arm['runs']:,} runs"
    if label.startswith("depends on "):
        return f"{name}, {_by_level(words, arm)}"
    if arm["mean"] is None or words.control["mean"] is None or arm["estimate"] is None:
        return f"{name}, without a number to compare"
    ends = (words.response.value(row["mean"]) for row in (words.control, arm))
    return f"{name}, {' → '.join(ends)} ({words.response.difference(arm['estimate'])}{_of_what(words, arm)})"


def _by_level(words: Words, arm: Row) -> str:
    """An effect that depends on a factor: from its lowest to its highest level."""
    found = next(part for part in arm["depends"] if part["label"] == "depends")
    known = [row["estimate"] for row in found["levels"] if row["estimate"] is not None]
    ends = " to ".join(map(words.response.difference, (min(known), max(known))))
    return f"{ends} by {words.title(found['factor'])}"


def _tuned_away(words: Words, group: Sequence[Row]) -> str:
    """That better arms are not better where each is at its own best."""
    away = [
        arm
        for arm in group
        if arm["label"].startswith("better") and arm["tuned"] and not arm["tuned"]["label"].startswith("better")
    ]
    if not away:
        return ""
    factor = words.title(away[0]["tuned"]["factor"])
    names = "" if len(away) == len(group) else f" for {_named(words, away)}"
    return f" With the best {factor} for each, no gain is shown{names}."


def _of_what(words: Words, arm: Row) -> str:
    """Why a difference is not that of the means, or that it is not the same everywhere."""
    show, estimate, apart = words.response.difference, arm["estimate"], arm["mean"] - words.control["mean"]
    if arm["pairs"] and show(estimate) != show(apart) and not math.isclose(estimate, apart, rel_tol=1e-6):
        return f" in {words.unit}s that both have"
    return " on average" if any(part["label"] == "differs in size" for part in arm["depends"]) else ""


def helps(words: Words, arms: Sequence[Row]) -> str:
    before = [f"the control itself fails ({words.base})"] if words.broken_control else []
    return sentence("; ".join([*before, *_told(words, _grouped(words, arms))]))


def size(words: Words, arms: Sequence[Row]) -> str:
    told = [
        f"{words.arm(arm['level'])} {_by_level(words, arm)}"
        if arm["label"].startswith("depends on ")
        else f"{words.arm(arm['level'])} {words.response.difference(arm['estimate'])}{_finished(arm)}"
        for arm in _sound(arms) or arms
        if arm["estimate"] is not None
    ]
    return _few(told) if told else "No estimate"


def _finished(arm: Row) -> str:
    return " (runs that finished)" if arm["diverged"] else ""


def depends(words: Words, arms: Sequence[Row]) -> str:
    if not any(arm["depends"] for arm in arms):
        return NOT_STUDIED
    parts = []
    for factor in words.table.other_factors:
        labels = {part["label"] for arm in _sound(arms) for part in arm["depends"] if part["factor"] == factor}
        worst = next((text for label, text in _CHANGES.items() if label in labels), "")
        rows = [part["levels"] for arm in arms for part in arm["depends"] if part["factor"] == factor]
        if not worst and rows:
            spared = any(row["collapsed"] + row["diverged"] == 0 for levels in rows for row in levels)
            worst = f"runs fail at {'some of its levels' if spared else 'every level'}"
        if worst:
            parts.append(f"{words.title(factor)}: {worst}")
    return "; ".join(parts)


def luck(words: Words, arms: Sequence[Row]) -> str:
    same = [arm for arm in arms if arm["identical"]]
    parts = [f"no run tells {_named(words, same)} from the control"] if same else []
    known = [arm for arm in arms if arm["one_run_each"] is not None and not arm["identical"]]
    if words.few_blocks:
        return f"Too few {words.unit}s to say"
    told = [arm for arm in _sound(known) if arm["one_run_each"]["wrong_way"] is not None]
    coins = [arm for arm in told if arm["label"] == "equivalent"]
    told = [arm for arm in told if arm["label"] != "equivalent"]
    if told:
        chances = [f"{words.arm(arm['level'])} {share(arm['one_run_each']['wrong_way'])}" for arm in told]
        parts.append(f"one run each points the wrong way: {_few(chances)}")
    if coins:
        parts.append(f"one run each is a coin toss: {_named(words, coins)}")
    for arm in known:
        lowest, highest = (arm["one_run_each"][end] for end in ("lowest_run", "highest_run"))
        if arm["label"] == DIVERGES:
            parts.append(f"{arm['diverged']:,} of {arm['runs']:,} runs of {words.arm(arm['level'])} diverge")
        elif arm["label"] == COLLAPSES and lowest is not None:
            ends = " to ".join(map(words.response.value, (lowest, highest)))
            parts.append(f"one run of {words.arm(arm['level'])} gives {ends}")
    return sentence(_few(parts, "; ")) if parts else NOT_STUDIED


def tuned(words: Words, arms: Sequence[Row]) -> str:
    found = [arm for arm in _sound(arms) if arm["tuned"] is not None]
    groups: dict[str, list[Row]] = {name: [] for name in _GROUPS.values()}
    for arm in found:
        groups[_group(arm["tuned"]["label"])].append(arm)
    if found:
        return sentence("; ".join(_told(words, groups.items())))
    return "Runs fail at every arm's best" if any(arm["tuned"] for arm in arms) else NOT_STUDIED


def now(words: Words, arms: Sequence[Row]) -> str:
    groups: dict[str, list[Row]] = {}
    for arm in arms:
        groups.setdefault(advice(words, arm).brief, []).append(arm)
    if len(groups) == 1:
        return sentence(next(iter(groups)))
    return sentence("; ".join(_told(words, groups.items())))
