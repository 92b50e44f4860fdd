"""The design as a file: what is planned, before anything is trained."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import design
from study.errors import StudyError
from study.files import write_json, write_text

SCHEMA = 1
MEND = "run your `snakemake` command again with `--forcerun design`"


@dataclass(frozen=True)
class Plan:
    """A written design.

    Attributes:
        config: the resolved configuration.
        data_digest: the digest of the images that the runs are planned on.
    """

    config: dict[str, Any]
    data_digest: str

    @property
    def name(self) -> str:
        return self.config["study"]["name"]

    @property
    def digest(self) -> str:
        return design.plan_digest(self.config)

    def run_id(self, cell: design.Cell, seed: int) -> str:
        return design.run_id(cell.settings, seed + cell.seed_offset, self.data_digest)

    def runs(self) -> list[tuple[str, design.Cell, int]]:
        """(identity, cell, seed) of every run, in the order of the design."""
        return [
            (self.run_id(cell, seed), cell, seed)
            for cell in design.cells(self.config)
            for seed in design.seeds(self.config)
        ]

    def run_ids(self, job: design.Job) -> list[str]:
        """The identities of all runs of a job, seed by seed."""
        return [self.run_id(cell, seed) for seed in job.seeds for cell in job.cells]

    def job(self, trajectory: str, block: str) -> design.Job:
        """The job of that name.

        Raises:
            StudyError: the design has no such job.
        """
        for job in design.jobs(self.config):
            if (job.trajectory, job.block) == (trajectory, block):
                return job
        names = sorted({job.trajectory for job in design.jobs(self.config)})
        raise StudyError(f"no job {trajectory} with seeds {block} in the design; its trajectories: {', '.join(names)}")


def write(plan: Plan, folder: Path | str) -> None:
    """Write `design.json`, all that later steps need to know, and `design.csv`, the planned runs, one row each."""
    folder = Path(folder)
    config = plan.config
    words = config["report"]
    factors = design.factors(config)
    ((focus, control),) = config["design"]["control"].items()
    runs = plan.runs()
    write_json(
        folder / "design.json",
        {
            "schema": SCHEMA,
            "name": plan.name,
            "question": config["study"]["question"],
            "network": config["training"]["network"],
            "factors": [
                {
                    "name": name,
                    "title": words["titles"].get(name, name),
                    "levels": levels,
                    "labels": [_label(words["labels"].get(name, {}), level, control) for level in levels],
                }
                for name, levels in factors.items()
            ],
            "block": "seed",
            "seeds": design.seeds(config),
            "control": {"factor": focus, "level": control},
            "runs_planned": len(runs),
            "plan": config["plan"],
            "plan_digest": plan.digest,
            "epochs": config["training"]["epochs"],
            "batch_size": config["training"]["batch_size"],
            "train_images": config["training"]["train_images"],
            "data": {"name": config["data"]["source"], "digest": plan.data_digest},
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
    if level == design.NEGATIVE_CONTROL:
        return f"{_label(words, control, control)}, other seeds"
    return words.get(str(level), str(level))


def read(path: Path | str) -> Plan:
    """Read a `design.json`.

    Raises:
        StudyError: missing, damaged, or of another schema.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise StudyError(f"{path}: schema {content['schema']!r}, allowed: {SCHEMA}; {MEND}")
        return Plan(content["config"], content["data"]["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StudyError(f"{path}: no readable design; {MEND}") from None
