"""`study decide`: which contrasts of a sequential study are settled, and which get more seeds."""

import argparse
from pathlib import Path

from study import trainers
from study.analysis import adaptive
from study.config import resolve as configuration
from study.design.response import analysis_spec
from study.store.record import Store


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("decide", help="look at a sequential study: what is settled, what gets more seeds")
    parser.add_argument("design", type=Path, help="the design.json of the study")
    parser.add_argument("--seeds", type=int, required=True, help="the number of seeds to look at, one of the looks")
    parser.add_argument("--store", required=True, type=Path, help="the folder of the records")
    parser.add_argument("--out", required=True, type=Path, help="the file to write the decision to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    plan = configuration.design(arguments.design)
    trainer = trainers.choose(plan.config)
    spec = analysis_spec(plan.config, trainer.response())
    decision = adaptive.decide(plan, spec, trainer, Store(arguments.store), arguments.seeds)
    adaptive.write(decision, arguments.out)
    print(f"[study] {decision.line}")
