"""From records to tables: one row a run, one row a run and epoch, one row a run, epoch and layer."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from study.cost import cost
from study.design import Cell
from study.errors import StudyError
from study.files import replacing, write_json
from study.plan import Plan
from study.records import Record, Store
from study.training.version import ENGINE_VERSION


@dataclass(frozen=True)
class Tables:
    """The collected study.

    Attributes:
        runs: one row a run; the columns are described in docs/files.md.
        curves: one row a run and epoch.
        gap: one row a run with batch normalisation, epoch and layer.
        provenance: where the records come from and what they cost.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    gap: pd.DataFrame
    provenance: dict[str, Any]


def collect(plan: Plan, store: Store, partial: bool = False) -> Tables:
    """Read every run of the design from the store.

    Args:
        plan: the design.
        store: the records.
        partial: whether the study may still go on: the tables hold the runs that are recorded so far.

    Raises:
        StudyError: a record is missing (if `partial`: every record is), damaged, or of another run.
    """
    planned = plan.runs()
    absent = [(cell, seed) for run_id, cell, seed in planned if not store.path(run_id).exists()]
    if partial:
        planned = [run for run in planned if store.path(run[0]).exists()]
        if not planned:
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
    rows, curves, gaps, records = [], [], [], []
    for run_id, cell, seed in planned:
        record = store.load(run_id)
        records.append(record)
        key = {"run_id": run_id, **_levels(cell, plan), "seed": seed}
        rows.append(key | _row(record, cell))
        curves.append(pd.DataFrame(key | record.curve | {"validation_trials": record.validation.trials}))
        if record.gap is not None:
            gaps.append(pd.DataFrame(key | record.gap))
    columns = ["run_id", *planned[0][1].levels, "seed", "epoch", "layer", "log_variance_ratio", "mean_shift"]
    return Tables(
        runs=pd.DataFrame(rows),
        curves=pd.concat(curves, ignore_index=True),
        gap=pd.concat(gaps, ignore_index=True) if gaps else pd.DataFrame(columns=columns),
        provenance=_provenance(plan, records),
    )


def write(tables: Tables, folder: Path) -> None:
    """Write `provenance.json` and the tables as Parquet, the runs also as CSV (without the bits)."""
    for name, frame in (("runs", tables.runs), ("curves", tables.curves), ("statistics_gap", tables.gap)):
        with replacing(folder / f"{name}.parquet") as temporary:
            frame.to_parquet(temporary, index=False)
    with replacing(folder / "runs.csv") as temporary:
        tables.runs.drop(columns="correct_bits").to_csv(temporary, index=False)
    write_json(folder / "provenance.json", tables.provenance)


def _levels(cell: Cell, plan: Plan) -> dict[str, Any]:
    """The cell's levels; a negative control is a word, so beside it the levels of its factor are words too."""
    if not plan.config["design"]["negative_control"]:
        return cell.levels
    (focus,) = plan.config["design"]["control"]
    return cell.levels | {focus: str(cell.levels[focus])}


def _row(record: Record, cell: Cell) -> dict[str, Any]:
    test, validation = record.test, record.validation
    shared_by = record.cost["shared_by"]
    return {
        "status": record.status,
        "test_correct": test.correct["moving"],
        "test_trials": test.trials,
        "test_correct_population": test.correct["population"],
        "test_correct_batch": test.correct["batch"],
        "validation_correct": validation.correct["moving"],
        "validation_trials": validation.trials,
        "validation_correct_population": validation.correct["population"],
        "validation_correct_batch": validation.correct["batch"],
        "test_loss": test.loss["moving"],
        "trajectory": cell.trajectory,
        # A shared training is paid once; each of its runs carries its part.
        "training_seconds": record.cost["training_seconds"] / shared_by,
        "evaluation_seconds": record.cost["evaluation_seconds"] / shared_by,
        "images_per_second": record.cost["images_per_second"],
        "weights_digest": record.digests["weights"],
        "predictions_digest": record.digests["predictions"],
        "correct_bits": record.bits().tobytes(),
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


def _provenance(plan: Plan, records: list[Record]) -> dict[str, Any]:
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
        "data_digest": plan.data_digest,
        "engine_version": ENGINE_VERSION,
        "plan_digests": distinct([source["plan_digest"] for source in sources]),
        "deviations": _deviations(plan, records),
        "runs": {
            "planned": len(plan.runs()),
            "done": len(records),
            "ok": sum(record.status == "ok" for record in records),
            "diverged": sum(record.status == "diverged" for record in records),
            "missing": len(plan.runs()) - len(records),
        },
        "cost": cost(plan.name, records),
    }
