"""`study explain`: what the inference statistics do to the scores, from the tables."""

import argparse
from pathlib import Path

from study.design import plan as plans
from study.files import write_json


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("explain", help="compare the ways of scoring the same weights, by BN implementation")
    parser.add_argument("design", type=Path, help="the design.json of the study")
    parser.add_argument("--runs", required=True, type=Path, help="the runs table")
    parser.add_argument("--gap", required=True, type=Path, help="the statistics-gap table")
    parser.add_argument("--out", required=True, type=Path, help="the file to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from study.trainers.mnist.mechanism import mechanism

    config = plans.read(arguments.design).config
    runs = pd.read_parquet(arguments.runs)
    gap = pd.read_parquet(arguments.gap)
    if "bn" not in runs:
        runs["bn"] = gap["bn"] = config["training"]["bn"]
    factors = list(config["design"]["factors"])
    write_json(arguments.out, mechanism(runs, gap, factors, config["plan"]["collapse_below"]))
