"""Where a sequential study settled each contrast, beside what other designs would have done."""

from study.report.results import Results, Row, level_key
from study.report.tables.table import Column, Table, entries, plain
from study.report.text import THIN, difference, interval


def settled(results: Results) -> Table | None:
    """One row an arm."""
    about = results.sequential
    if not about:
        return None
    block = results.block or "block"
    unit = f"{THIN}pp" if results.counts else ""
    rows = []
    for arm in about["arms"]:
        path = [row for row in results.lists["sequential_path"] if level_key(row["level"]) == level_key(arm["level"])]
        last = path[-1] if path else None
        rows.append(
            entries(
                results.focus.label(arm["level"]),
                arm["settled_at"] if arm["settled_at"] is not None else f"open after {arm['blocks']}",
                arm["verdict"],
                f"{difference(last['estimate'])}{unit}" if last else None,
                interval(last["ci_low"], last["ci_high"]) if last else None,
                arm["fixed_blocks"],
                _naive(arm, block),
            )
        )
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column("Settled after"),
        Column("Conclusion", words=True),
        Column("Difference", wide=True),
        Column("Interval"),
        Column("Fixed design", wide=True),
        Column("Naive peeking", words=True, wide=True),
    )
    caption = (
        f"In {block}s. Fixed design: how many would show the same with a chance of 80{THIN}%, planned in advance by "
        "someone who knew difference and spread as they were found here. Naive peeking: the first conclusion of "
        "someone who looks as often, takes the ordinary t interval, and stops as soon as it tells something."
    )
    return Table("settled", "Where each contrast was settled", caption, columns, plain(rows))


def _naive(arm: Row, block: str) -> str:
    found = arm["naive"]
    return f"{found['verdict']}, after {found['blocks']} {block}s" if found else "no conclusion"
