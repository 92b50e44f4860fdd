"""`study verify`: train a sample of finished runs again and compare the bits."""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study import trainers
from study.design import plan as plans
from study.design.factorial import Job
from study.errors import StudyError
from study.store.record import Record, Store
from study.trainers.base import Trainer, in_words


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


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("verify", help="train a sample of finished runs again and compare the bits")
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help="the study's folder, results/<name>")
    parser.add_argument("--store", type=Path, help="the folder of the records (default: RESULTS_DIR/../runs)")
    parser.add_argument("--trainings", type=int, default=2, help="how many trainings to repeat (default 2)")
    parser.add_argument("--rng-seed", type=int, default=0, help="decides which ones (default 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    plan = plans.read(arguments.results_dir / "design.json")
    store = Store(arguments.store or arguments.results_dir.parent / "runs")
    trainer = trainers.choose(plan.config)
    rng = np.random.default_rng(arguments.rng_seed)
    with tempfile.TemporaryDirectory() as scratch:
        comparisons = _trained_again(plan, trainer, store, arguments.trainings, rng, Store(scratch))
    if not comparisons:
        raise StudyError(f"{arguments.results_dir}: no finished training to verify; run `snakemake` first")
    (focus,) = plan.config["design"]["control"]
    for comparison in comparisons:
        record = comparison.record
        print(f"{record.id} ({focus} {record.settings[focus]}, seed {record.seed}): {_verdict(comparison, trainer)}")
    same = sum(comparison.same_bits for comparison in comparisons)
    print(f"{same} of {len(comparisons)} runs have the same bits")
    broken = sum(comparison.same_provenance and not comparison.same_bits for comparison in comparisons)
    if broken:
        raise StudyError(
            f"{broken} runs differ although processor and versions are the same: "
            + (
                "the trainer is not deterministic, or reads a file that trainer.files does not name"
                if trainer.version is None
                else "the engine changed without a new ENGINE_VERSION, or it is not deterministic here"
            )
        )


def _trained_again(
    plan: plans.Plan, trainer: Trainer, store: Store, trainings: int, rng: np.random.Generator, scratch: Store
) -> list[Comparison]:
    """Train so many of the finished trainings again, drawn at random; each gives all runs that share it."""
    finished = [
        Job(job.trajectory, job.cells, (seed,))
        for job in plan.jobs()
        for seed in job.seeds
        if not store.missing(plan.run_id(cell, seed) for cell in job.cells)
    ]
    comparisons = []
    for index in rng.permutation(len(finished))[:trainings]:
        trainer.train(finished[index], plan, scratch, lambda *_: None)
        comparisons += [Comparison(store.load(one), scratch.load(one)) for one in plan.run_ids(finished[index])]
    return comparisons


def _verdict(comparison: Comparison, trainer: Trainer) -> str:
    """Whether the bits are the same, and if not, how far the two runs are apart."""
    if comparison.same_bits:
        return "the same bits"
    record, again = comparison.record, comparison.again
    where = "" if comparison.same_provenance else f", trained on {record.provenance['processor']}"
    text = f"other bits{where}; {in_words(record, trainer)} then, {in_words(again, trainer)} now"
    then, now = (trainer.columns(run).get("correct_bits") for run in (record, again))
    if then is None or now is None:
        return text
    apart = (int.from_bytes(then) ^ int.from_bytes(now)).bit_count()
    return f"{text}, {apart} trials came out otherwise"
