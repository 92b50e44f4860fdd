"""`study verdict`: where the report is, and the six answers."""

import argparse
import json
from pathlib import Path


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("verdict", help="print the path of a study's report and its six answers")
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help="the study's folder, results/<name>")
    parser.add_argument("--json", action="store_true", help="print verdicts.json instead")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.report.results import read_results
    from study.report.verdict import verdict

    results = read_results(arguments.results_dir)
    if arguments.json:
        print(json.dumps(results.objects["verdicts"], indent=1, ensure_ascii=False))
    else:
        print(arguments.results_dir / "report.html")
        print(verdict(results).text)
