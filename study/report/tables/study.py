"""The study in tables: its cells, its collapsed runs, where its numbers come from and what they cost."""

from collections.abc import Sequence

from study.report.results import Results, Row, level_key
from study.report.tables.table import Cell, Column, Group, Table, entries, facts, plain
from study.report.text import duration, listing, moment, optional, p_value, sentence, share


def cells(results: Results) -> Table | None:
    """Every cell of the design, by arm."""
    if not results.cells:
        return None
    focus = results.focus
    response = results.response
    show = response.value
    groups = []
    for position, level in enumerate(_levels(results)):
        rows = tuple(
            entries(
                results.cell_label(row["levels"]),
                row["runs"],
                optional(row["median"], show),
                optional(row.get("mean"), show),
                optional(row.get("sd"), response.spread),
                optional(row["min"], show),
                optional(row["max"], show),
                row.get("collapsed", 0),
                row.get("diverged", 0),
            )
            for row in results.cells
            if level_key(row["levels"][focus.name]) == level
        )
        if rows:
            groups.append(Group(focus.label(level), position, rows))
    columns = (
        Column("Cell", words=True),
        Column("Runs", wide=True),
        Column("Median"),
        Column("Mean", wide=True),
        Column(f"SD{response.difference_unit and f',{response.difference_unit}'}", wide=True),
        Column("Lowest"),
        Column("Highest"),
        Column("Collapsed"),
        Column("Diverged", wide=True),
    )
    some = "" if response.counts else " that have a number"
    caption = f"Over all runs of a cell{some}, collapsed ones too."
    return Table("cells", f"{sentence(response.name)} by cell", caption, columns, tuple(groups))


def collapsed(results: Results) -> Table | None:
    """Collapsed runs: a cell a row, an arm a column; None if no run collapsed or there is one cell only."""
    found = results.collapse
    if found is None or not results.others or not any(row["collapsed"] for row in found["cells"]):
        return None
    counts = {tuple(level_key(row["levels"][f.name]) for f in results.factors): row for row in found["cells"]}
    levels = _levels(results)
    rows = []
    for cell in results.cell_grid():
        row = [Cell(results.cell_label(cell))]
        for level in levels:
            here = counts.get((level, *cell.values()))
            row.append(Cell("–") if here is None else Cell(f"{here['collapsed']}/{here['runs']}", here["rate"]))
        rows.append(tuple(row))
    columns = (Column("Cell", words=True), *(Column(results.focus.label(level)) for level in levels))
    caption = "Collapsed runs of all runs, by cell. A stronger ground is a larger share."
    return Table("collapse", "Collapsed runs by cell", caption, columns, plain(rows), broad=True)


def collapse_tests(results: Results) -> Table | None:
    """Whether an arm collapses more often than the control."""
    found = results.collapse
    comparisons = found.get("comparisons") if found else None
    if not found or not comparisons or not any(row["collapsed"] for row in found["arms"]):
        return None
    rates = {level_key(row["level"]): row for row in found["arms"]}
    rows = []
    for row in comparisons:
        arm = rates[level_key(row["level"])]
        rows.append(
            entries(
                results.focus.label(row["level"]),
                share(arm["rate"]),
                f"{share(arm['ci_low'])} to {share(arm['ci_high'])}" if "ci_low" in arm else None,
                p_value(row.get("p_adjusted")),
            )
        )
    block = results.block
    test = (
        f"exact, by flips of whole {block}s, which allow runs of one {block} to be alike"
        if block
        else "Fisher's exact test of independent runs"
    )
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column("Collapsed"),
        Column("Interval", wide=True),
        Column("p, adjusted"),
    )
    caption = f"Against {results.focus.label(results.control)}. p: {test}; adjusted by Holm."
    return Table("collapse-tests", "Do they collapse more often?", caption, columns, plain(rows))


