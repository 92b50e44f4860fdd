"""`study interim`: the report of a study that goes on, from the records so far."""

import argparse
import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.design.plan import Plan


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "interim",
        help="report the runs so far, while the others train",
        description="Do all steps after the training with the records that there are. Reads the store and writes to "
        "its own folder alone, so it may be asked at any time.",
    )
    parser.add_argument("config", help="a configuration as JSON text, or the path of a YAML file")
    parser.add_argument("--store", required=True, type=Path, help="the folder of the records")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study import trainers
    from study.analysis import files, read
    from study.analysis.run import analyse, describe
    from study.cli import execute
    from study.design import plan as plans
    from study.design.response import analysis_spec

    out = arguments.out
    design, runs, curves = out / "design.json", out / "runs.parquet", out / "curves.parquet"
    with redirect_stdout(sys.stderr):
        execute(["design", arguments.config, "--out", str(out)])
        execute(["collect", str(design), "--store", str(arguments.store), "--out", str(out), "--partial"])
        plan = plans.read(design)
        spec = analysis_spec(plan.config, trainers.choose(plan.config).response())
        # A tuned comparison chooses on two seeds and judges on two others.
        reason = _too_early(plan, runs, 4 if spec.tune else 2)
        table, _ = read.read_runs(runs, spec, whole=not reason)
        progress = read.read_curves(curves, spec)
        found = describe(table, spec, progress, reason) if reason else analyse(table, spec, progress)
        files.write(found, out / "analysis")
        execute(["explain", str(design), "--runs", str(runs), "--store", str(arguments.store), "--out", str(out)])
    execute(["report", str(out)])


def _too_early(plan: "Plan", runs: Path, needed: int) -> str:
    """Why these runs allow no comparison, whatever the plan allows; empty if `needed` seeds are whole."""
    import pandas as pd

    from study.design.factorial import seeds

    done = set(pd.read_parquet(runs, columns=["run_id"])["run_id"])
    finished = Counter(seed for run_id, _, seed in plan.runs() if run_id in done)
    whole = sum(count == len(plan.cells()) for count in finished.values())
    if whole >= needed:
        return ""
    return f"{whole} of {len(seeds(plan.config))} seeds have a run in every cell; comparisons begin with {needed}"
