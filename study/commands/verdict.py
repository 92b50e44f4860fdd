"""`study verdict`: where the report is, and what it says, in a line each."""

import argparse
from pathlib import Path


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("verdict", help="print the path of a study's report and its verdict in one line")
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help="the study's folder, results/<name>")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.report.results import read_results
    from study.report.verdict import verdict
    from study.trainers import explanation

    print(arguments.results_dir / "report.html")
    print(verdict(read_results(arguments.results_dir), explanation(arguments.results_dir)).line)
