"""`study interim`: the report of a study that goes on, from the records so far."""

import argparse
import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

from study.commands import design, report
from study.design.factorial import seeds
from study.design.plan import Plan
from study.design.response import analysis_spec
from study.files import stay_inside
from study.store.record import Store


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
    from study.analysis import files, read
    from study.analysis.about import of_study
    from study.analysis.run import analyse, describe
    from study.store import tables

    out, store = arguments.out, Store(arguments.store)
    stay_inside(out / "analysis", out)
    with redirect_stdout(sys.stderr):
        plan, trainer = design.write(arguments.config, out)
        collected = tables.collect(plan, trainer, store, partial=True)
        tables.write(collected, out)
        spec = analysis_spec(plan.config, trainer.response())
        reason = _too_early(plan, set(collected.runs["run_id"]))
        table, _ = read.read_runs(out / "runs.parquet", spec, whole=not reason)
        curves = read.read_curves(out / "curves.parquet", spec)
        trainer.explain(plan, collected.runs, store, out)
        told = of_study(plan, out, trainer.advice(out))
        results = describe(table, spec, curves, reason, told) if reason else analyse(table, spec, curves, about=told)
        files.write(results, out / "analysis")
    report.write(out)


def _too_early(plan: Plan, done: set[str]) -> str:
    """Why these runs allow no comparison, whatever the plan allows; empty if two seeds are whole."""
    finished = Counter(seed for run_id, _, seed in plan.runs() if run_id in done)
    whole = sum(count == len(plan.cells()) for count in finished.values())
    if whole >= 2:
        return ""
    return f"{whole} of {len(seeds(plan.config))} seeds have a run in every cell; comparisons begin with 2"
