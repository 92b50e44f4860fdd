"""`study unpack`: put the records of a published study into the store, so that none of its runs is trained again."""

import argparse
from pathlib import Path

from study.store import packed
from study.store.record import Store


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "put the records of a published study into the store; Snakemake then trains only what is new"
    parser = subparsers.add_parser("unpack", help=what)
    parser.add_argument("folder", type=Path, metavar="DIR", help=f"the published study, a folder with {packed.NAME}")
    parser.add_argument("--store", type=Path, default=Path("results/runs"), help="default: results/runs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    added, found = packed.unpack(arguments.folder / packed.NAME, Store(arguments.store))
    already = f", {found - added} were there" if added < found else ""
    print(f"{arguments.store}: {added} records added{already}; run your `snakemake` command")
