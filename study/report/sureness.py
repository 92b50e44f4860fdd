"""How sure the verdict is, and of what."""

from study.report.format import THIN, difference, interval, listing, plural
from study.report.results import Results
from study.report.verdict import Verdict
from study.words import level_key


def sureness(results: Results, verdict: Verdict) -> tuple[str, ...]:
    """The paragraphs below the verdict."""
    if not verdict.arms:
        return ()
    parts = (_intervals(results), _unpaired(results), _scopes(results, verdict), _unknown(results))
    return tuple(part for part in parts if part)


def _intervals(results: Results) -> str:
    if results.sequential is None:
        return ""
    return (
        "The intervals hold at every look and whenever one stops, so that it does no harm that the study stopped when "
        "it had its answer. All other p values and intervals of this page are those of a number of "
        f"{results.unit}s fixed in advance: read them as a description."
    )


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


def _scopes(results: Results, verdict: Verdict) -> str:
    """On this test set, and on new images."""
    if "images" not in results.objects:
        return ""
    text = "The conclusion is about new trainings scored on this test set."
    parts = []
    for row in results.found("images")["contrasts"]:
        new = row.get("new_images_too")
        if level_key(row["level"]) not in verdict.fallen and new and new["ci_low"] is not None:
            bounds = interval(new["ci_low"], new["ci_high"])
            parts.append(f"{results.arm(row['level'])} {difference(row['estimate_pp'])}{THIN}pp ({bounds})")
    if parts:
        text += f" With the test images random too, so on new images of the same kind: {'; '.join(parts)}, unadjusted."
    return text


def _unknown(results: Results) -> str:
    """What a page made from a table alone cannot know."""
    if results.design:
        return ""
    block, about = results.block and results.unit, results.analysis
    text = (
        "This page was made from a table of runs. It cannot know whether the question, the margin and the number of "
        "runs were fixed before the first run; whether runs were made that the table does not hold; "
        + (f"whether runs of one {block} really have in common what makes them comparable; " if block else "")
        + "or with which code, data and machines they were made."
    )
    left_out = [f"{count:,} {word}" for word, count in (about.get("left_out") or {}).items()]
    if left_out:
        text += (
            f" Left out, as they have no outcome: {listing(left_out)}. If their levels made them end so, the "
            "comparison leaves that out too."
        )
    if about.get("without_number"):
        text += f" {plural(about['without_number'], 'finished run')} without a number count as diverged."
    return text
