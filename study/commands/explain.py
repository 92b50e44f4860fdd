"""`study explain`: the results that are special to the study's trainer."""

import argparse
from pathlib import Path

from study import trainers
from study.config import resolve as configuration
from study.store.record import Store


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("explain", help="write the results that only the study's trainer has")
    parser.add_argument("design", type=Path, help="the design.json of the study")
    parser.add_argument("--runs", required=True, type=Path, help="the runs table")
    parser.add_argument("--store", required=True, type=Path, help="the folder of the records")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.table_file import read_frame

    plan = configuration.design(arguments.design)
    runs = read_frame(arguments.runs)
    trainers.choose(plan.config).explain(plan, runs, Store(arguments.store), arguments.out)
