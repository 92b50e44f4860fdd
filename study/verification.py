"""Retraining a sample of runs and comparing the bits with their records."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from study import design
from study.plan import Plan
from study.records import Record, Store
from study.training import job as jobs


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
        kept, again = self.record, self.again
        return (kept.digests, kept.correct_bits, kept.curve, kept.status) == (
            again.digests,
            again.correct_bits,
            again.curve,
            again.status,
        )

    @property
    def same_circumstances(self) -> bool:
        """Whether processor and versions are those of the record; only then must the bits agree."""
        kept, again = self.record.provenance, self.again.provenance
        return all(kept[name] == again[name] for name in ("processor", "device", "versions"))

    def differences(self) -> dict[str, Any]:
        """How far the two are apart: test images with another outcome, and accuracy (percentage points) by scoring."""
        kept, again = self.record, self.again
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
        trainings: how many trainings to draw; each gives all its BN implementations.
        scratch: an empty folder for the new records.
    """
    finished = [
        (job, seed)
        for job in design.jobs(plan.config)
        for seed in job.seeds
        if not store.missing(plan.run_id(cell, seed) for cell in job.cells)
    ]
    drawn = rng.permutation(len(finished))[:trainings]
    again = Store(scratch)
    comparisons = []
    for index in drawn:
        job, seed = finished[index]
        single = design.Job(job.trajectory, job.cells, (seed,))
        jobs.run(single, plan, again, on_record=lambda *_: None)
        for run_id in plan.run_ids(single):
            comparisons.append(Comparison(store.load(run_id), again.load(run_id)))
    return comparisons