def provenance(results: Results) -> Table | None:
    """What made the numbers."""
    made, design = results.provenance, results.design
    counts = made.get("runs") or {}
    data = [(design.get("data") or {}).get("name"), made.get("data_digest")]
    rows = [
        ("Runs", _counts(counts) if counts else ""),
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
    trainer = design.get("trainer") or {}
    rows.insert(1, ("Trainer", str(trainer.get("command") or trainer.get("function") or "")))
    caption = "Read from the records of the runs. More than one plan digest or commit would mean a change on the way."
    return facts("provenance", "What made these numbers", caption, rows)


def cost(results: Results) -> Table | None:
    """What it cost."""
    spent = results.provenance.get("cost") or {}
    seconds, trainings = spent.get("training_seconds"), spent.get("trainings")
    rows = [
        ("Trainings", "" if trainings is None else f"{trainings:,}"),
        ("Training time", "" if seconds is None else duration(seconds)),
        ("Time of one training", duration(seconds / trainings) if seconds and trainings else ""),
        ("Evaluation time", "" if not spent.get("evaluation_seconds") else duration(spent["evaluation_seconds"])),
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


def missing(results: Results) -> Table | None:
    """What missing runs could change at most."""
    found = results.objects.get("missing")
    if not found or not found["missing"] or not found["bounds"]:
        return None
    show = results.response.difference
    lost = not results.counts and any(row.get("diverged") for row in results.cells)
    rows = [
        entries(results.focus.label(row["level"]), *(optional(row[key], show) for key in ("estimate", "low", "high")))
        for row in found["bounds"]
    ]
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column("As it is"),
        Column("At worst"),
        Column("At best"),
    )
    caption = (
        f"{found['missing']:,} of {found['planned']:,} runs are missing"
        f"{', or diverged without a number' if lost else ''}. The difference if all of the arm's missing runs had "
        "ended like the worst run and the control's like their cell, and the other way round."
    )
    return Table("missing", "What missing runs could change", caption, columns, plain(rows))


def negative_control(results: Results) -> Table | None:
    """The control against itself under other seeds, beside the real contrasts."""
    found = results.objects.get("negative_control")
    if not found:
        return None
    scale = "pp" if results.counts else "response"
    show = results.response.difference
    again = [row for row in found["contrasts"] if row["scale"] == scale and not row["cell"]]
    real = [row for row in results.lists["contrasts"] if row["scale"] == scale]
    rows = [
        entries(
            name,
            show(row["estimate"]),
            f"{optional(row['ci_low'], show)} to {optional(row['ci_high'], show)}",
            p_value(row["p_adjusted"]),
        )
        for name, row in [
            *((f"{results.focus.label(row['control'])}, other seeds", row) for row in again),
            *((results.focus.label(row["level"]), row) for row in real),
        ]
    ]
    columns = (
        Column(results.focus.title.capitalize(), words=True),
        Column("Difference"),
        Column("Interval"),
        Column("p, adjusted"),
    )
    caption = (
        "The control was trained once more under other seeds. Nothing sets the two apart: its interval should hold 0, "
        f"except in {100 * found['alpha']:g} of 100 studies. The real contrasts stand below it for comparison."
    )
    return Table("negative-control", "A negative control", caption, columns, plain(rows))


def _levels(results: Results) -> list[str]:
    return sorted(results.focus.levels, key=lambda level: level != results.control)


def _counts(counts: Row) -> str:
    parts = [f"{counts.get('done', 0):,} of {counts.get('planned', 0):,} planned"]
    parts += [f"{counts[name]:,} {name}" for name in ("diverged", "missing") if name in counts]
    return ", ".join(parts)


def _use(use: Row) -> str:
    rest = 1 - use["training"] - use["scoring"]
    return (
        f"{share(use['training'])} training steps, {share(use['scoring'])} scoring, {share(rest)} start-up and waiting"
    )


def _versions(found: object) -> str:
    return " and ".join(map(str, found)) if isinstance(found, list) else str(found)


def _joined(values: Sequence[object] | None) -> str:
    return listing([str(value) for value in values or [] if value])
