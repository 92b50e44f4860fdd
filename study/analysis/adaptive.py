"""How a sequential study grows: from the records so far to the contrasts that need more seeds.

A decision is a function of the configuration and the records alone. It is made again from the first look on whenever it
is needed, so that a study that was interrupted, or that found records of another, takes the same course.

The Snakefile imports this module in every job, so it imports the standard library alone.
"""

import itertools
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from study.design import factorial
from study.design.plan import Plan
from study.design.response import AnalysisSpec
from study.errors import StudyError
from study.files import write_json
from study.reading import parse_json, read_text
from study.store.record import RecordReader, Store
from study.words import level_text

SCHEMA = 2


@dataclass(frozen=True)
class Decision:
    """What a look decided.

    Attributes:
        seeds: the number of seeds that were looked at.
        open: the levels whose contrasts need more seeds; none are left where all are settled or the budget is spent.
        unsettled: the levels whose contrasts are not settled.
        allocation: the number of seeds that each level has been given.
        labels: the label of each contrast so far, by level.
    """

    seeds: int
    open: tuple[str, ...]
    unsettled: tuple[str, ...]
    allocation: dict[str, int]
    labels: dict[str, str]

    @property
    def line(self) -> str:
        """The decision in one line, for a terminal."""
        settled = [f"{level} ({label})" for level, label in self.labels.items() if level not in self.unsettled]
        text = f"after {self.seeds} seeds {len(settled)} of {len(self.labels)} contrasts are settled"
        if settled:
            text += f": {', '.join(settled)}"
        if self.open:
            return f"{text}; more seeds for {', '.join(self.open)}"
        return f"{text}; the budget of seeds is spent, open: {', '.join(self.unsettled)}" if self.unsettled else text


def decide(plan: Plan, spec: AnalysisSpec, reader: RecordReader, store: Store, seeds: int) -> Decision:
    """Decide after `seeds` seeds, from the records of the runs that the earlier looks asked for.

    Args:
        plan, spec: the design, and what was decided before the data were seen.
        reader: the design's trainer.

    Raises:
        StudyError: the design has no such look, or a record is missing or damaged.
    """
    import pandas as pd

    from study.analysis.read import run_table
    from study.stats.sequential.path import paths

    config = plan.config
    looks = factorial.looks(config)
    if seeds not in looks:
        known = ", ".join(map(str, looks)) or "none, as design.seeds is a fixed number"
        raise StudyError(f"no look at {seeds} seeds in the design; its looks: {known}")
    ((focus, control),) = config["design"]["control"].items()
    control = level_text(control)
    open_ = [name for name in map(level_text, config["design"]["factors"][focus]) if name != control]
    # The runs of the negative control decide nothing.
    allocation = {control: 0} | dict.fromkeys(map(level_text, factorial.factors(config)[focus]), 0)
    rows: dict[str, dict[str, Any]] = {}
    for look in looks[: looks.index(seeds) + 1]:
        allocation |= dict.fromkeys([control, *open_], look)
        for run_id, cell, seed in plan.runs(allocation):
            if run_id not in rows:
                record = store.load(run_id, reader)
                levels = {name: level_text(level) for name, level in cell.levels.items()}
                rows[run_id] = {**levels, "seed": seed, "status": record.status, **reader.columns(record)}
        table = run_table(pd.DataFrame(rows.values()), spec)
        found = paths(table.finished(), looks, margin=spec.margin, alpha=spec.alpha, stop=spec.stop)
        open_ = [path.level for path in found if path.settled_at is None]
        if not open_:
            break
    if config["design"]["negative_control"]:
        allocation[factorial.NEGATIVE_CONTROL] = allocation[control]
    return Decision(
        seeds=look,
        open=tuple(open_) if look < looks[-1] else (),
        unsettled=tuple(open_),
        allocation=allocation,
        labels={path.level: path.looks[-1].label if path.looks else "inconclusive" for path in found},
    )


def write(decision: Decision, path: Path | str) -> None:
    """Write a decision as JSON."""
    write_json(path, {"schema": SCHEMA} | asdict(decision))


def read(path: Path | str) -> Decision:
    """Read what `write` wrote.

    Raises:
        StudyError: missing, damaged, or of another schema.
    """
    try:
        content = parse_json(read_text(path))
        if content.pop("schema") != SCHEMA:
            raise ValueError
        found = Decision(**content | {"open": tuple(content["open"]), "unsettled": tuple(content["unsettled"])})
        if not _sound(found):
            raise ValueError
        return found
    except (StudyError, ValueError, KeyError, TypeError, AttributeError):
        raise StudyError(f"{path}: no readable decision; remove it and run your `snakemake` command again") from None


def _sound(decision: Decision) -> bool:
    names = (*decision.open, *decision.unsettled, *decision.allocation, *decision.labels, *decision.labels.values())
    counts = (decision.seeds, *decision.allocation.values())
    return all(type(name) is str for name in names) and all(type(count) is int and count >= 0 for count in counts)


def last_look(config: dict[str, Any], decided: Callable[[int], Decision]) -> int:
    """The look that ends a sequential study: the first after which no contrast gets more seeds.

    Args:
        decided: the decision of a look, of those up to the one that is asked for.
    """
    return next(look for look in factorial.looks(config) if not decided(look).open)


def jobs(
    config: dict[str, Any], every: Collection[factorial.Job], look: int, decided: Callable[[int], Decision]
) -> list[factorial.Job]:
    """Those jobs of `every` that a sequential study needs up to a look; `decided` as in `last_look`, of earlier looks.

    A trajectory is trained on while it carries the control or an open contrast.
    """
    (focus,) = config["design"]["control"]
    asked = _asked_for(config, look, decided)
    return [job for job in every if any(job.seeds[0] < asked[level_text(cell.levels[focus])] for cell in job.cells)]


def asked_for(config: dict[str, Any], folder: Path) -> dict[str, int] | None:
    """The seeds of each level that a sequential study has asked for so far; None for a fixed design: it asks for all.

    Args:
        folder: the study's, with the decisions in interim_looks/.
    """

    def decided(look: int) -> Decision | None:
        path = folder / "interim_looks" / f"seeds~{look}.json"
        return read(path) if path.exists() else None

    looks = factorial.looks(config)
    return _asked_for(config, looks[-1], decided) if looks else None


def _asked_for(config: dict[str, Any], until: int, decided: Callable[[int], Decision | None]) -> dict[str, int]:
    """The seeds of each level up to a look: as many as the first has, then more while its contrast is open."""
    looks = factorial.looks(config)
    ((focus, control),) = config["design"]["control"].items()
    asked = {level_text(level): looks[0] for level in factorial.factors(config)[focus]}
    for look, following in itertools.pairwise(looks):
        decision = decided(look) if look < until else None
        if decision is None or not decision.open:
            break
        more = (level_text(control), factorial.NEGATIVE_CONTROL, *decision.open)
        asked |= {level: following for level in asked if level in more}
    return asked
