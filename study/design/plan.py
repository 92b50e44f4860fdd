"""The design as a file: what is planned, before anything is trained."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.design import factorial
from study.errors import StudyError
from study.files import replacing, write_json
from study.reading import parse_json, read_text
from study.words import level_text

# The layout of design.json; the workflow writes a design of another layout again.
SCHEMA = 2
HINT = "run your `snakemake` command again with `--forcerun design`"


@dataclass(frozen=True)
class Plan:
    """A written design.

    Attributes:
        config: the resolved configuration.
        origin: what decides the runs besides their settings and seeds, see `study.trainers.base.Trainer.origin`.
        shared: the levels that one training serves together, see `study.trainers.base.Trainer.shared_levels`.
    """

    config: dict[str, Any]
    origin: dict[str, Any]
    shared: factorial.SharedLevels = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.config["study"]["name"]

    @property
    def digest(self) -> str:
        return factorial.plan_digest(self.config)

    def cells(self) -> list[factorial.Cell]:
        """All combinations of levels, see `study.design.factorial.cells`."""
        return factorial.cells(self.config, self.shared)

    def jobs(self) -> list[factorial.Job]:
        """All jobs, see `study.design.factorial.jobs`."""
        return factorial.jobs(self.config, self.shared)

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
            for cell in self.cells()
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
        for job in self.jobs():
            if (job.trajectory, job.block) == (trajectory, block):
                return job
        names = sorted({job.trajectory for job in self.jobs()})
        raise StudyError(f"no job {trajectory} with seeds {block} in the design; its trajectories: {', '.join(names)}")


def write(plan: Plan, folder: Path | str, words: Mapping[str, Any]) -> None:
    """Write `design.json`, all that later steps need to know, and `design.csv`, the planned runs, one row each.

    Args:
        words: what is trained, for the reader, see `study.trainers.base.Trainer.words`.
    """
    folder = Path(folder)
    config = plan.config
    report = config["report"]
    factors = factorial.factors(config)
    ((focus, control),) = config["design"]["control"].items()
    runs = plan.runs()
    write_json(
        folder / "design.json",
        {
            "schema": SCHEMA,
            "name": plan.name,
            "question": config["study"]["question"],
            "short_question": config["study"]["short_question"],
            "factors": [
                {
                    "name": name,
                    "title": report["titles"].get(name, name),
                    "levels": levels,
                    "labels": [_label(report["labels"].get(name, {}), level, control) for level in levels],
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
            "shared": plan.shared,
            **words,
            "config": config,
        },
    )
    with replacing(folder / "design.csv") as path, path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["run_id", *factors, "seed", "trajectory"])
        table.writerows([run_id, *cell.levels.values(), seed, cell.trajectory] for run_id, cell, seed in runs)


def _label(words: dict[str, str], level: Any, control: Any) -> str:
    if level == factorial.NEGATIVE_CONTROL:
        return f"{_label(words, control, control)}, other seeds"
    return words.get(level_text(level), level_text(level))


def read(path: Path | str) -> Plan:
    """Read a `design.json`.

    Raises:
        StudyError: missing, damaged, or of another schema.
    """
    try:
        content = parse_json(read_text(path))
    except StudyError as error:
        raise StudyError(f"{path}: no readable design, {str(error).removeprefix(f'{path}: ')}; {HINT}") from None
    try:
        if content["schema"] != SCHEMA:
            raise StudyError(f"{path}: schema {content['schema']!r}, allowed: {SCHEMA}; {HINT}")
        parts = [content[name] for name in ("config", "origin", "shared")]
    except (KeyError, TypeError, IndexError):
        raise StudyError(f"{path}: no readable design; {HINT}") from None
    shared = parts[-1]
    if not all(isinstance(part, dict) for part in parts) or not all(isinstance(some, list) for some in shared.values()):
        raise StudyError(f"{path}: no readable design; {HINT}")
    return Plan(*parts)
