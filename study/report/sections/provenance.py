"""What made the numbers, and what it cost."""

from collections.abc import Sequence
from operator import itemgetter

from study.report.format import THIN, listing, moment, share
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, facts, plain
from study.report.results import Results, Row
from study.words import duration


def section(results: Results) -> Section | None:
    items = (flow(results), origin(results), cost(results))
    return made("provenance", "Plan, provenance and cost", items, appendix=True)


def flow(results: Results) -> Table | None:
    """What was planned beside what was done; None for a table that no study made."""
    counts, design = results.provenance.get("runs") or {}, results.design
    if not counts or not design:
        return None
    plan, seeds = design["plan"], design.get("seeds") or ()
    analysed, done = len(results.runs), counts.get("done", 0)
    margin = plan.get("margin_pp", plan.get("margin"))
    rows = [
        (
            "Runs",
            f"{counts['planned']:,}",
            f"{done:,} trained, {counts.get('diverged', 0):,} diverged, {analysed:,} analysed",
        ),
        (f"{results.unit}s", f"{len(seeds):,}", f"{results.runs[results.block].nunique():,}" if results.block else ""),
        ("Margin", _margin(results, margin), _margin(results, results.margin)),
        ("Error rate of all comparisons", f"{plan['alpha']:g}", f"{results.alpha:g}"),
        (
            "Comparisons",
            f"each level with {results.arm(results.control)}",
            f"{len(results.contrasts)} on the first screen",
        ),
        ("All other results", "not planned", "exploratory: read them as a description"),
    ]
    columns = (
        Column("", itemgetter(0), words=True),
        Column("Planned", itemgetter(1), words=True),
        Column("Found", itemgetter(2), words=True),
    )
    return plain("flow", "Planned and found", "From the design, before the first run, to the page.", columns, rows)


def _margin(results: Results, margin: float | None) -> str:
    return results.response.margin(margin) if margin else "none"


def origin(results: Results) -> Table | None:
    """What made the numbers."""
    made, design = results.provenance, results.design
    trainer = design.get("trainer") or {}
    counts = made.get("runs") or {}
    data = [(design.get("data") or {}).get("name"), made.get("data_digest")]
    rows = [
        ("Runs", _counts(counts) if counts else ""),
        ("Trainer", str(trainer.get("command") or trainer.get("function") or "")),
        ("Deviations from the plan", " ".join(made["deviations"]) or "none" if "deviations" in made else ""),
        ("Data", " ".join(str(value) for value in data if value)),
        ("Plan digest", _joined(made.get("plan_digests") or [design.get("plan_digest")])),
        ("Commit", _joined(made.get("commits"))),
        ("Engine version", str(made.get("engine_version") or "")),
        ("Versions", ", ".join(f"{name} {_versions(found)}" for name, found in (made.get("versions") or {}).items())),
        ("Hosts", _joined(made.get("hosts"))),
        ("Processors", _joined(made.get("processors"))),
        ("Devices", _joined(made.get("devices"))),
    ]
    caption = "Read from the records of the runs. More than one plan digest or commit would mean a change on the way."
    return facts("provenance", "What made these numbers", caption, rows)


def cost(results: Results) -> Table | None:
    """What it cost."""
    spent = results.provenance.get("cost") or {}
    seconds, trainings = spent.get("training_seconds"), spent.get("trainings")
    rows = [
        ("Trainings", "" if trainings is None else f"{trainings:,}"),
        ("Training time", "" if seconds is None else _time(seconds)),
        ("Time of one training", _time(seconds / trainings) if seconds and trainings else ""),
        ("Evaluation time", "" if not spent.get("evaluation_seconds") else _time(spent["evaluation_seconds"])),
        ("Use of the cores", _use(spent["use"]) if spent.get("use") else ""),
        ("First record", moment(str(spent.get("first_record") or ""))),
        ("Last record", moment(str(spent.get("last_record") or ""))),
    ]
    caption = (
        "Times are sums over all trainings, whatever ran side by side. The cores' time runs from the start of "
        "Snakemake to the last record. Energy is not told: the counters of a processor, where they can be read at all, "
        "cover everything that runs on it and not one training."
    )
    return facts("cost", "Cost", caption, rows)


def _counts(counts: Row) -> str:
    parts = [f"{counts.get('done', 0):,} of {counts.get('planned', 0):,} planned"]
    parts += [f"{counts[name]:,} {name}" for name in ("diverged", "missing") if name in counts]
    return ", ".join(parts)


def _use(use: Row) -> str:
    rest = 1 - use["training"] - use["scoring"]
    return (
        f"{share(use['training'])} training steps, {share(use['scoring'])} scoring, {share(rest)} start-up and waiting"
    )


def _time(seconds: float) -> str:
    return duration(seconds).replace(" ", THIN)


def _versions(found: object) -> str:
    return " and ".join(map(str, found)) if isinstance(found, list) else str(found)


def _joined(values: Sequence[object] | None) -> str:
    return listing([str(value) for value in values or [] if value])
