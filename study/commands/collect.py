"""`study collect`: from the store's records to the tables of the study."""

import argparse
from pathlib import Path

from study import trainers
from study.analysis import adaptive
from study.config import resolve as configuration
from study.store.record import Store


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("collect", help="gather the records of a study into tables")
    parser.add_argument("design", type=Path, help="the design.json of the study")
    parser.add_argument("--store", required=True, type=Path, help="the folder of the records")
    parser.add_argument("--decision", type=Path, help="the last decision of a sequential study: which seeds it has")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.store import tables

    allocation = adaptive.read(arguments.decision).allocation if arguments.decision else None
    plan, store = configuration.design(arguments.design), Store(arguments.store)
    found = tables.collect(plan, trainers.choose(plan.config), store, allocation=allocation)
    tables.write(found, arguments.out)
