"""What made the numbers, and what it cost."""

from collections.abc import Sequence

from study.report.format import THIN, listing, moment, share
from study.report.parts.section import Section, made
from study.report.parts.table import Table, facts
from study.report.results import Results, Row
from study.words import duration


def section(results: Results) -> Section | None:
    return made("provenance", "Provenance and cost", (origin(results), cost(results)), appendix=True)


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
