"""The six answers in words: made from what is concluded about each arm, true whatever came out."""

from collections.abc import Callable, Sequence
from typing import Any

from study.analysis import briefs
from study.analysis.verdict import COLLAPSES, DIVERGES, failing_cells
from study.analysis.words import NOT_STUDIED, Row, Words
from study.report.format import listing, of, plural, sentence, share

# Each with the section of the page that holds the evidence.
QUESTIONS = {
    "helps": ("Does it help?", "effects"),
    "size": ("By how much?", "effects"),
    "depends": ("Does it depend on the other factors?", "interactions"),
    "luck": ("Is it luck?", "luck"),
    "tuned": ("And each at its own best?", "tuned"),
    "now": ("What now?", "planning"),
}

Maker = Callable[[Words, Sequence[Row]], str]


def answers(words: Words, arms: Sequence[Row]) -> list[dict[str, str]]:
    """The six answers, always six and always in this order.

    Returns:
        Rows of key, question, brief (a line), answer (sentences), evidence (a section of the page).
    """
    makers: dict[str, tuple[Maker, Maker]] = {
        "helps": (briefs.helps, _helps),
        "size": (briefs.size, _size),
        "depends": (briefs.depends, _depends),
        "luck": (briefs.luck, _luck),
        "tuned": (briefs.tuned, _tuned),
        "now": (briefs.now, _now),
    }
    return [_row(key, makers[key][0](words, arms), makers[key][1](words, arms)) for key in QUESTIONS]


def without_conclusion(reason: str) -> list[dict[str, str]]:
    """The six answers where nothing is concluded."""
    return [_row(key, reason, reason) for key in QUESTIONS]


def _row(key: str, brief: str, answer: str) -> dict[str, str]:
    question, evidence = QUESTIONS[key]
    return {"key": key, "question": question, "brief": brief, "answer": answer, "evidence": evidence}


def _helps(words: Words, arms: Sequence[Row]) -> str:
    parts = [_broken_control(words)]
    same = [arm for arm in arms if arm["identical"]]
    if same:
        parts.append(
            f"{_names(words, same)}: every run equals that of {words.base}, so {words.title(words.table.focus)} may "
            "never have reached the training."
        )
    openings = {
        "better by more than the margin": f"better than {words.base} by more than the margin of {words.margin}",
        "better": f"better than {words.base}" + _open_size(words),
        "better but negligible": f"better than {words.base}, but by less than the margin of {words.margin}",
        "equivalent": f"equivalent to {words.base}: within {words.margin}",
        "inconclusive": f"inconclusive: a difference from {words.base} is neither shown nor excluded",
        "worse but negligible": f"worse than {words.base}, but by less than the margin of {words.margin}",
        "worse": f"worse than {words.base}" + _open_size(words),
        "worse by more than the margin": f"worse than {words.base} by more than the margin of {words.margin}",
    }
    rest = [arm for arm in arms if not arm["identical"]]
    for label, opening in openings.items():
        group = [arm for arm in rest if arm["label"] == label]
        if group:
            parts.append(f"{sentence(opening)}: {'; '.join(_with_effect(words, arm) for arm in group)}.")
        if label == "equivalent":
            parts += [_crossed(words, arm) for arm in rest if arm["label"].startswith("depends on ")]
    parts += [_failure(words, arm) for arm in rest if arm["label"] in (COLLAPSES, DIVERGES)]
    parts += [_stray(words, arm) for arm in rest]
    parts.append(_changed_plan(words))
    return " ".join(part for part in parts if part)


def _open_size(words: Words) -> str:
    return f"; whether by more than {words.margin} is open" if words.spec.margin else ""


def _with_effect(words: Words, arm: Row) -> str:
    """An arm with its effect, and that at its own best where it points elsewhere."""
    paired, tuned = arm["pairs"], arm["tuned"]
    unpaired = f", no {words.unit} in common" if words.table.block and paired == 0 else ""
    best = ""
    if tuned is not None and tuned["label"].split()[0] != arm["label"].split()[0]:
        best = f", but at its own best {words.title(tuned['factor'])} {tuned['label']}, {words.effect(tuned)}"
    return f"{words.arm(arm['level'])} {words.effect(arm)}{unpaired}{best}"


