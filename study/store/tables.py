"""From records to tables: one row a run, one row a run and epoch."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study.design.factorial import Cell, factors
from study.design.levels import level_text
from study.design.plan import Plan
from study.errors import StudyError
from study.files import replacing, write_json
from study.store.cost import cost
from study.store.record import Record, RecordReader, Store


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
    plan: Plan,
    reader: RecordReader,
    store: Store,
    partial: bool = False,
    allocation: Mapping[str, int] | None = None,
) -> Tables:
    """Read every run of the design from the store; of a sequential one the runs of its `allocation`.

    Args:
        plan: the design.
        reader: the design's trainer.
        store: the records.
        partial: whether the study may still go on: the tables hold the runs that are recorded so far.

    Raises:
        StudyError: a record is missing (if `partial`: every record is), damaged, or of another run.
    """
    planned = plan.runs(allocation)
    recorded = store.recorded()
    absent = [(cell, seed) for run_id, cell, seed in planned if run_id not in recorded]
    present = [run for run in planned if run[0] in recorded]
    if partial:
        if not present:
            raise StudyError(
                f"{store.root}: none of the {len(absent)} planned runs has a record yet; ask again when the first "
                "training has ended"
            )
    elif absent:
        cell, seed = absent[0]
        raise StudyError(
            f"{store.root}: {len(absent)} of {len(planned)} records are missing, the first of trajectory "
            f"{cell.trajectory}, seed {seed}; run your `snakemake` command again with `--forcerun train`: they will be "
            "trained, no other"
        )
    rows, curves, records = Columns(), Columns(), []
    for place, (run_id, cell, seed) in enumerate(present):
        record = store.load(run_id)
        row = {"run_id": run_id, **_levels(cell, plan), "seed": seed, "status": record.status}
        row |= reader.columns(record) | _about(record, cell)
        rows.extend(place, {name: [value] for name, value in row.items()})
        if curve := reader.curve(record):
            curves.extend(place, curve)
        # What is large is in the tables now.
        records.append(replace(record, settings={}, curve={}, extra={}))
    runs = rows.frame()
    keys = runs[["run_id", *planned[0][1].levels, "seed"]]
    return Tables(
        runs=runs,
        curves=curves.frame(keys) if curves.places else keys.iloc[:0].assign(epoch=0),
        provenance=_provenance(plan, records, len(planned)),
    )


class Columns:
    """A table that grows by columns: a data frame for each run would take a hundred times as long."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self._columns: dict[str, list[Any]] = {}

    def extend(self, place: int, columns: dict[str, list[Any]]) -> None:
        """Append the rows of the run at `place`; what a run lacks, or others lack, is None."""
        length = len(next(iter(columns.values())))
        for name in columns:
            if name not in self._columns:
                self._columns[name] = [None] * len(self.places)
        for name, values in self._columns.items():
            values.extend(columns.get(name) or [None] * length)
        self.places.extend([place] * length)

    def frame(self, keys: pd.DataFrame | None = None) -> pd.DataFrame:
        """The table, each row after the row of `keys` that is its run's."""
        # Numbers with gaps are numbers, also where there is nothing but gaps.
        found = {
            name: np.array(values, dtype=float) if _has_gaps(values) else values
            for name, values in self._columns.items()
        }
        table = pd.DataFrame(found)
        return table if keys is None else pd.concat([keys.iloc[self.places].reset_index(drop=True), table], axis=1)


def _has_gaps(values: list[Any]) -> bool:
    return any(value is None for value in values) and all(value is None or isinstance(value, float) for value in values)


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

    A negative control is a word, so beside it the levels of its factor are words too.
    """
    declared = factors(plan.config)
    return {
        name: level
        if all(isinstance(other, int | float) and not isinstance(other, bool) for other in declared[name])
        else level_text(level)
        for name, level in cell.levels.items()
    }


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
    def distinct(values: list[Any]) -> list[Any]:
        return sorted({value for value in values if value is not None})

    sources = [record.provenance for record in records]
    return {
        "schema": 1,
        "versions": {
            package: distinct([source["versions"].get(package) for source in sources])
            for package in sources[0]["versions"]
        },
        "commits": distinct([source["commit"] for source in sources]),
        "hosts": distinct([source["host"] for source in sources]),
        "processors": distinct([source["processor"] for source in sources]),
        "devices": distinct([source["device"] for source in sources]),
        "data_digest": plan.origin.get("data"),
        "engine_version": plan.origin.get("engine"),
        "plan_digests": distinct([source["plan_digest"] for source in sources]),
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
