"""`study verify`: train a sample of finished runs again and compare the bits."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.store.verification import Comparison


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("verify", help="train a sample of finished runs again and compare the bits")
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help="the study's folder, results/<name>")
    parser.add_argument("--store", type=Path, help="the folder of the records (default: RESULTS_DIR/../runs)")
    parser.add_argument("--trainings", type=int, default=2, help="how many trainings to repeat (default 2)")
    parser.add_argument("--rng-seed", type=int, default=0, help="decides which ones (default 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    import numpy as np

    from study.design import plan as plans
    from study.errors import StudyError
    from study.store.record import Store
    from study.store.verification import verify

    plan = plans.read(arguments.results_dir / "design.json")
    store = Store(arguments.store or arguments.results_dir.parent / "runs")
    with tempfile.TemporaryDirectory() as scratch:
        comparisons = verify(plan, store, arguments.trainings, np.random.default_rng(arguments.rng_seed), Path(scratch))
    if not comparisons:
        raise StudyError(f"{arguments.results_dir}: no finished training to verify; run `snakemake` first")
    broken = 0
    for comparison in comparisons:
        record = comparison.record
        focus = next(iter(plan.config["design"]["control"]))
        name = f"{record.id} ({focus} {record.settings[focus]}, seed {record.seed})"
        if comparison.same_bits:
            print(f"{name}: the same bits")
            continue
        broken += comparison.same_circumstances
        where = "" if comparison.same_circumstances else f", trained on {record.provenance['processor']}"
        print(f"{name}: other bits{where}; {_apart(comparison)}")
    same = sum(comparison.same_bits for comparison in comparisons)
    print(f"{same} of {len(comparisons)} runs have the same bits")
    if broken:
        raise StudyError(
            f"{broken} runs differ although processor and versions are the same: "
            + (
                "the trainer is not deterministic, or reads a file that trainer.files does not name"
                if "trainer" in plan.config
                else "the engine changed without a new ENGINE_VERSION, or it is not deterministic here"
            )
        )


def _apart(comparison: "Comparison") -> str:
    """How far the two runs are apart, in words."""
    found = comparison.differences()
    if not found:
        return f"{comparison.record.in_words()} then, {comparison.again.in_words()} now"
    accuracy = ", ".join(f"{way} {value:+.2f} pp" for way, value in found["accuracy_pp"].items())
    return f"{found['images']} test images differ, accuracy {accuracy}"
