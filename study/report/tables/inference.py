"""The inferences in tables: tests of the factors, of interactions, on new images, of luck, by the mixed model."""

import math
import re
from typing import Any

from study.report.results import Factor, Results, Row, level_key
from study.report.tables.table import Column, Table, entries, plain
from study.report.text import difference, interval, number, optional, p_value, share, significant, times


def anova(results: Results) -> Table | None:
    """The tests of the factors and their interactions."""
    paired = results.block is not None
    rows = [
        entries(
            results.term_label(row["term"]),
            f"{_df(row['df1'])}, {optional(row['df2'], _df)}",
            optional(row["F"], lambda value: significant(value, 3)),
            p_value(row["p"]),
            *(
                (p_value(row.get("p_gg")), optional(row.get("epsilon_gg"), lambda value: number(value, 2)))
                if paired
                else ()
            ),
            optional(row.get("ges"), lambda value: number(value, 3)),
        )
        for row in results.lists["anova"]
    ]
    if not rows:
        return None
    columns = (
        Column("Term", words=True),
        Column("df", wide=True),
        Column("F"),
        Column("p", wide=paired),
        *((Column("p, corrected"), Column("ε", wide=True)) if paired else ()),
        Column("η²"),
    )
    scale = "log odds of error" if results.counts else f"the {results.response.name}"
    caption = (
        f"Repeated-measures analysis of variance of {scale} over {results.block}s. p, corrected: for unequal "
        "variances of differences, by Greenhouse and Geisser; ε: their epsilon; η²: generalised eta squared."
        if paired
        else f"Factorial analysis of variance (type III) of {scale} over independent runs, with the pooled variation "
        "within cells as its error; η²: generalised eta squared."
    )
    return Table("anova", "Analysis of variance", caption, columns, plain(rows))


def interactions(results: Results) -> Table | None:
    """How each contrast changes between the levels of each other factor."""
    rows = []
    for row in results.lists["interactions"]:
        if row["scale"] != results.scale:
            continue
        change = _effect(results, row["estimate"])
        bounds = _bounds(results, row["ci_low"], row["ci_high"])
        rows.append(
            entries(
                results.focus.label(row["level"]),
                _change(results, row["cell"]),
                change,
                bounds,
                p_value(row["p_adjusted"]),
            )
        )
    if not rows:
        return None
    what = "Ratio of odds ratios" if results.counts else f"Change{_unit(results)}"
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column("From … to …", words=True),
        Column(what),
        Column("Interval", wide=True),
        Column("p, adjusted"),
    )
    caption = (
        "How the effect of each arm changes from one level of another factor to the next, averaged over the rest"
        + ("; 1× is no change, above 1× the effect on errors is worse." if results.counts else "; 0 is no change.")
    )
    return Table("interaction-tests", "Does the effect change?", caption, columns, plain(rows))


def scopes(results: Results) -> Table | None:
    """The differences on these test images, and on new images too."""
    found = results.objects.get("images")
    rows = []
    for row in (found or {}).get("contrasts", ()):
        here, new = row.get("these_images"), row.get("new_images_too")
        if here and new and here["se"] is not None:
            pairs = row.get("mcnemar") or {}
            rows.append(
                entries(
                    results.focus.label(row["level"]),
                    f"{difference(row['estimate_pp'])}\N{NARROW NO-BREAK SPACE}pp",
                    interval(here["ci_low"], here["ci_high"]),
                    interval(new["ci_low"], new["ci_high"]),
                    p_value(new["p"]),
                    f"{pairs['better']:,} / {pairs['worse']:,} of {pairs['pairs']:,}" if pairs else None,
                )
            )
    if not found or not rows:
        return None
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column("Difference"),
        Column("On these images", wide=True),
        Column("On new images too"),
        Column("p, new images", wide=True),
        Column("Pairs better / worse", wide=True),
    )
    caption = (
        f"Unadjusted intervals for new {results.block or 'run'}s scored on these {found['images']:,} test images, "
        f"and for new {results.block or 'run'}s on new images of the same kind (both random; multi-reader multi-case "
        "analysis). Pairs: single runs of the same cell that McNemar's test tells apart, for and against."
    )
    return Table("scopes", "On this test set, and on new images", caption, columns, plain(rows))


