"""What a study's records cost, and how much of the cores' time went into the runs."""

import datetime
from typing import Any

from study.store.record import Record


def cost(study: str, records: list[Record]) -> dict[str, Any]:
    """Sums over all trainings; one that several runs share counts once.

    `use` is None unless all that `study` trained was trained by calls of Snakemake on one machine.
    """
    finished = sorted(record.provenance["finished"] for record in records)
    return {
        **_seconds(records),
        "trainings": round(sum(1 / record.cost["shared_by"] for record in records)),
        "first_record": finished[0],
        "last_record": finished[-1],
        "use": _use([record for record in records if record.provenance["study"] == study]),
    }


def _seconds(records: list[Record]) -> dict[str, float]:
    return {
        name: sum(record.cost[name] / record.cost["shared_by"] for record in records)
        for name in ("training_seconds", "evaluation_seconds")
    }


def _use(records: list[Record]) -> dict[str, float] | None:
    """Shares of the cores' time, from the start of each call of Snakemake to the last record that it made.

    The cores' time is the sum over the calls of wall seconds x cores; what is neither training steps nor scoring is
    start-up, orchestration and waiting.
    """
    last: dict[tuple[float, int], float] = {}
    for record in records:
        call = record.provenance.get("call")
        if call is None:
            return None
        key = (call["started"], call["cores"])
        finished = datetime.datetime.fromisoformat(record.provenance["finished"]).timestamp()
        last[key] = max(finished, last.get(key, finished))
    core_seconds = sum(cores * (finished - started) for (started, cores), finished in last.items())
    if core_seconds <= 0:
        return None
    spent = _seconds(records)
    return {
        "core_seconds": core_seconds,
        "training": spent["training_seconds"] / core_seconds,
        "scoring": spent["evaluation_seconds"] / core_seconds,
    }
