"""Paragraphs of the page that are made from the results: how sure, what luck could do, by what methods."""

import math
from typing import Any

from study.report.results import Results, level_key
from study.report.text import THIN, difference, interval, listing, plural, share, significant
from study.report.verdict import COLLAPSES, Verdict


def sureness(results: Results, conclusion: Verdict) -> tuple[str, ...]:
    """How sure the verdict is, and of what."""
    if not conclusion.arms:
        return ()
    level = f"{100 * (1 - results.alpha):g}{THIN}%"
    compared = plural(len(results.arms), "comparison")
    hold = f"hold for all {compared} at once" if results.simultaneous and len(results.arms) > 1 else "are adjusted"
    text = f"The {level} intervals {hold if len(results.arms) > 1 else 'and p values are of one comparison'}"
    text += ", by the same adjustment as the p values." if len(results.arms) > 1 else "."
    blocks = len(results.design.get("seeds") or ()) or (results.objects.get("analysis") or {}).get("blocks")
    if results.sequential is not None:
        text += (
            " They hold at every look and whenever one stops, so that it does no harm that the study stopped when it "
            "had its answer. All other p values and intervals of this page are those of a number of "
            f"{results.block or 'block'}s fixed in advance: read them as a description."
        )
    elif blocks and results.block:
        text += (
            f" They rest on {plural(blocks, results.block)}: each {results.block} is compared with itself, one arm "
            "against the other."
        )
    return tuple(part for part in (text, _unpaired(results), _scopes(results, conclusion), _unknown(results)) if part)


def sequential(results: Results) -> tuple[str, ...]:
    """How the study grew, and what it would have cost otherwise."""
    about = results.sequential
    if about is None:
        return ()
    block, looks = results.block or "block", about["looks"]
    text = (
        f"The study began with {plural(looks[0], block)} and looked at the contrasts after {_some(looks)}. A contrast "
        f"that was settled got no more {block}s. "
    )
    names = [results.focus.label(level) for level in about["unsettled"]]
    if about["unsettled"]:
        spent = about["blocks"] >= about["budget"]
        text += f"Open {'when the budget was spent' if spent else 'so far'}: {listing(names)}. "
    else:
        text += f"All were settled after {plural(about['blocks'], block)}. "
    text += f"It took {plural(about['runs'], 'run')}; a fixed design of {about['budget']} {block}s takes "
    text += f"{about['runs_of_budget']:,}."
    return (text, *_naive_peeking(results))


def _naive_peeking(results: Results) -> tuple[str, ...]:
    """What naive peeking would have claimed otherwise, or sooner."""
    about = results.sequential
    assert about is not None
    parts = []
    for arm in about["arms"]:
        naive = arm["naive"]
        if naive and (naive["verdict"] != arm["verdict"] or arm["settled_at"] is None):
            instead = f"“{arm['verdict']}”" if arm["settled_at"] is not None else "nothing is settled"
            claim = f"“{naive['verdict']}” after {plural(naive['blocks'], results.block or 'block')}"
            parts.append(f"{results.focus.label(arm['level'])} {claim}, where {instead}")
    if not parts:
        return ()
    return (f"Naive peeking would have claimed something else: {'; '.join(parts)}.",)


def _some(looks: list[int]) -> str:
    if len(looks) < 5:
        return listing([str(look) for look in looks])
    return f"{looks[0]}, {looks[1]}, {looks[2]} … {looks[-1]}"


def luck(results: Results, conclusion: Verdict) -> tuple[str, ...]:
    """What a single run of each would have told."""
    found = results.objects.get("luck")
    if not found:
        return ()
    control = results.focus.label(results.control)
    risks = []
    fallen = {arm.level for arm in conclusion.arms if arm.label == COLLAPSES}
    for row in found["contrasts"]:
        if level_key(row["level"]) in fallen:
            continue
        single = row.get("single_run") or {}
        once = next((c for c in single.get("wrong_way") or () if c["runs"] == 1), None)
        if once and once["model"] is not None:
            bounds = f" ({share(once['low'])} to {share(once['high'])})" if once["low"] is not None else ""
            risks.append(f"{results.focus.label(row['level'])} {share(once['model'])}{bounds}")
    parts = []
    if risks:
        parts.append(
            f"Someone who trains {control} and one other once each, as in a quick check, gets the two in the wrong "
            f"order with this chance: {'; '.join(risks)}."
        )
    noise = _noise(results, conclusion)
    return tuple([*parts, noise] if noise else parts)


