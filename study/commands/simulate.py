"""`study simulate`: tables of runs with known truth, and the analysis of them."""

import argparse
from pathlib import Path
from typing import Any

from study.errors import StudyError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "simulate",
        help="simulated tables of runs with known truth",
        description="Draw a table of runs whose truth is known, for the whole analysis to be tried on. Without effects "
        "every difference that it finds is chance.",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the table to write (.csv or .parquet)")
    parser.add_argument("--null", action="store_true", help="no arm differs: refuses --effect and --collapse")
    parser.add_argument(
        "--scenario", choices=("A", "B", "C", "D", "E", "F"), default="A", help="what disturbs the tests (default A)"
    )
    parser.add_argument(
        "--factor",
        action="append",
        metavar="NAME=LEVEL,LEVEL,...",
        help="a factor and its levels, the first factor with the control first; may be repeated (default: 5 x 2 x 3)",
    )
    parser.add_argument("--seeds", type=int, default=20, help="blocks (default 20)")
    parser.add_argument("--trials", type=int, default=10_000, help="test images of a run (default 10000)")
    parser.add_argument("--error-rate", type=float, default=0.016, help="the control's share of errors (default 0.016)")
    parser.add_argument("--sd", type=float, default=0.10, help="sd between runs, on log odds of error (default 0.1)")
    parser.add_argument(
        "--effect", action="append", default=[], metavar="LEVEL=PP", help="improvement in percentage points"
    )
    parser.add_argument(
        "--collapse", action="append", default=[], metavar="LEVEL=P", help="probability that a run of it collapses"
    )
    parser.add_argument("--diverged", type=float, default=0.0, help="share of collapsed runs that diverged (default 0)")
    parser.add_argument("--missing", type=float, default=0.0, help="probability that a run is absent (default 0)")
    parser.add_argument("--rng-seed", type=int, default=0, help="seed of the random numbers (default 0)")
    parser.add_argument("--analyze", type=Path, metavar="DIR", help="write the whole analysis of the table there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    import numpy as np

    from study.files import replacing
    from study.stats.planning.simulate import Truth, scenario, simulate

    if arguments.null and (arguments.effect or arguments.collapse):
        raise StudyError("--null: no arm differs then; leave out --effect and --collapse")
    if arguments.out.suffix not in (".csv", ".parquet"):
        raise StudyError(f"--out {arguments.out}: the name of a table ends in .csv or .parquet")
    if arguments.sd < 0:
        raise StudyError(f"--sd {arguments.sd:g}: a standard deviation is not negative")
    given: dict[str, Any] = {"design": _design(arguments.factor)} if arguments.factor else {}
    truth = scenario(
        arguments.scenario,
        Truth(
            **given,
            seeds=arguments.seeds,
            trials=arguments.trials,
            error_rate=arguments.error_rate,
            run_sd=arguments.sd,
            effects=_numbers(arguments.effect, "--effect"),
            collapse=_numbers(arguments.collapse, "--collapse"),
            diverged=arguments.diverged,
            missing=arguments.missing,
        ),
    )
    frame = simulate(truth, np.random.default_rng(arguments.rng_seed))
    with replacing(arguments.out) as path:
        if arguments.out.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
    print(f"{arguments.out}: {len(frame)} runs, {truth.seeds} seeds, scenario {arguments.scenario}")
    if arguments.analyze:
        from study.analysis import files
        from study.analysis.run import analyse
        from study.design.response import AnalysisSpec
        from study.stats.table import build_table

        table = build_table(frame, list(truth.design), truth.arms[0], "seed", "test_correct", "test_trials")
        spec = AnalysisSpec(
            table.factors,
            table.control,
            "seed",
            "test_correct",
            "test_trials",
            margin=0.1,
            collapse_below=0.9,
        )
        files.write(analyse(table, spec), arguments.analyze)
        print(f"{arguments.analyze}: the analysis")


def _design(factors: list[str]) -> dict[str, tuple[str, ...]]:
    design: dict[str, tuple[str, ...]] = {}
    for text in factors:
        name, _, levels = text.partition("=")
        if not name or not levels:
            raise StudyError(f"--factor {text}: write NAME=LEVEL,LEVEL, for example norm=none,batch")
        if name in design or name in ("seed", "status", "test_correct", "test_trials"):
            raise StudyError(f"--factor {text}: the name {name!r} is taken")
        design[name] = tuple(level.strip() for level in levels.split(","))
    return design


def _numbers(pairs: list[str], option: str) -> dict[str, float]:
    numbers = {}
    for text in pairs:
        level, _, number = text.rpartition("=")
        try:
            numbers[level] = float(number)
        except ValueError:
            raise StudyError(f"{option} {text}: write LEVEL=NUMBER") from None
        if not level:
            raise StudyError(f"{option} {text}: write LEVEL=NUMBER")
    return numbers
