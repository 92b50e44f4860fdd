"""What a study that was begun has fixed: how long its runs take, and the version of the code that trains them."""

from pathlib import Path
from typing import Any

from study.design import factorial, job_size
from study.design.plan import Plan
from study.errors import MALFORMED, StudyError
from study.reading import parse_json, read_text
from study.store.record import Store
from study.trainers.base import Trainer

# Of every folder of the store, so many records tell how long runs take.
SAMPLE = 4


def with_seconds_per_run(config: dict[str, Any], trainer: Trainer, folder: Path, store: Store) -> dict[str, Any]:
    """A configuration whose `execution.seconds_per_run` is a number, where it was `auto`.

    It is measured once, before the study's design is written, and then read from the design for as long as the runs are
    of the same length: the bounds of the jobs' seeds stay where they are while records come in.

    Args:
        folder: where the study's design is, or will be.
        store: the records, of all studies.

    Raises:
        StudyError: the written design has finished runs, and this code would train them again, because its version is
            another.
    """
    before = _begun(folder)
    if before and before.origin.get("engine") != trainer.version:
        _refuse_to_repeat(before, folder, store, trainer.version)
    if config["execution"]["seconds_per_run"] != "auto":
        return config
    if before and _lengths(before.config) == _lengths(config):
        seconds = before.config["execution"]["seconds_per_run"]
    else:
        planned = [trainer.work(cell.settings) for cell in factorial.cells(config, trainer.shared_levels())]
        measured = [
            (trainer.work(record.settings), record.cost["training_seconds"] + record.cost["evaluation_seconds"])
            for record in store.sample(SAMPLE)
        ]
        seconds = job_size.seconds_per_run(planned, measured)
    return config | {"execution": config["execution"] | {"seconds_per_run": seconds}}


def _begun(folder: Path) -> Plan | None:
    """The design that was written, in any layout; None if there is none, or none with all that is needed."""
    try:
        content = parse_json(read_text(folder / "design.json"))
        found = Plan(content["config"], dict(content["origin"]))
        known = found.config["execution"]["seconds_per_run"]
        whole = known != "auto" and 0 < known < 1e10 and found.cells() and factorial.seeds(found.config)
        return found if whole else None
    except (StudyError, *MALFORMED):
        return None


def _lengths(config: dict[str, Any]) -> dict[str, Any]:
    """What decides how long the runs take."""
    training = config.get("training", {})
    return {name: value for name, value in training.items() if name not in factorial.CONVENIENCES}


def _refuse_to_repeat(before: Plan, folder: Path, store: Store, version: int | None) -> None:
    engine = before.origin.get("engine")
    run_ids = {run_id for run_id, _, _ in before.runs()}
    finished = len(run_ids & store.recorded())
    if finished and None not in (engine, version):
        raise StudyError(
            f"{folder}: {finished} of its {len(run_ids)} runs are finished, by engine {engine}; this code's engine is "
            f"{version}, gives other bits and would train them all again. To do that, `rm {folder}/design.json` and "
            f"run the same command again; to go on as before, check out the commit in {folder}/runs.csv"
        )
