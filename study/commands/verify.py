"""`study verify`: train a sample of finished runs again and compare the bits."""

import argparse
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from study import trainers
from study.config import resolve as configuration
from study.design import plan as plans
from study.design.factorial import Cell, Job
from study.errors import StudyError
from study.store import packed
from study.store.record import Record, Store
from study.trainers.base import Trainer, in_words, measured


@dataclass(frozen=True)
class Comparison:
    """One run trained again: the record that was kept, that of the run trained now, and those of the cell's runs."""

    record: Record
    again: Record
    cell: list[Record]

    @property
    def same_bits(self) -> bool:
        return self.record.result() == self.again.result()

    @property
    def same_provenance(self) -> bool:
        """Whether processor and versions are those of the record; only then must the bits agree."""
        kept, again = self.record.provenance, self.again.provenance
        return all(kept[name] == again[name] for name in ("processor", "device", "versions"))

    def within_tolerance(self, trainer: Trainer) -> bool:
        """Whether the two runs are no further apart than the cell's lowest and highest run.

        Another processor or version rounds otherwise, which is one more source of luck, as another seed is. Two runs
        of a cell that differ in nothing but their luck are about never further apart than the extremes of many.
        """
        then, now = measured(self.record, trainer), measured(self.again, trainer)
        if then is None or now is None:
            return self.record.status == self.again.status
        values = [value for run in self.cell if (value := measured(run, trainer)) is not None]
        return abs(now - then) <= max(values) - min(values)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("verify", help="train a sample of finished runs again and compare the bits")
    folder = "the study's folder, results/<name>, or a published one"
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help=folder)
    store = f"the folder of the records (default: RESULTS_DIR/{packed.NAME} if there is one, or RESULTS_DIR/../runs)"
    parser.add_argument("--store", type=Path, help=store)
    parser.add_argument("--sample", type=int, default=4, metavar="RUNS", help="how many runs to repeat (default 4)")
    parser.add_argument("--rng-seed", type=int, default=0, help="decides which ones (default 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    if arguments.sample < 1:
        raise StudyError(f"--sample {arguments.sample}: allowed: 1 or more")
    if arguments.rng_seed < 0:
        raise StudyError(f"--rng-seed {arguments.rng_seed}: allowed: 0 or more")
    folder = arguments.results_dir
    plan = configuration.design(folder / "design.json")
    trainer = trainers.choose(plan.config)
    rng = np.random.default_rng(arguments.rng_seed)
    with tempfile.TemporaryDirectory() as scratch:
        store = _records(folder, arguments.store, Path(scratch) / "kept")
        sample = _sample(plan, store, arguments.sample, rng)
        if not sample:
            raise StudyError(f"{folder}: no finished run to verify; run `snakemake` first")
        comparisons = _trained_again(sample, plan, trainer, store, Store(Path(scratch) / "again"))
    (focus,) = plan.config["design"]["control"]
    for comparison in comparisons:
        record = comparison.record
        print(f"{record.id} ({focus} {record.settings[focus]}, seed {record.seed}): {_verdict(comparison, trainer)}")
    print(f"{sum(comparison.same_bits for comparison in comparisons)} of {len(comparisons)} runs have the same bits")
    _judge(comparisons, trainer)


def _records(folder: Path, given: Path | None, scratch: Path) -> Store:
    """The study's records: of a published study, those it packs."""
    archive = folder / packed.NAME
    if given is None and archive.exists():
        packed.unpack(archive, Store(scratch))
        return Store(scratch)
    return Store(given or folder.parent / "runs")


def _sample(plan: plans.Plan, store: Store, count: int, rng: np.random.Generator) -> list[tuple[Cell, int]]:
    """So many of the finished runs (cell, seed), drawn at random."""
    finished = [(cell, seed) for run_id, cell, seed in plan.runs() if not store.missing([run_id])]
    return [finished[index] for index in rng.permutation(len(finished))[:count]]


def _trained_again(
    sample: list[tuple[Cell, int]], plan: plans.Plan, trainer: Trainer, store: Store, scratch: Store
) -> list[Comparison]:
    """Train them again, those that share a training together."""
    together: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell, seed in sample:
        together[cell.trajectory, seed].append(cell)
    load = partial(store.load, reader=trainer)
    comparisons = []
    for (trajectory, seed), cells in together.items():
        trainer.train(Job(trajectory, tuple(cells), (seed,)), plan, scratch, lambda *_: None)
        for cell in cells:
            run_id = plan.run_id(cell, seed)
            others = [one for one, other, _ in plan.runs() if other == cell and not store.missing([one])]
            comparisons.append(Comparison(load(run_id), scratch.load(run_id), [load(one) for one in others]))
    return comparisons


def _verdict(comparison: Comparison, trainer: Trainer) -> str:
    """Whether the bits are the same, and if not, how far the two runs are apart."""
    if comparison.same_bits:
        return "the same bits"
    record, again = comparison.record, comparison.again
    text = f"other bits; {in_words(record, trainer)} then, {in_words(again, trainer)} now"
    then, now = (trainer.columns(run).get("correct_bits") for run in (record, again))
    if then is not None and now is not None:
        apart = (int.from_bytes(then) ^ int.from_bytes(now)).bit_count()
        text += f", {apart} trials came out otherwise"
    if comparison.same_provenance:
        return text
    kept = record.provenance
    made = ", ".join([kept["processor"], *(f"{name} {version}" for name, version in kept["versions"].items())])
    distance = "no further" if comparison.within_tolerance(trainer) else "FURTHER"
    return (
        f"{text}; made on another type of processor or with other versions ({made}), and {distance} apart than the "
        "lowest and the highest run of its cell"
    )


def _judge(comparisons: list[Comparison], trainer: Trainer) -> None:
    """
    Raises:
        StudyError: runs differ that should not, or by more than they should.
    """
    other = [comparison for comparison in comparisons if not comparison.same_bits]
    broken = sum(comparison.same_provenance for comparison in other)
    if broken:
        raise StudyError(
            f"{broken} runs differ although processor and versions are the same: "
            + (
                "the trainer is not deterministic, or reads a file that trainer.files does not name"
                if trainer.version is None
                else "the engine changed without a new ENGINE_VERSION, or it is not deterministic here"
            )
        )
    if far := sum(not comparison.within_tolerance(trainer) for comparison in other):
        raise StudyError(
            f"{far} runs differ by more than the lowest and the highest run of their cell: another processor or other "
            "versions do not explain that"
        )