def _names(words: Words, arms: Sequence[Row]) -> str:
    return listing([words.arm(arm["level"]) for arm in arms])


def _broken_control(words: Words) -> str:
    if not words.broken_control:
        return ""
    return f"The control itself fails: {words.failed(words.control)}. A difference from it measures a broken control."


def _changed_plan(words: Words) -> str:
    if not words.about.deviations:
        return ""
    return "Read this as exploratory, since what was done differs from the plan: " + " ".join(words.about.deviations)


def _failure(words: Words, arm: Row) -> str:
    """An arm that collapses or diverges: how often, where, and in how many blocks."""
    text = f"With {words.arm(arm['level'])}, training {arm['label']}: {words.failed(arm)}"
    found = words.results["collapse"]
    count = next(row for row in found["arms"] if row["level"] == arm["level"])
    if count["blocks"]:
        text += f" ({of(count['failed_blocks'], count['blocks'])} {words.unit}s)"
    control = words.control["collapsed"] + words.control["diverged"]
    text += f"; of {words.base}, {words.failed(words.control) if control else 'none'}"
    where = _where(words, arm["level"])
    text += f". {where}" if where else "."
    test = next(row for row in found["comparisons"] if row["level"] == arm["level"])
    if test["p_smallest"] is not None and test["p_smallest"] >= words.spec.alpha:
        blocks = plural(words.table.frame[words.table.block].nunique(), words.unit)
        text += f" No test can show this with {blocks}: the smallest possible p is {test['p_smallest']:.2g}."
    return text


def _where(words: Words, level: str) -> str:
    """In which cells the runs of an arm fail, where it is in some and not in others."""
    if not words.table.other_factors:
        return ""
    rows = [row for row in words.results["collapse"]["cells"] if next(iter(row["levels"].values())) == level]
    hit = failing_cells(words.results["collapse"], level)
    clear = [row for row in rows if not row["failed"]]
    if not hit or not clear or len(hit) + len(clear) < len(rows):
        return ""
    for factor in words.table.other_factors:
        fallen, spared = ({row["levels"][factor] for row in some} for some in (hit, clear))
        if not fallen & spared:
            failed, runs = sum(row["failed"] for row in hit), sum(row["runs"] for row in hit)
            at, not_at = (_listed_levels(words, factor, levels) for levels in (fallen, spared))
            return f"It happens in {of(failed, runs)} runs at {at}, and in none at {not_at}."
    return f"It happens in {of(len(hit), len(rows))} cells, and in none of the others."


def _listed_levels(words: Words, factor: str, levels: set[str]) -> str:
    return listing([words.level(factor, level) for level in words.table.levels(factor) if level in levels])


def _stray(words: Words, arm: Row) -> str:
    """A few failures of an arm that does not collapse: a note, no conclusion."""
    if arm["label"] in (COLLAPSES, DIVERGES) or not arm["collapsed"] + arm["diverged"]:
        return ""
    control = words.control["collapsed"] + words.control["diverged"]
    others = words.failed(words.control) if control else "none"
    return f"Of {words.arm(arm['level'])}, {words.failed(arm)}; of {words.base}, {others}."


def _crossed(words: Words, arm: Row) -> str:
    found = next(part for part in arm["depends"] if part["label"] == "depends")
    sides = []
    for side, matches in (("better", lambda row: row["low"] > 0), ("worse", lambda row: row["high"] < 0)):
        rows = [row for row in _oriented(words, found["levels"]) if row["low"] is not None and matches(row)]
        if rows:
            told = [f"{words.level(found['factor'], row['level'])} ({words.effect(row['shown'])})" for row in rows]
            sides.append(f"{side} than {words.base} at {listing(told)}")
    title = words.title(found["factor"])
    return (
        f"With {words.arm(arm['level'])} it depends on {title}: {', and '.join(sides)}. The average describes neither."
    )


