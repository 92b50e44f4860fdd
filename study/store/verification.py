"""Retraining a sample of runs and comparing the bits with their records."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from study import trainers
from study.design import factorial
from study.design.plan import Plan
from study.store.record import NetworkRecord, Record, Store


@dataclass(frozen=True)
class Comparison:
    """One run trained again.

    Attributes:
        record: the record that was kept.
        again: the record of the run trained now.
    """

    record: Record
    again: Record

    @property
    def same_bits(self) -> bool:
        return self.record.result() == self.again.result()

    @property
    def same_circumstances(self) -> bool:
        """Whether processor and versions are those of the record; only then must the bits agree."""
        kept, again = self.record.provenance, self.again.provenance
        return all(kept[name] == again[name] for name in ("processor", "device", "versions"))

    def differences(self) -> dict[str, Any]:
        """How far two networks are apart: test images with another outcome, accuracy (percentage points) by scoring.

        Empty for a trainer of one's own: its records stand side by side in their own words.
        """
        kept, again = self.record, self.again
        if not isinstance(kept, NetworkRecord) or not isinstance(again, NetworkRecord):
            return {}
        apart = np.unpackbits(kept.bits() ^ again.bits()).sum()
        return {
            "images": int(apart),
            "accuracy_pp": {
                way: 100 * (again.test.correct[way] - kept.test.correct[way]) / kept.test.trials
                for way in kept.test.correct
            },
        }


def verify(plan: Plan, store: Store, trainings: int, rng: np.random.Generator, scratch: Path) -> list[Comparison]:
    """Train a random sample of the finished trainings again, into a scratch store, and compare.

    Args:
        trainings: how many trainings to draw; each gives all runs that share it.
        scratch: an empty folder for the new records.
    """
    finished = [
        (job, seed)
        for job in factorial.jobs(plan.config)
        for seed in job.seeds
        if not store.missing(plan.run_id(cell, seed) for cell in job.cells)
    ]
    drawn = rng.permutation(len(finished))[:trainings]
    again, trainer = Store(scratch), trainers.choose(plan.config)
    comparisons = []
    for index in drawn:
        job, seed = finished[index]
        single = factorial.Job(job.trajectory, job.cells, (seed,))
        trainer.train(single, plan, again, lambda *_: None)
        for run_id in plan.run_ids(single):
            comparisons.append(Comparison(store.load(run_id), again.load(run_id)))
    return comparisons
