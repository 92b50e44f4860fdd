"""`study analyze`: every inference on a table of runs."""

import argparse
import os
from pathlib import Path

from study import trainers
from study.analysis.about import About, of_study
from study.config import resolve as configuration
from study.design.response import AnalysisSpec, analysis_spec
from study.errors import StudyError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "analyze",
        help="contrasts, analysis of variance, mixed model, collapse, luck ... of a table of runs",
        description="Analyse a tidy table (CSV, TSV or Parquet) with one row a run; see docs/analysis-files.md.",
    )
    add = parser.add_argument
    add("table", type=Path, metavar="TABLE", help="the table of runs")
    add("--design", type=Path, metavar="FILE", help="a study's design.json, in place of all options below")
    add("--out", required=True, type=Path, metavar="DIR", help="the folder to write to")
    add("--curves", type=Path, metavar="FILE", help="a table with one row for each run and epoch")
    add("--successes", metavar="COLUMN", help="count of successes, for example of right answers")
    add("--trials", metavar="COLUMN", help="count of trials")
    add("--response", metavar="COLUMN", help="a number as the outcome, instead of counts")
    add("--name", metavar="WORDS", help="what to call the outcome, such as 'validation loss'")
    add("--unit", metavar="WORDS", help="the unit of a response, such as nats or s")
    add("--factor", action="append", metavar="[NAME=]COLUMN", help="a factor, under NAME if given; may be repeated")
    add("--block", metavar="COLUMN", help="the unit of replication, such as the seed; or none")
    add("--control", metavar="FACTOR=LEVEL", help="the level that its factor's others are compared with")
    add("--alpha", type=float, help="level of tests (default 0.05)")
    add(
        "--margin-pp",
        type=float,
        metavar="PP",
        help="smallest difference that matters, percentage points (default 0.1)",
    )
    add("--margin", type=float, help="the same in the response's unit (default: none)")
    collapse = "a run has collapsed below this share of successes, or this response (default: by diverging alone)"
    add("--collapse-below", type=float, metavar="X", help=collapse)
    add("--collapse-above", type=float, metavar="X", help="the same for a response of which lower is better")
    add("--better", choices=("higher", "lower"), help="which response is better (default higher)")
    add(
        "--status",
        metavar="COLUMN",
        help="how each run ended, as trackers export it (default: State or status, if any)",
    )
    looks = "the study was sequential, looked at after so many blocks: tests that hold at any time of stopping"
    add("--looks", metavar="N,N,...", help=looks)
    add("--random", metavar="TERMS", help='random terms of the mixed model, as "seed + seed:norm"')
    add("--stop", choices=("settled", "sized"), help="when the sequential study stopped, as in design.stop")
    add("--tune", metavar="FACTOR", help="compare each arm at its best level of this factor too (default: lr, if any)")
    add("--negative-control", metavar="LEVEL", help="a level that equals the control under other seeds (A/A)")
    add("--validation-successes", metavar="COLUMN", help="for --tune and --curves (default validation_correct)")
    add("--validation-trials", metavar="COLUMN", help="for --tune and --curves (default validation_trials)")
    add("--validation-response", metavar="COLUMN", help="for --curves of a response (default validation_response)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    # The matrices are small: more threads only get in each other's way, and their number would show in the last bits.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from study.analysis import files, read
    from study.analysis.run import analyse

    files.check_folder(arguments.out)
    spec, names, told = _of_design(arguments) if arguments.design else _of_options(arguments)
    table, ended = read.read_runs(arguments.table, spec, names, arguments.status)
    curves = read.read_curves(arguments.curves, spec, names)
    files.write(analyse(table, spec, curves, ended, told), arguments.out)


def _of_design(arguments: argparse.Namespace) -> tuple[AnalysisSpec, None, About]:
    """The plan of a study, and what lies beside its design: where the records come from, what its trainer explains."""
    own = ("run", "table", "design", "out", "curves", "status")
    given = next((name for name, value in vars(arguments).items() if value is not None and name not in own), None)
    if given is not None:
        raise StudyError(f"--{given.replace('_', '-')}: does not go with --design, which holds the whole plan")
    design = configuration.design(arguments.design)
    trainer = trainers.choose(design.config)
    folder = arguments.design.parent
    return analysis_spec(design.config, trainer.response()), None, of_study(design, folder, trainer.advice(folder))


def _of_options(arguments: argparse.Namespace) -> tuple[AnalysisSpec, dict[str, str], About]:
    """The plan, and the names of the columns that have a role by the columns of the file."""
    for option in ("factor", "block", "control"):
        if getattr(arguments, option) is None:
            raise StudyError(f"--{option}: missing; give it, or --design with a study's design.json")
    factors = dict(_named(text, "--factor") for text in arguments.factor)
    block = None if arguments.block == "none" else _named(arguments.block, "--block")
    focus, _, level = arguments.control.partition("=")
    if focus not in factors or not level:
        raise StudyError(
            f"--control {arguments.control}: write FACTOR=LEVEL with one of the factors {', '.join(factors)}"
        )
    counts = arguments.response is None
    better = arguments.better or "higher"
    if counts and better == "lower":
        raise StudyError("--better lower does not go with counts: count what is wanted as successes")
    if counts and arguments.unit:
        raise StudyError(f"--unit {arguments.unit} does not go with counts, which are shown in per cent")
    optional = ("unit", "better", "alpha", "random", "stop", "tune", "negative_control", "successes", "trials")
    columns = ("response", "validation_successes", "validation_trials", "validation_response")
    spec = AnalysisSpec(
        factors=(focus, *(name for name in factors if name != focus)),
        control=level,
        block=block[0] if block else None,
        name=arguments.name or arguments.response or "accuracy",
        margin=_margin(arguments, counts),
        collapse_below=_collapse(arguments, better, counts),
        looks=_looks(arguments.looks),
        **{name: value for name in (*optional, *columns) if (value := getattr(arguments, name)) is not None},
    )
    if not 0 < spec.alpha < 1:
        raise StudyError(f"--alpha {spec.alpha:g}: a level lies between 0 and 1, for example 0.05")
    names = {column: name for name, column in [*factors.items(), *([block] if block else [])]}
    return spec, names, About()


def _named(text: str, option: str) -> tuple[str, str]:
    """`NAME=COLUMN` or `COLUMN` as (name, column)."""
    name, sign, column = text.partition("=")
    if sign and not (name and column):
        raise StudyError(f"{option} {text}: write COLUMN, or NAME=COLUMN for another name")
    return name, column if sign else name


def _margin(arguments: argparse.Namespace, counts: bool) -> float:
    mine, other = ("--margin-pp", "--margin") if counts else ("--margin", "--margin-pp")
    given = {"--margin-pp": arguments.margin_pp, "--margin": arguments.margin}
    if given[other] is not None:
        raise StudyError(f"{other} does not go with {'counts' if counts else 'a response'}; use {mine}")
    margin: float = given[mine] if given[mine] is not None else (0.1 if counts else 0.0)
    if margin < 0:
        raise StudyError(f"{mine} {margin:g}: a margin is not negative")
    return margin


def _collapse(arguments: argparse.Namespace, better: str, counts: bool) -> float | None:
    bound, wrong = ("below", "above") if better == "higher" else ("above", "below")
    if getattr(arguments, f"collapse_{wrong}") is not None:
        raise StudyError(f"--collapse-{wrong} does not go with {better} being better; use --collapse-{bound}")
    found: float | None = getattr(arguments, f"collapse_{bound}")
    if counts and found is not None and not 0 <= found <= 1:
        raise StudyError(f"--collapse-below {found:g}: a share of successes lies between 0 and 1")
    return found


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
