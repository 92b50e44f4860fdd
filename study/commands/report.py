"""`study report`: rebuild the page from the results, without training or TensorFlow."""

import argparse
from pathlib import Path


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("report", help="make the HTML page of a results directory")
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help="the folder that holds analysis/")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page to write (default: RESULTS_DIR/report.html)")
    figures = "write each figure and the answer as files to this folder too (default: no)"
    parser.add_argument("--figures", type=Path, metavar="DIR", help=figures)
    parser.add_argument("--pdf", action="store_true", help="print the page to a PDF beside it, with Chromium or Chrome")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    write(arguments.results_dir, arguments.out, arguments.figures, arguments.pdf)


def write(results_dir: Path, out: Path | None = None, figures: Path | None = None, pdf: bool = False) -> None:
    """Write the page, and print the answer and where the page is."""
    from study.report.page import build
    from study.report.pdf import printed
    from study.report.results import read_results
    from study.report.verdict import verdict
    from study.trainers import explanation

    page = build(results_dir, out, figures, explanation(results_dir))
    print(verdict(read_results(results_dir)).headline)
    print(page)
    if pdf:
        print(printed(page))
