"""What now: what to do about each arm."""

from typing import NamedTuple

from study.analysis.verdict import COLLAPSES, DIVERGES
from study.analysis.words import Row, Words
from study.report.format import plural


class Advice(NamedTuple):
    """In a few words, and in one sentence or two."""

    brief: str
    text: str


def advice(words: Words, arm: Row) -> Advice:
    """The first that fits."""
    label, tuned = arm["label"], arm["tuned"]
    if words.broken_control:
        mend = f"mend {words.base} first"
        return Advice(mend, f"{mend}: {words.failed(words.control)}.")
    if arm["identical"]:
        check = f"check that {words.title(words.table.focus)} reaches the training"
        return Advice(check, f"{check}.")
    if label in (COLLAPSES, DIVERGES):
        told = words.about.advice.get(arm["level"])
        unknown = f"find out why runs {label.removesuffix('s')} before comparing means."
        return Advice("mend before use", told[:1].lower() + told[1:] if told else unknown)
    if label.startswith("depends on "):
        choose = f"choose by {words.title(label.removeprefix('depends on '))}"
        return Advice(choose, f"{choose}; one answer for all levels would be wrong for some.")
    if label == "inconclusive":
        return _more(words, arm)
    better = label.startswith("better") and "negligible" not in label
    if better and tuned is not None and not tuned["label"].startswith("better"):
        best = words.title(tuned["factor"])
        return Advice("tune both arms", f"tune both arms: at its own best {best} the gain is not shown.")
    if label.startswith("worse") and tuned is not None and tuned["label"].startswith("better"):
        return Advice("tune it", f"tune it: at its own best {words.title(tuned['factor'])} it is {tuned['label']}.")
    if better:
        rests = plural(arm["pairs"], words.unit) if arm["pairs"] else plural(arm["runs"], "run")
        return Advice("use it", f"use it in a setting like these; the difference rests on {rests}.")
    if label == "equivalent" or "negligible" in label:
        choose = "choose by cost or habit"
        return Advice(choose, f"{choose}; no difference as large as {words.margin} is left.")
    return Advice(f"prefer {words.base}", f"prefer {words.base} in a setting like these.")


def _more(words: Words, arm: Row) -> Advice:
    seeds = arm["seeds_to_settle"]
    if seeds is None:
        return Advice(f"more {words.unit}s", f"more {words.unit}s: these are too few to say how many would settle it.")
    enough = f"about {plural(seeds, words.unit)} would settle it"
    against = f" against {words.margin}" if words.spec.margin else ""
    return Advice(enough, f"{enough}{against} if the difference is as estimated.")
