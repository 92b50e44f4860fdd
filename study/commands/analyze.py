"""`study analyze`: every inference on a table of runs."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from study.errors import StudyError

if TYPE_CHECKING:
    from study.analysis import Plan


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "analyze",
        help="contrasts, analysis of variance, mixed model, collapse, luck ... of a table of runs",
        description="Analyse a tidy table (CSV, TSV or Parquet) with one row a run; see docs/analysis-files.md.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="the table of runs")
    parser.add_argument("--successes", metavar="COLUMN", help="count of successes, for example of right answers")
    parser.add_argument("--trials", metavar="COLUMN", help="count of trials")
    parser.add_argument("--response", metavar="COLUMN", help="a number as the outcome, instead of counts")
    parser.add_argument("--factor", action="append", required=True, metavar="COLUMN", help="a factor; may be repeated")
    parser.add_argument("--block", required=True, metavar="COLUMN", help="what was replicated, as the seed; or none")
    parser.add_argument(
        "--control", required=True, metavar="FACTOR=LEVEL", help="the level that its factor's others are compared with"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder to write to")
    parser.add_argument("--curves", type=Path, metavar="FILE", help="a table with one row for each run and epoch")
    parser.add_argument("--alpha", type=float, default=0.05, help="level of tests (default 0.05)")
    parser.add_argument(
        "--margin-pp",
        type=float,
        metavar="PP",
        help="smallest difference that matters, percentage points (default 0.1)",
    )
    parser.add_argument("--margin", type=float, help="the same in the response's unit (default: none)")
    parser.add_argument(
        "--collapse-below", type=float, metavar="X", help="a run has collapsed below this share of successes (0.9)"
    )
    parser.add_argument(
        "--better", choices=("higher", "lower"), default="higher", help="which response is better (default higher)"
    )
    parser.add_argument(
        "--adjust", choices=("max-t", "holm"), default="max-t", help="adjustment of p and intervals (default max-t)"
    )
    parser.add_argument(
        "--looks",
        metavar="N,N,...",
        help="the study was sequential, looked at after so many blocks: tests that hold at any time of stopping",
    )
    parser.add_argument("--random", metavar="TERMS", help='random terms of the mixed model, as "seed + seed:bn"')
    parser.add_argument("--tune", metavar="FACTOR", help="compare each arm at its best level of this factor too")
    parser.add_argument(
        "--negative-control", metavar="LEVEL", help="a level that equals the control under other seeds (A/A)"
    )
    parser.add_argument(
        "--validation-successes", metavar="COLUMN", default="validation_correct", help="for --tune and --curves"
    )
    parser.add_argument(
        "--validation-trials", metavar="COLUMN", default="validation_trials", help="for --tune and --curves"
    )
    parser.add_argument(
        "--describe",
        metavar="REASON",
        help="only describe cells and curves, as of a study that goes on; REASON is kept beside them",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    # The matrices are small: more threads only get in each other's way, and their number would show in the last bits.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from study import analysis
    from study.stats.table import read_frame, read_table

    focus, _, level = arguments.control.partition("=")
    if focus not in arguments.factor or not level:
        raise StudyError(
            f"--control {arguments.control}: write FACTOR=LEVEL with one of the factors {', '.join(arguments.factor)}"
        )
    table = read_table(
        arguments.table,
        factors=[focus, *(name for name in arguments.factor if name != focus)],
        control=level,
        block=None if arguments.block == "none" else arguments.block,
        successes=arguments.successes,
        trials=arguments.trials,
        response=arguments.response,
        whole=arguments.describe is None,
    )
    plan = _plan(arguments, table.counts)
    curves = None
    if arguments.curves:
        curves = read_frame(arguments.curves, levels=[*table.factors, *([table.block] if table.block else [])])
    if arguments.describe is None:
        found = analysis.analyse(table, plan, curves)
    else:
        found = analysis.describe(table, plan, curves, arguments.describe)
    analysis.write(found, arguments.out)


def _plan(arguments: argparse.Namespace, counts: bool) -> "Plan":
    from study.analysis import Plan

    if not 0 < arguments.alpha < 1:
        raise StudyError(f"--alpha {arguments.alpha:g}: a level lies between 0 and 1, for example 0.05")
    mine, other = ("--margin-pp", "--margin") if counts else ("--margin", "--margin-pp")
    given = {"--margin-pp": arguments.margin_pp, "--margin": arguments.margin}
    if given[other] is not None:
        kind = "counts" if counts else "a response"
        raise StudyError(f"{other} does not go with {kind}; use {mine}")
    margin = given[mine] if given[mine] is not None else (0.1 if counts else 0.0)
    if margin < 0:
        raise StudyError(f"{mine} {margin:g}: a margin is not negative")
    collapse_below = arguments.collapse_below
    if counts and collapse_below is None:
        collapse_below = 0.9
    if counts and not 0 <= collapse_below <= 1:
        raise StudyError(f"--collapse-below {collapse_below:g}: a share of successes lies between 0 and 1")
    return Plan(
        alpha=arguments.alpha,
        margin=margin,
        collapse_below=collapse_below,
        higher_is_better=counts or arguments.better == "higher",
        adjust=arguments.adjust,
        random=arguments.random,
        tune=arguments.tune,
        validation_successes=arguments.validation_successes,
        validation_trials=arguments.validation_trials,
        negative_control=arguments.negative_control,
        looks=_looks(arguments.looks),
    )


def _looks(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        looks = tuple(int(part) for part in text.split(","))
    except ValueError:
        looks = ()
    if not looks or looks[0] < 2 or list(looks) != sorted(set(looks)):
        raise StudyError(f"--looks {text}: write increasing whole numbers from 2, as 5,10,15")
    return looks