def robustness(results: Results) -> tuple[str, ...]:
    """How many of the analyses agree with the one of the plan."""
    parts = []
    for level in results.arms:
        rows = [
            r for r in results.lists["specification"] if level_key(r["level"]) == level and r["scale"] == results.scale
        ]
        rows = [r for r in rows if r["estimate"] is not None]
        primary = next((r for r in rows if r["primary"]), None)
        if primary is not None and len(rows) > 1:
            same = sum(r["estimate"] * primary["estimate"] > 0 for r in rows)
            clear = sum(
                r["ci_low"] is not None and r["ci_low"] * r["ci_high"] > 0 and r["estimate"] * primary["estimate"] > 0
                for r in rows
            )
            name = results.focus.label(level)
            parts.append(
                f"{name}: {same} of {len(rows)} point the same way, {clear} with an interval that excludes no effect"
            )
    return (f"Of the analyses below, {'; '.join(parts)}.",) if parts else ()


def planning(results: Results) -> tuple[str, ...]:
    """What this many blocks can detect."""
    found = results.objects.get("power")
    if not found or found["main"].get("detectable", {}).get("effect") is None:
        return ()
    unit = results.response.difference_unit
    block = results.block or "run"
    main, cell = (found[key]["detectable"]["effect"] for key in ("main", "cell"))
    single = f", in a single cell from {significant(cell)}{unit} on" if cell is not None and results.others else ""
    return (
        f"With {plural(found['planned_seeds'], block)}, a true difference is found with a chance of "
        f"{100 * found['power']:g}{THIN}% from {significant(main)}{unit} on, averaged over the cells{single}.",
    )


def methods(results: Results) -> tuple[str, ...]:
    """What was done, in sentences, from the design that was run."""
    parts = (_design(results), _outcome(results), _inference(results), _collapse(results), _absent(results))
    return tuple(part for part in parts if part)


def _unpaired(results: Results) -> str:
    """What it costs that no two runs share a block."""
    if results.block:
        return ""
    return (
        "No two runs share a seed, so groups of independent runs are compared, each cell with its own spread (Welch "
        "1947). What that costs: all the spread between runs is in the intervals. With shared seeds, whatever runs of "
        "one seed have in common would cancel: were they correlated by one half, half as many runs would have given "
        "intervals as narrow. These runs cannot tell how much it would be."
    )


def _unknown(results: Results) -> str:
    """What a page made from a table alone cannot know."""
    if results.design:
        return ""
    block = results.block
    text = (
        "This page was made from a table of runs. It cannot know whether the question, the margin and the number of "
        "runs were fixed before the first run; whether runs were made that the table does not hold; "
        + (f"whether runs of one {block} really have in common what makes them comparable; " if block else "")
        + "or with which code, data and machines they were made."
    )
    about = results.objects.get("analysis") or {}
    left_out = [f"{count:,} {word}" for word, count in (about.get("left_out") or {}).items()]
    if left_out:
        text += (
            f" Left out, as they have no outcome: {listing(left_out)}. If their levels made them end so, the "
            "comparison leaves that out too."
        )
    if about.get("without_number"):
        text += f" {plural(about['without_number'], 'finished run')} without a number count as diverged."
    return text


def _scopes(results: Results, conclusion: Verdict) -> str:
    """On this test set, and on new images."""
    if not results.counts or "images" not in results.objects:
        return ""
    text = "The conclusion is about new trainings scored on this test set."
    sound = {arm.level for arm in conclusion.arms if arm.label != COLLAPSES}
    parts = []
    for row in (results.objects.get("images") or {}).get("contrasts", ()):
        new = row.get("new_images_too")
        if level_key(row["level"]) in sound and new and new["ci_low"] is not None:
            bounds = interval(new["ci_low"], new["ci_high"])
            parts.append(f"{results.focus.label(row['level'])} {difference(row['estimate_pp'])}{THIN}pp ({bounds})")
    if parts:
        text += f" With the test images random too, so on new images of the same kind: {'; '.join(parts)}, unadjusted."
    return text


def _noise(results: Results, conclusion: Verdict) -> str:
    """How much of the spread between runs is the finite test set."""
    sound = {results.control, *(arm.level for arm in conclusion.arms if arm.label != COLLAPSES)}
    parts = []
    for arm in (results.objects.get("images") or {}).get("arms", ()):
        if level_key(arm["level"]) in sound and arm["run_variance"]:
            real = arm["distribution_sd"]
            left = "no more than chance" if real is None else f"{significant(real)}{THIN}pp"
            seen = significant(math.sqrt(arm["run_variance"]))
            parts.append(f"{results.focus.label(arm['level'])} {seen}{THIN}pp, of which {left} is real")
    if not parts:
        return ""
    return (
        f"Runs of one cell differ with a standard deviation of: {'; '.join(parts)}. Real is what would show on "
        "endless test images; the rest comes from the finite test set."
    )


