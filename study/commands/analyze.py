"""`study analyze`: every inference on a table of runs."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from study.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

    from study.analysis.run import Plan


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
    parser.add_argument("--name", metavar="WORDS", help="what the outcome is called, as in 'validation loss'")
    parser.add_argument("--unit", metavar="WORDS", default="", help="the unit of a response, as in nats or s")
    parser.add_argument(
        "--factor",
        action="append",
        required=True,
        metavar="[NAME=]COLUMN",
        help="a factor, by another name if one is given; may be repeated",
    )
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
        "--collapse-below",
        type=float,
        metavar="X",
        help="a run has collapsed below this share of successes, or this response (default: by diverging alone)",
    )
    parser.add_argument(
        "--collapse-above", type=float, metavar="X", help="the same for a response of which lower is better"
    )
    parser.add_argument(
        "--better", choices=("higher", "lower"), default="higher", help="which response is better (default higher)"
    )
    parser.add_argument(
        "--status",
        metavar="COLUMN",
        help="how each run ended, as trackers export it (default: State or status, if the table has one)",
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
        "--validation-response", metavar="COLUMN", default="validation_response", help="for --curves of a response"
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
    from study.analysis import files
    from study.analysis.run import Words, analyse, describe
    from study.analysis.tracker_export import ended_runs
    from study.stats.table import build_table, read_frame

    files.check_folder(arguments.out)
    factors = dict(_named(text, "--factor") for text in arguments.factor)
    block = None if arguments.block == "none" else _named(arguments.block, "--block")
    focus, _, level = arguments.control.partition("=")
    if focus not in factors or not level:
        raise StudyError(
            f"--control {arguments.control}: write FACTOR=LEVEL with one of the factors {', '.join(factors)}"
        )
    columns = {**factors, **(dict([block]) if block else {})}
    frame = read_frame(arguments.table, levels=list(columns.values()))
    try:
        export = ended_runs(frame, arguments.status, arguments.response, list(columns.values()))
        table = build_table(
            _renamed(export.frame, columns),
            factors=[focus, *(name for name in factors if name != focus)],
            control=level,
            block=block[0] if block else None,
            successes=arguments.successes,
            trials=arguments.trials,
            response=arguments.response,
            whole=arguments.describe is None,
            higher_is_better=_higher(arguments),
        )
    except StudyError as error:
        raise StudyError(f"{arguments.table}: {error}") from None
    plan = _plan(arguments, table.counts)
    curves = None
    if arguments.curves:
        curves = _renamed(read_frame(arguments.curves, levels=list(columns.values())), columns)
    words = Words(
        arguments.name or arguments.response or "accuracy", arguments.unit, export.left_out, export.without_number
    )
    if arguments.describe is None:
        found = analyse(table, plan, curves, words)
    else:
        found = describe(table, plan, curves, words, arguments.describe)
    files.write(found, arguments.out)


def _named(text: str, option: str) -> tuple[str, str]:
    """`NAME=COLUMN` or `COLUMN` as (name, column)."""
    name, sign, column = text.partition("=")
    if sign and not (name and column):
        raise StudyError(f"{option} {text}: write COLUMN, or NAME=COLUMN for another name")
    return name, column if sign else name


def _renamed(frame: "pd.DataFrame", columns: dict[str, str]) -> "pd.DataFrame":
    """The table with columns that have a role under the names of their roles."""
    found = {column: name for name, column in columns.items() if column in frame}
    # A column that has such a name already, and no role, would be there twice.
    taken = [name for name in columns if name in frame and name not in found]
    return frame.drop(columns=taken).rename(columns=found) if any(k != v for k, v in found.items()) else frame


def _higher(arguments: argparse.Namespace) -> bool:
    if arguments.response is None and arguments.better == "lower":
        raise StudyError("--better lower does not go with counts: count what is wanted as successes")
    if arguments.response is None and arguments.unit:
        raise StudyError(f"--unit {arguments.unit} does not go with counts, which are shown in per cent")
    return bool(arguments.better == "higher")


def _plan(arguments: argparse.Namespace, counts: bool) -> "Plan":
    from study.analysis.run import Plan

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
    bound, wrong = ("below", "above") if arguments.better == "higher" else ("above", "below")
    if getattr(arguments, f"collapse_{wrong}") is not None:
        raise StudyError(f"--collapse-{wrong} does not go with {arguments.better} being better; use --collapse-{bound}")
    collapse_below = getattr(arguments, f"collapse_{bound}")
    if counts and collapse_below is not None and not 0 <= collapse_below <= 1:
        raise StudyError(f"--collapse-below {collapse_below:g}: a share of successes lies between 0 and 1")
    return Plan(
        alpha=arguments.alpha,
        margin=margin,
        collapse_below=collapse_below,
        adjust=arguments.adjust,
        random=arguments.random,
        tune=arguments.tune,
        validation_successes=arguments.validation_successes,
        validation_trials=arguments.validation_trials,
        validation_response=arguments.validation_response,
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