def _oriented(words: Words, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows with their ends turned so that up is better; as they are shown under `shown`."""
    if words.response.higher:
        return [{**row, "shown": row} for row in rows]
    return [
        {
            **row,
            "low": None if row["high"] is None else -row["high"],
            "high": None if row["low"] is None else -row["low"],
            "shown": row,
        }
        for row in rows
    ]


def _size(words: Words, arms: Sequence[Row]) -> str:
    level = f"{100 * (1 - words.spec.alpha):g} %"
    parts = []
    for arm in arms:
        name = words.arm(arm["level"])
        if arm["mean"] is None or words.control["mean"] is None:
            parts.append(f"No run with {name} or {words.base} has an outcome to compare.")
            continue
        text = f"{words.response.value(arm['mean'])} with {name}, {words.effect(arm)}"
        paired = arm["pairs"]
        if words.table.block and paired is not None and arm["note"].startswith(f"{paired} of "):
            text += f", from {arm['note'].split(' have ')[0]}"
        parts.append(f"{text}.")
    what = "intervals hold for all comparisons at once" if len(arms) > 1 else "interval is of one comparison"
    average = (
        ", averaged over the other factors" if len(words.table.shape) > 1 and max(words.table.shape[1:]) > 1 else ""
    )
    lost = " Runs that diverged are in no mean." if any(arm["diverged"] for arm in (*arms, words.control)) else ""
    base = "" if words.control["mean"] is None else f"{words.response.value(words.control['mean'])} with {words.base}. "
    return f"{base}{' '.join(parts)} The {level} {what}{average}.{lost}{_repeats(words)}"


def _repeats(words: Words) -> str:
    found = words.table.repeats
    if found is None:
        return ""
    shared = f" {plural(found.runs, 'run')} share cell and {words.unit} with another and are averaged"
    if found.sd == 0:
        return f"{shared}: they are equal, so a run may be listed twice."
    sd = f"{words.response.spread(found.sd)}{words.response.difference_unit}"
    return (
        f"{shared}: within such a group they differ by a standard deviation of {sd} "
        "(nondeterminism, or a factor that is not named)."
    )


def _depends(words: Words, arms: Sequence[Row]) -> str:
    if not any(arm["depends"] for arm in arms):
        return f"{NOT_STUDIED}: {words.title(words.table.focus)} is the only factor that varies."
    parts = []
    for factor in words.table.other_factors:
        found = [(arm, part) for arm in arms for part in arm["depends"] if part["factor"] == factor]
        sound = [pair for pair in found if pair[0]["label"] not in (COLLAPSES, DIVERGES)]
        told = [text for label in _CHANGES if (text := _changes(words, label, sound))]
        told += [text for arm, part in found if (text := _failing_at(words, arm, part))]
        if told:
            parts.append(f"By {words.title(factor)}: {'; '.join(told)}.")
        elif found:
            parts.append(f"By {words.title(factor)}: runs fail at every level.")
    return " ".join(parts)


_CHANGES = {
    "depends": "better at one level and worse at another",
    "differs in size": "the effect changes in size",
    "no more than the margin": "the effect changes by no more than the margin of {margin}",
    "not excluded": "a change of the effect is neither shown nor excluded",
    "not known": "too few runs to tell",
}


def _changes(words: Words, label: str, found: Sequence[tuple[Row, Row]]) -> str:
    """The arms whose effect changes alike over a factor, each with the largest change between two levels."""
    rows = [(arm, part) for arm, part in found if part["label"] == label]
    if not rows:
        return ""
    told = []
    for arm, part in rows:
        name = words.arm(arm["level"])
        if label == "not known" or part["low"] is None:
            told.append(name)
        elif len(part["levels"]) == 2 and label in ("depends", "differs in size"):
            ends = [f"{words.effect(row)} at {words.level(part['factor'], row['level'])}" for row in part["levels"]]
            told.append(f"{name}, {', '.join(ends)}")
        else:
            change = words.response.bounds(part["low"], part["high"]) + words.response.difference_unit
            first, later = (words.level(part["factor"], part[end]) for end in ("first", "later"))
            between = "" if len(part["levels"]) == 2 else f" from {first} to {later}"
            told.append(f"{name}, by {change}{between}")
    return f"{_CHANGES[label].format(margin=words.margin)} ({'; '.join(told)})"


def _failing_at(words: Words, arm: Row, part: Row) -> str:
    """At which levels the runs of an arm fail, if not at all of them."""
    fails = [row["collapsed"] + row["diverged"] for row in part["levels"]]
    if arm["label"] not in (COLLAPSES, DIVERGES) or min(fails) > 0:
        return ""
    hit = {row["level"] for row, count in zip(part["levels"], fails, strict=True) if count}
    return f"runs of {words.arm(arm['level'])} fail only at {_listed_levels(words, part['factor'], hit)}"


def _luck(words: Words, arms: Sequence[Row]) -> str:
    parts = [text for arm in arms if (text := _one_run(words, arm))]
    return " ".join(parts) if parts else f"{NOT_STUDIED}: in a cell no run has a number."


def _one_run(words: Words, arm: Row) -> str:
    found = arm["one_run_each"]
    name = words.arm(arm["level"])
    if found is None:
        return ""
    if arm["identical"]:
        return f"No run tells {name} and {words.base} apart."
    failing = arm["label"] in (COLLAPSES, DIVERGES)
    near = found["near_control"]
    if failing and near is not None and found["lowest_run"] is not None:
        lowest, highest = (words.response.value(found[end]) for end in ("lowest_run", "highest_run"))
        within = f"{near['within']:g}{words.response.difference_unit}"
        come = "comes" if near["runs"] == 1 else "come"
        if arm["label"] == DIVERGES:
            often = of(arm["diverged"], arm["runs"])
            return f"A run of {name} diverges in {often} cases; the others end from {lowest} to {highest}."
        return (
            f"One run of {name} gives anything from {lowest} to {highest}; {of(near['runs'], near['of'])} runs {come} "
            f"within {within} of the mean of {words.base}, or beyond it."
        )
    if found["wrong_way"] is None:
        return f"Of {name}, one run each cannot be judged: no cell has two runs of both."
    if words.few_blocks:
        few = plural(words.table.frame[words.table.block].nunique(), words.unit)
        return f"Of {name}: {few} are too few to say how often one run each would mislead."
    if arm["label"] == "equivalent":
        return f"One run of {name} and one of {words.base}: a coin toss, as their true difference is about 0."
    text = f"One run of {name} and one of {words.base} point the wrong way in {share(found['wrong_way'])} of such pairs"
    low, high = found["lowest_cell"], found["highest_cell"]
    if low and high and low["cell"] != high["cell"]:
        ends = [share(cell["wrong_way"]) for cell in (low, high)]
        text += f" on average over the cells, from {ends[0]} to {ends[1]}" if ends[0] != ends[1] else " in every cell"
    return f"{text}."


def _tuned(words: Words, arms: Sequence[Row]) -> str:
    found = [arm for arm in arms if arm["tuned"] is not None]
    found = [arm for arm in found if arm["label"] not in (COLLAPSES, DIVERGES)] or found
    if not found:
        reason = words.results["analysis"]["absent"].get("tuned")
        return f"{NOT_STUDIED}: {reason or 'the design has no factor to tune'}."
    factor = found[0]["tuned"]["factor"]
    parts = []
    for arm in found:
        tuned = arm["tuned"]
        differs = _side(tuned) != _side(arm) or tuned["label"] != arm["label"]
        average = f", on average over all levels {words.effect(arm)}" if differs else ""
        parts.append(f"{words.arm(arm['level'])} {tuned['label']}, {words.effect(tuned)}{average}")
    return (
        f"With the best {words.title(factor)} of each, chosen on half of the {words.unit}s and judged on the others, "
        f"against {words.base}: {'; '.join(parts)}."
    )


def _side(row: Row) -> int:
    estimate = row["estimate"] or 0.0
    return (estimate > 0) - (estimate < 0)


def _now(words: Words, arms: Sequence[Row]) -> str:
    groups: dict[str, list[str]] = {}
    for arm in arms:
        groups.setdefault(arm["advice"], []).append(words.arm(arm["level"]))
    return " ".join(f"For {listing(names)}: {text}" for text, names in groups.items())
