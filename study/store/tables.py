"""From records to tables: one row a run, one row a run and epoch."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from study.design.factorial import Cell, factors
from study.design.plan import Plan
from study.errors import MALFORMED, StudyError
from study.files import replacing, write_json
from study.store.cost import cost
from study.store.record import HINT, Record, RecordReader, Store
from study.words import level_text


@dataclass(frozen=True)
class Tables:
    """The collected study.

    Attributes:
        runs: one row a run; the columns are described in docs/files.md.
        curves: one row a run and epoch.
        provenance: where the records come from and what they cost.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    provenance: dict[str, Any]


def collect(
    plan: Plan, reader: RecordReader, store: Store, partial: bool = False, allocation: Mapping[str, int] | None = None
) -> Tables:
    """Read every run of the design from the store; of a sequential one the runs of its `allocation`.

    Args:
        reader: the design's trainer.
        partial: whether the study may still go on: the tables hold the runs that are recorded so far.

    Raises:
        StudyError: a record is missing (if `partial`: every record is), damaged, or of another run.
    """
    planned = plan.runs(allocation)
    recorded = store.recorded()
    present = [run for run in planned if run[0] in recorded]
    absent = [run for run in planned if run[0] not in recorded]
    if partial and not present:
        raise StudyError(
            f"{store.root}: none of the {len(absent)} planned runs has a record yet; ask again when the first training "
            "has ended"
        )
    if absent and not partial:
        _, cell, seed = absent[0]
        raise StudyError(
            f"{store.root}: {len(absent)} of {len(planned)} records are missing, the first of trajectory "
            f"{cell.trajectory}, seed {seed}; run your `snakemake` command again with `--forcerun train`: they will be "
            "trained, no other"
        )
    runs, curves, records = [], [], []
    for run_id, cell, seed in present:
        record = store.load(run_id, reader)
        key = {"run_id": run_id, **_levels(cell, plan), "seed": seed}
        try:
            runs.append({**key, "status": record.status, **reader.columns(record), **_about(record, cell)})
            curves += rows(key, reader.curve(record))
        except MALFORMED as error:
            why = f"{type(error).__name__}: {error}"
            raise StudyError(f"{store.path(run_id)}: holds no result of this trainer ({why}); {HINT}") from None
        # What is large is in the tables now.
        records.append(replace(record, settings={}, curve={}, extra={}))
    return Tables(
        runs=table(runs),
        curves=table(curves) if curves else pd.DataFrame([key]).iloc[:0].assign(epoch=0),
        provenance=_provenance(plan, records, len(planned)),
    )


def rows(key: Mapping[Any, Any], columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The rows of columns of equal length, each after `key`."""
    return [{**key, **dict(zip(columns, values, strict=True))} for values in zip(*columns.values(), strict=True)]


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table of its rows; a column with nothing but gaps holds numbers."""
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(frame.columns[frame.isna().all()], float))


def write(tables: Tables, folder: Path) -> None:
    """Write `provenance.json` and the tables as Parquet, the runs also as CSV (without the bits)."""
    write_table(tables.runs, folder / "runs.parquet")
    write_table(tables.curves, folder / "curves.parquet")
    with replacing(folder / "runs.csv") as temporary:
        tables.runs.drop(columns="correct_bits", errors="ignore").to_csv(temporary, index=False)
    write_json(folder / "provenance.json", tables.provenance)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


def _levels(cell: Cell, plan: Plan) -> dict[str, Any]:
    """The cell's levels, numbers where all levels of a factor are numbers, else words.

    A negative control is a word, so with it the levels of its factor are words too.
    """
    declared = factors(plan.config)
    numeric = {name for name, levels in declared.items() if {type(level) for level in levels} <= {int, float}}
    return {name: level if name in numeric else level_text(level) for name, level in cell.levels.items()}


def _about(record: Record, cell: Cell) -> dict[str, Any]:
    """Where the run comes from, and what it cost: a shared training is paid once, each of its runs carries its part."""
    shared_by = record.cost["shared_by"]
    return {
        "trajectory": cell.trajectory,
        "training_seconds": record.cost["training_seconds"] / shared_by,
        "evaluation_seconds": record.cost["evaluation_seconds"] / shared_by,
        "plan_digest": record.provenance["plan_digest"],
        "host": record.provenance["host"],
        "commit": record.provenance["commit"],
    }


def _deviations(plan: Plan, records: list[Record]) -> list[str]:
    """What was done otherwise than planned, a sentence each: what the records show, and what the author declares."""
    others = Counter(
        (record.provenance["study"], record.provenance["plan_digest"])
        for record in records
        if record.provenance["plan_digest"] != plan.digest
    )
    found = [
        f"{count} of {len(records)} runs were recorded under another plan ({digest}, study {name}): before the plan "
        "was changed, or by a study that has runs in common with this one."
        for (name, digest), count in sorted(others.items())
    ]
    return [*found, *plan.config["report"]["deviations"]]


def _provenance(plan: Plan, records: list[Record], planned: int) -> dict[str, Any]:
    sources = [record.provenance for record in records]
    versions = [source["versions"] for source in sources]
    return {
        "schema": 1,
        "versions": {package: _distinct(versions, package) for package in versions[0]},
        "commits": _distinct(sources, "commit"),
        "hosts": _distinct(sources, "host"),
        "processors": _distinct(sources, "processor"),
        "devices": _distinct(sources, "device"),
        "data_digest": plan.origin.get("data"),
        "engine_version": plan.origin.get("engine"),
        "plan_digests": _distinct(sources, "plan_digest"),
        "deviations": _deviations(plan, records),
        "runs": {
            "planned": planned,
            "done": len(records),
            "ok": sum(record.status == "ok" for record in records),
            "diverged": sum(record.status == "diverged" for record in records),
            "missing": planned - len(records),
        },
        "cost": cost(plan.name, records),
    }


def _distinct(sources: list[dict[str, Any]], name: str) -> list[Any]:
    return sorted({source.get(name) for source in sources} - {None})