def luck(results: Results) -> Table | None:
    """What a handful of runs would have said."""
    rows = []
    runs: list[int] = []
    for found in (results.objects.get("luck") or {}).get("contrasts", ()):
        single = found.get("single_run") or {}
        wrong = single.get("wrong_way") or []
        better, enough = single.get("better") or {}, found.get("seeds_enough") or {}
        posterior = (found.get("posterior") or {}).get(results.difference_scale) or {}
        runs = [chance["runs"] for chance in wrong] or runs
        headline = next((h["model"] for h in single.get("false_headline") or [] if h["runs"] == 1), None)
        chance = better.get("paired") if better.get("paired") is not None else better.get("unpaired")
        rows.append(
            entries(
                results.focus.label(found["level"]),
                *(optional(w["model"], share) for w in wrong),
                optional(chance, share),
                optional(headline, share),
                optional(posterior.get("matters"), share),
                enough.get("cell"),
                enough.get("grid"),
            )
        )
    if not rows or len({len(row) for row in rows}) > 1:
        return None
    block = results.block or "run"
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        *(Column(f"Wrong, {count} {'run' if count == 1 else 'runs'}", wide=count != 1) for count in runs),
        Column("Better"),
        Column("False headline", wide=True),
        Column("Matters", wide=True),
        Column(f"{block.capitalize()}s, one cell"),
        Column(f"{block.capitalize()}s, all cells", wide=True),
    )
    caption = (
        f"Against {results.focus.label(results.control)}. Wrong: chance that the mean of so many runs of each, in "
        "one cell, puts them in the wrong order. Better: share of pairs of single runs in which the arm is ahead. "
        "False headline: chance that two single runs differ by more than the margin if there were no effect. "
        f"Matters: probability that the difference exceeds the margin (flat prior). {block.capitalize()}s that would "
        "have been enough to find the difference as it was found here, an underestimate when it was lucky."
    )
    return Table("luck", "What a handful of runs would have said", caption, columns, plain(rows))


def mixed(results: Results) -> tuple[Table, ...]:
    """The mixed model: its contrasts and its variance components."""
    found = results.objects.get("mixed")
    if not found:
        return ()
    contrasts = []
    for row in found["contrasts"]:
        effect, bounds = _effect(results, row["estimate"]), _bounds(results, row["ci_low"], row["ci_high"])
        contrasts.append(
            entries(
                results.focus.label(row["level"]), effect, bounds, optional(row["df"], _df), p_value(row["p_adjusted"])
            )
        )
    what = "Odds ratio of an error" if results.counts else f"Difference{_unit(results)}"
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column(what),
        Column("Interval"),
        Column("df", wide=True),
        Column("p, adjusted"),
    )
    terms = str(found["random"]).split(" + ")
    # What the model says of itself names its terms as the formula does.
    said = str(found.get("message", ""))
    for term in sorted(terms, key=len, reverse=True):
        said = re.sub(rf"(?<![\w:]){re.escape(term)}(?![\w:])", results.term_label(term), said)
    caption = (
        f"Random terms {' + '.join(map(results.term_label, terms))}; restricted maximum likelihood, Kenward and "
        f"Roger's degrees of freedom. {said}"
    )
    tables = [Table("mixed", "The mixed model's contrasts", caption.strip(), columns, plain(contrasts))]
    components = [
        entries(
            "the single run" if row["term"] == "residual" else results.term_label(row["term"]),
            optional(row["sd"], significant),
            f"{optional(row['sd_low'], significant)} to {optional(row['sd_high'], significant)}",
        )
        for row in found["variance_intervals"]
    ]
    sources = (Column("Source", words=True), Column("Standard deviation"), Column("Interval"))
    scale = "log odds of error" if results.counts else results.response.name
    caption = f"On the scale of the {scale}; intervals by profile likelihood."
    tables.append(Table("components", "Its variance components", caption, sources, plain(components)))
    return tuple(tables)


def ranks(results: Results) -> Table | None:
    """Mean ranks of all arms, the control too."""
    found = results.objects.get("ranks")
    if not found:
        return None
    arms = sorted(found["arms"], key=lambda arm: arm["mean_rank"])
    rows = [entries(results.focus.label(arm["level"]), number(arm["mean_rank"], 2)) for arm in arms]
    columns = (Column(results.focus.title.capitalize(), words=True), Column("Mean rank"))
    gap = found.get("critical_difference")
    caption = (
        f"1 is best in every one of the {found['blocks']} {results.block or 'block'}s. Friedman's test: p "
        f"{p_value(found.get('p'))}"
        + ("." if gap is None else f"; ranks that differ by more than {number(gap, 2)} differ (Nemenyi).")
    )
    return Table("ranks", "Ranks", caption, columns, plain(rows))