def _design(results: Results) -> str:
    design = results.design
    factors = [f"{factor.title} ({', '.join(factor.labels)})" for factor in results.factors]
    text = f"{'A full factorial design of ' if len(factors) > 1 else 'One factor, '}{listing(factors)}"
    seeds = design.get("seeds")
    if results.sequential is not None:
        text += f", sequential: at most {plural(results.sequential['budget'], results.block or 'block')} in every cell."
    else:
        text += f", with {plural(len(seeds), results.block or 'repetition')} in every cell." if seeds else "."
    if design.get("network"):
        text += f" Network {design['network']}"
        data = (design.get("data") or {}).get("name")
        if design.get("train_images"):
            text += f", trained on {design['train_images']:,} images{f' of {data}' if data else ''}"
        if design.get("epochs"):
            text += f" for {plural(design['epochs'], 'epoch')}"
        if design.get("batch_size"):
            text += f" in batches of {design['batch_size']}"
        text += "."
    if results.block:
        text += (
            f" All cells of one {results.block} share what it decides, so the {results.block} is a block and "
            "differences are taken within it."
        )
    return text


def _outcome(results: Results) -> str:
    response = results.response
    if not results.counts:
        lost = sum(row.get("diverged", 0) for row in results.cells)
        diverged = (
            f" {plural(lost, 'run')} diverged, without a number: counted as collapsed, in no mean, and bounded under "
            "Checks."
            if lost
            else ""
        )
        unit = f", in {response.unit}" if response.unit else ""
        return f"The outcome is the {response.name}{unit}; {response.toward('higher', 'lower')}.{diverged}"
    if not results.design.get("network"):
        return (
            f"The outcome is the {response.name}, successes of {results.trials:,} trials a run. It is analysed in "
            "percentage points and as log odds of error, log((n − k + ½) / (k + ½)) for k of n (Haldane "
            "1956; Anscombe 1956). Every run counts as it scored, diverged ones too."
        )
    last = " after the last epoch; no best epoch is chosen" if results.design.get("epochs") else ""
    return (
        f"The outcome is the number of right answers on the test set{last}. It is analysed in percentage points and "
        "as log odds of error, log((n − k + ½) / (k + ½)) for k right of n (Haldane 1956; Anscombe 1956). Every run "
        "counts as it scored, diverged ones too."
    )


def _inference(results: Results) -> str:
    if not results.contrasts:
        return ""
    errors = (
        f"errors robust to the likeness of runs of one {results.block} (CR2: Bell and McCaffrey 2002; Satterthwaite's "
        "degrees of freedom: Pustejovsky and Tipton 2018)"
        if results.block
        else "a variance of its own for each cell (Welch 1947)"
    )
    adjustment = (
        "the largest of correlated t statistics (max-T: Hothorn, Bretz and Westfall 2008)"
        if results.simultaneous
        else "Holm's procedure (Holm 1979)"
    )
    compared = (
        f"Each arm is compared with {results.focus.label(results.control)}, averaged over the other factors with equal "
        "weights"
    )
    if results.sequential is not None:
        text = (
            f"{compared}, by sequential t tests of the {results.block}s' differences: e-processes with a half-normal "
            "mixture over positive and over negative effects, and their confidence sequences (Robbins 1970; Lai 1976; "
            "Wang and Ramdas 2024). They hold at any number of looks; the level is shared over the arms (Bonferroni)."
        )
    else:
        text = f"{compared}, with {errors}. Intervals and p values are adjusted together, by {adjustment}."
    if results.margin:
        turned = "" if results.response.higher else "Lower is better. "
        side, other = ("above", "below") if results.response.higher else ("below", "above")
        text += (
            f" A difference matters from {results.margin:g}{results.response.difference_unit} on. "
            f"{turned}The labels: better and matters, if the interval lies {side} 0 and the estimate reaches the "
            "margin; equivalent, if two one-sided tests show that the difference is smaller than the margin "
            f"(Schuirmann 1987), and better but negligible if its interval lies {side} 0 as well; worse, if the "
            f"interval lies {other} 0; inconclusive otherwise. An arm that collapses more often than the control is "
            "labelled so, whatever its mean."
        )
    return text


def _collapse(results: Results) -> str:
    if results.collapse is None:
        return ""
    bound = results.response.beyond(results.collapse["threshold"])
    exact = "Shares have exact intervals (Clopper and Pearson 1934)."
    return f"A run has collapsed if it {f'ends{bound} or ' if bound else ''}diverges. {exact}"


def _absent(results: Results) -> str:
    about: Any = results.objects.get("analysis") or {}
    reasons = [f"{name}: {reason}" for name, reason in (about.get("absent") or {}).items()]
    return f"Not computed: {'; '.join(reasons)}" if reasons else ""
