"""A sentence or two for each check: how many seeds would have done, what collapsed, what the diagnostics say."""

from study.report.results import Results, level_key
from study.report.text import THIN, listing, of, p_value, plural, share
from study.report.verdict import COLLAPSES, Verdict


def enough(results: Results, conclusion: Verdict) -> tuple[str, ...]:
    """How many blocks would have been enough to find what was found."""
    fallen = {arm.level for arm in conclusion.arms if arm.label == COLLAPSES}
    block = results.block or "run"
    parts = []
    for row in (results.objects.get("luck") or {}).get("contrasts", ()):
        found = row.get("seeds_enough") or {}
        if level_key(row["level"]) not in fallen and found.get("grid") is not None:
            cell = f", {found['cell']:,} with one cell alone" if found.get("cell") and results.others else ""
            parts.append(f"{results.focus.label(row['level'])} {plural(found['grid'], block)}{cell}")
    if not parts:
        return ()
    return (
        f"To find a difference as large as the one found here, this many would have been enough: {'; '.join(parts)}. A "
        "lucky difference makes that look easier than it is.",
    )


def collapse(results: Results) -> tuple[str, ...]:
    """How many runs collapsed, and what none at all still allows."""
    if results.collapse is None:
        return ()
    arms = results.collapse["arms"]
    fallen, runs = (sum(row[key] for row in arms) for key in ("collapsed", "runs"))
    diverged = sum(row.get("diverged", 0) for row in arms)
    text = f"{of(fallen, runs)} runs collapsed" + (f", {diverged:,} of them by divergence." if diverged else ".")
    spared = [row for row in arms if not row["collapsed"] and row.get("ci_high") is not None]
    if spared:
        bounds = [f"{results.focus.label(row['level'])} {share(row['ci_high'])}" for row in spared]
        text += f" Where none did, the true rate may still be as high as: {', '.join(bounds)}."
    return (text,)


def checks(results: Results) -> tuple[str, ...]:
    """Whether the conclusions hang on one block, and whether seeds were seeds."""
    found = results.objects.get("diagnostics")
    if not found:
        return ()
    block = results.block or "run"
    parts = []
    rows = [row for row in found["influence"] or () if row.get("sign_changes") is not None]
    if rows:
        turned = [results.focus.label(row["level"]) for row in rows if row["sign_changes"]]
        parts.append(
            f"Without one {block}, the sign of the contrast changes for {listing(turned)}."
            if turned
            else f"No contrast changes its sign when any one {block} is left out."
        )
    spread = (found.get("levene") or {}).get("p")
    if spread is not None:
        parts.append(
            f"The cells {'differ' if spread < results.alpha else 'do not differ clearly'} in spread "
            f"(p{THIN}{_p(spread)}), which the contrasts allow."
        )
    parts.append(
        f"Different {block}s gave the same run, so the replication is not one: see below."
        if found["seeding"].get("broken")
        else f"No two {block}s gave the same run."
    )
    return (" ".join(parts),)


def _p(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"={THIN}{text}"
