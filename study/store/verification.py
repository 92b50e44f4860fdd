"""Training a sample of runs again and comparing the bits with their records."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study.design.factorial import Job
from study.design.plan import Plan
from study.store.record import Record, Store

# As `study.trainers.base.Trainer.train`.
Train = Callable[[Job, Plan, Store, Callable[..., None]], None]


@dataclass(frozen=True)
class Comparison:
    """One run trained again: the record that was kept, and that of the run trained now."""

    record: Record
    again: Record

    @property
    def same_bits(self) -> bool:
        return self.record.result() == self.again.result()

    @property
    def same_provenance(self) -> bool:
        """Whether processor and versions are those of the record; only then must the bits agree."""
        kept, again = self.record.provenance, self.again.provenance
        return all(kept[name] == again[name] for name in ("processor", "device", "versions"))


def verify(
    plan: Plan, train: Train, store: Store, trainings: int, rng: np.random.Generator, scratch: Path
) -> list[Comparison]:
    """Train a random sample of the finished trainings again, into a scratch store, and compare.

    Args:
        train: the trainer's.
        trainings: how many trainings to draw; each gives all runs that share it.
        scratch: an empty folder for the new records.
    """
    finished = [
        (job, seed)
        for job in plan.jobs()
        for seed in job.seeds
        if not store.missing(plan.run_id(cell, seed) for cell in job.cells)
    ]
    again = Store(scratch)
    comparisons = []
    for index in rng.permutation(len(finished))[:trainings]:
        job, seed = finished[index]
        single = Job(job.trajectory, job.cells, (seed,))
        train(single, plan, again, lambda *_: None)
        comparisons += [Comparison(store.load(run_id), again.load(run_id)) for run_id in plan.run_ids(single)]
    return comparisons
