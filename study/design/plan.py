"""The design as a file: what is planned, before anything is trained."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.design import factorial, job_size
from study.design.levels import level_text
from study.errors import StudyError
from study.files import write_json, write_text
from study.trainers.mnist.version import ENGINE_VERSION

SCHEMA = 1
MEND = "run your `snakemake` command again with `--forcerun design`"


@dataclass(frozen=True)
class Plan:
    """A written design.

    Attributes:
        config: the resolved configuration.
        origin: what decides the runs beside their settings and seeds, see `study.trainers.Trainer.origin`.
    """

    config: dict[str, Any]
    origin: dict[str, Any]

    @property
    def name(self) -> str:
        return self.config["study"]["name"]

    @property
    def digest(self) -> str:
        return factorial.plan_digest(self.config)

    def run_id(self, cell: factorial.Cell, seed: int) -> str:
        return factorial.run_id(cell.settings, seed + cell.seed_offset, self.origin)

    def runs(self, allocation: Mapping[str, int] | None = None) -> list[tuple[str, factorial.Cell, int]]:
        """(identity, cell, seed) of every run, in the order of the design.

        Args:
            allocation: how many of the seeds each level of the factor of interest gets, by its name, as a sequential
                design decides; None for all of them.
        """
        (focus,) = self.config["design"]["control"]
        seeds = factorial.seeds(self.config)
        return [
            (self.run_id(cell, seed), cell, seed)
            for cell in factorial.cells(self.config)
            for seed in (seeds if allocation is None else seeds[: allocation[level_text(cell.levels[focus])]])
        ]

    def run_ids(self, job: factorial.Job) -> list[str]:
        """The identities of all runs of a job, seed by seed."""
        return [self.run_id(cell, seed) for seed in job.seeds for cell in job.cells]

    def job(self, trajectory: str, block: str) -> factorial.Job:
        """The job of that name.

        Raises:
            StudyError: the design has no such job.
        """
        for job in factorial.jobs(self.config):
            if (job.trajectory, job.block) == (trajectory, block):
                return job
        names = sorted({job.trajectory for job in factorial.jobs(self.config)})
        raise StudyError(f"no job {trajectory} with seeds {block} in the design; its trajectories: {', '.join(names)}")


def settle(config: dict[str, Any], folder: Path, store: Path) -> dict[str, Any]:
    """A configuration whose `execution.seconds_per_run` is a number, where it was `auto`.

    It is measured once, before the study's design is written, and then read from the design for as long as the runs are
    of the same length: the bounds of the jobs' seeds stay where they are while records come in.

    Args:
        folder: where the study's design is, or will be.
        store: the folder of the records.

    Raises:
        StudyError: the written design has finished runs, and this code would train them anew, because its engine is
            another.
    """
    before = _written(folder)
    engine = before["origin"].get("engine") if before else None
    if engine is not None and engine != ENGINE_VERSION:
        _refuse_to_repeat(folder, store, engine)
    if config["execution"]["seconds_per_run"] != "auto":
        return config
    if before and _lengths(before["config"]) == _lengths(config):
        seconds = before["config"]["execution"]["seconds_per_run"]
    else:
        seconds = job_size.seconds_per_run([cell.settings for cell in factorial.cells(config)], store)
    return config | {"execution": config["execution"] | {"seconds_per_run": seconds}}


def _written(folder: Path) -> dict[str, Any] | None:
    """The content of a study's design; None if there is none, or none with all that `settle` needs."""
    try:
        content: dict[str, Any] = json.loads((folder / "design.json").read_text(encoding="utf-8"))
        complete = isinstance(content["origin"], dict) and content["config"]["execution"]["seconds_per_run"] != "auto"
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if complete else None


def _lengths(config: dict[str, Any]) -> dict[str, Any]:
    """What decides how long the runs take."""
    training = config.get("training", {})
    return {name: value for name, value in training.items() if name not in factorial.CONVENIENCES}


def _refuse_to_repeat(folder: Path, store: Path, engine: int) -> None:
    try:
        with (folder / "design.csv").open(encoding="utf-8", newline="") as stream:
            run_ids = [row["run_id"] for row in csv.DictReader(stream)]
    except (OSError, KeyError):
        return
    finished = sum((store / run_id[:2] / f"{run_id}.json").exists() for run_id in run_ids)
    if finished:
        raise StudyError(
            f"{folder}: {finished} of its {len(run_ids)} runs are finished, by engine {engine}; this code's engine is "
            f"{ENGINE_VERSION}, gives other bits and would train them all anew. To do that, `rm "
            f"{folder}/design.json` and run the same command again; to go on as before, check out the commit in "
            f"{folder}/runs.csv"
        )


def write(plan: Plan, folder: Path | str) -> None:
    """Write `design.json`, all that later steps need to know, and `design.csv`, the planned runs, one row each."""
    folder = Path(folder)
    config = plan.config
    words = config["report"]
    factors = factorial.factors(config)
    ((focus, control),) = config["design"]["control"].items()
    runs = plan.runs()
    write_json(
        folder / "design.json",
        {
            "schema": SCHEMA,
            "name": plan.name,
            "question": config["study"]["question"],
            "factors": [
                {
                    "name": name,
                    "title": words["titles"].get(name, name),
                    "levels": levels,
                    "labels": [_label(words["labels"].get(name, {}), level, control) for level in levels],
                }
                for name, levels in factors.items()
            ],
            "block": factorial.block(config),
            "seeds": factorial.seeds(config),
            "control": {"factor": focus, "level": control},
            "runs_planned": len(runs),
            "plan": config["plan"],
            "plan_digest": plan.digest,
            "origin": plan.origin,
            **_training(plan),
            "config": config,
        },
    )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["run_id", *factors, "seed", "trajectory"])
    for run_id, cell, seed in runs:
        writer.writerow([run_id, *cell.levels.values(), seed, cell.trajectory])
    write_text(folder / "design.csv", table.getvalue())


def _label(words: dict[str, str], level: Any, control: Any) -> str:
    if level == factorial.NEGATIVE_CONTROL:
        return f"{_label(words, control, control)}, other seeds"
    return words.get(level_text(level), level_text(level))


def _training(plan: Plan) -> dict[str, Any]:
    """What the built-in trainer trains, as the report tells it; of another trainer there is no more to tell."""
    if "trainer" in plan.config:
        return {"trainer": plan.config["trainer"]}
    settings = plan.config["training"]
    return {name: settings[name] for name in ("network", "epochs", "batch_size", "train_images")} | {
        "data": {"name": plan.config["data"]["source"], "digest": plan.origin["data"]}
    }


def read(path: Path | str) -> Plan:
    """Read a `design.json`.

    Raises:
        StudyError: missing, damaged, or of another schema.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise StudyError(f"{path}: schema {content['schema']!r}, allowed: {SCHEMA}; {MEND}")
        return Plan(content["config"], content["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StudyError(f"{path}: no readable design; {MEND}") from None