def choices(results: Results) -> Table | None:
    """Which level each arm chose when it was tuned."""
    found = results.objects.get("tuned")
    if not found:
        return None
    factor = next((f for f in results.others if f.name == found["factor"]), None)
    if factor is None:
        return None
    rows = []
    for row in found["choices"]:
        shares = {level_key(level): value for level, value in row["shares"].items()}
        where = results.cell_label(row["cell"]) if row["cell"] else "all runs"
        rows.append(
            entries(
                results.focus.label(row["arm"]),
                where,
                factor.label(row["best"]),
                *(share(shares.get(level, 0.0)) for level in factor.levels),
            )
        )
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column("Cell", words=True),
        Column("Best"),
        *(Column(label, wide=True) for label in factor.labels),
    )
    caption = (
        f"How often each {factor.title} was chosen, over {found['splits']} random halvings, and the choice on all "
        f"{results.block}s."
    )
    return Table("choices", f"The {factor.title} each arm chose", caption, columns, plain(rows))


def checks(results: Results) -> Table | None:
    """Tests of what the tests assume."""
    found = results.objects.get("diagnostics")
    if not found:
        return None
    block = results.block or "block"
    rows = []
    levene, shapiro, icc = (found.get(key) or {} for key in ("levene", "shapiro", "block_correlation"))
    if levene.get("p") is not None:
        rows.append(
            entries(
                "Equal spread in all cells",
                f"F {significant(levene['statistic'], 3)}, p {p_value(levene['p'])}",
                "Brown and Forsythe",
            )
        )
    if shapiro.get("p") is not None:
        rows.append(
            entries(
                "Normal residuals",
                f"W {number(shapiro['statistic'], 3)}, p {p_value(shapiro['p'])}",
                "Shapiro and Wilk",
            )
        )
    if icc.get("icc") is not None:
        bounds = f"{number(icc['ci_low'], 2)} to {number(icc['ci_high'], 2)}"
        rows.append(
            entries(f"Runs of one {block} alike", f"{number(icc['icc'], 2)} ({bounds})", "intraclass correlation")
        )
    rows += [
        entries(
            f"Pairing, {results.focus.label(row['level'])}",
            number(row["variance_ratio"], 2),
            "variance of the difference against unpaired runs",
        )
        for row in found.get("pairing") or ()
        if row["variance_ratio"] is not None
    ]
    rows += [
        entries(
            f"Influence, {results.focus.label(row['level'])}",
            f"{number(row['largest_change'], 2)} SE" + (", the sign turns" if row["sign_changes"] else ""),
            f"largest change without one {block} ({row['largest_block']})",
        )
        for row in found.get("influence") or ()
        if row["largest_change"] is not None
    ]
    rows.append(
        entries("Seeding", found["seeding"].get("in_words") or "–", "repeated weights, predictions or outcomes")
    )
    columns = (Column("Check", words=True), Column("Found", words=True), Column("By", words=True, wide=True))
    caption = (
        "They inform and choose nothing: the contrasts need none of them, as each has its own error over whole blocks."
    )
    return Table("checks", "Checks", caption, columns, plain(rows))


def _unit(results: Results) -> str:
    return f", {results.response.unit}" if results.response.unit else ""


def _effect(results: Results, value: float | None) -> str | None:
    if value is None:
        return None
    return f"{times(math.exp(value))}×" if results.counts else results.response.change(value)


def _bounds(results: Results, low: float | None, high: float | None) -> str | None:
    if low is None or high is None:
        return None
    return (
        f"{times(math.exp(low))} to {times(math.exp(high))}" if results.counts else results.response.bounds(low, high)
    )


def _change(results: Results, cell: Row) -> str:
    """The levels of the factor in `cell`, such as {"dropout": "0.3 - 0.0"}, in words: no dropout → dropout rate 0.3."""
    parts = []
    for name, change in cell.items():
        factor = next((f for f in results.others if f.name == name), None)
        parts.append(_from_to(factor, str(change)) if factor else str(change))
    return " · ".join(parts)


def _from_to(factor: Factor, change: str) -> str:
    pieces = change.split(" - ")
    for i in range(1, len(pieces)):
        after, before = " - ".join(pieces[:i]), " - ".join(pieces[i:])
        if {level_key(after), level_key(before)} <= set(factor.levels):
            return f"{factor.words(before)} → {factor.words(after)}"
    return change


def _df(value: Any) -> str:
    return number(value, 0 if abs(value - round(value)) < 1e-6 else 1)
