"""`study power`: how many seeds a study needs, from a pilot's runs or from assumptions."""

import argparse
import re
from pathlib import Path
from typing import Any

from study.errors import StudyError

COUNTS_EFFECTS = (0.05, 0.1, 0.2, 0.3)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "power",
        help="the effect that a planned number of seeds can show, and the seeds that an effect needs",
        description="From a pilot: study power --pilot TABLE --successes K --trials N --factor F --block SEED "
        "--control F=LEVEL. Without one: study power --sd 0.1 --error-rate 0.016 --trials 10000.",
    )
    pilot = parser.add_argument_group("from a pilot")
    pilot.add_argument("--pilot", type=Path, metavar="TABLE", help="its table of runs (CSV, TSV or Parquet)")
    pilot.add_argument("--successes", metavar="COLUMN", help="count of successes")
    pilot.add_argument("--response", metavar="COLUMN", help="a number as the outcome, instead of counts")
    pilot.add_argument("--factor", action="append", metavar="COLUMN", help="a factor; may be repeated")
    pilot.add_argument("--block", metavar="COLUMN", help="the unit of replication, such as the seed; or none")
    pilot.add_argument("--control", metavar="FACTOR=LEVEL", help="the level that its factor's others are compared with")
    guess = parser.add_argument_group("from assumptions")
    guess.add_argument(
        "--sd", type=float, help="sd between runs, on log odds of error, without binomial noise (such as 0.1)"
    )
    guess.add_argument("--error-rate", type=float, metavar="P", help="the control's share of errors (such as 0.016)")
    guess.add_argument("--cells", type=int, help="combinations of the other factors (default 1)")
    parser.add_argument("--trials", metavar="COLUMN|N", help="count of trials: the pilot's column, or a number")
    parser.add_argument("--seeds", type=int, default=20, help="planned seeds (default 20)")
    parser.add_argument(
        "--sequential",
        nargs=3,
        type=int,
        metavar=("START", "STEP", "MAX"),
        help="plan a sequential design too, with these seeds",
    )
    parser.add_argument("--contrasts", type=int, help="arms compared with the control (the pilot's; else default 4)")
    parser.add_argument("--alpha", type=float, default=0.05, help="level of the family of contrasts (default 0.05)")
    parser.add_argument("--power", type=float, default=0.8, help="wanted probability to find the effect (default 0.8)")
    parser.add_argument("--margin-pp", type=float, metavar="PP", help="smallest difference that matters (default 0.1)")
    parser.add_argument("--margin", type=float, help="the same in the response's unit")
    parser.add_argument(
        "--effect", type=float, action="append", help="also give the seeds for this effect (pp or the response's unit)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the plan as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.files import write_json

    plan = _from_pilot(arguments) if arguments.pilot else _from_assumptions(arguments)
    print(describe(plan))
    if arguments.out:
        write_json(arguments.out, plan)


def describe(plan: dict[str, Any]) -> str:
    """The plan as a table for a terminal."""
    unit = "pp" if plan["unit"] == "pp" else ""
    lines = [
        f"{plan['planned_seeds']} seeds, {plan['contrasts']} contrasts at {plan['alpha']:g} / {plan['contrasts']}, "
        f"power {100 * plan['power']:g} %, {'paired by seed' if plan['paired'] else 'unpaired'}, "
        + (
            "variances from the pilot (95 % interval in brackets)" if plan["source"] == "pilot" else "variances assumed"
        ),
        "",
        f"{'':38}{'mean over ' + str(plan['cells']) + ' cells':>24}{'in one cell':>24}",
        _line(
            f"smallest effect found with {plan['planned_seeds']} seeds", plan, lambda p: _effect(p["detectable"], unit)
        ),
    ]
    for index, row in enumerate(plan["main"]["seeds_for"]):
        title = f"seeds for an effect of {row['effect']:g} {unit}".rstrip()
        lines.append(_line(title, plan, lambda p, i=index: _seeds(p["seeds_for"][i])))
    if plan["margin"] > 0:
        title = f"seeds to show equality within {plan['margin']:g} {unit}".rstrip()
        lines.append(_line(title, plan, lambda p: _seeds(p["equivalence"])))
    if plan["main"]["sequential"]:
        looks = plan["looks"]
        some = ", ".join(map(str, looks if len(looks) < 4 else [*looks[:2], "...", looks[-1]]))
        lines += ["", f"sequential, looks at {some} seeds: seeds expected, 90 % within, share settled"]
        for index, row in enumerate(plan["main"]["sequential"]):
            title = f"  for an effect of {row['effect']:g} {unit}".rstrip() if row["effect"] else "  for no difference"
            lines.append(_line(title, plan, lambda p, i=index: _spent(p["sequential"][i])))
    return "\n".join(line.rstrip() for line in lines)


def _line(title: str, plan: dict[str, Any], value: Any) -> str:
    return f"{title:<38}{value(plan['main']):>24}{value(plan['cell']):>24}"


def _effect(part: dict[str, Any], unit: str) -> str:
    interval = "" if part["low"] is None else f" ({part['low']:.2g} to {part['high']:.2g})"
    return f"{part['effect']:.2g} {unit}".rstrip() + interval


def _seeds(part: dict[str, Any]) -> str:
    if part["seeds"] is None:
        return "out of reach"
    if part["low"] is None:
        return str(part["seeds"])
    return f"{part['seeds']} ({part['low']} to {'-' if part['high'] is None else part['high']})"


def _spent(row: dict[str, Any]) -> str:
    return f"{row['expected']:.0f}, {row['q90']:.0f}, {100 * row['settled']:.0f} %"


def _from_pilot(arguments: argparse.Namespace) -> dict[str, Any]:
    from study.stats.planning.power import plan_from_pilot
    from study.stats.table import read_table

    for option, value in (
        ("--factor", arguments.factor),
        ("--block", arguments.block),
        ("--control", arguments.control),
    ):
        if not value:
            raise StudyError(f"{option}: missing; --pilot needs --factor, --block and --control, as study analyze")
    for option, value in (("--sd", arguments.sd), ("--error-rate", arguments.error_rate), ("--cells", arguments.cells)):
        if value is not None:
            raise StudyError(f"{option}: does not go with --pilot, which knows it")
    focus, _, level = arguments.control.partition("=")
    if focus not in arguments.factor or not level:
        raise StudyError(
            f"--control {arguments.control}: write FACTOR=LEVEL with one of the factors {', '.join(arguments.factor)}"
        )
    table = read_table(
        arguments.pilot,
        factors=[focus, *(name for name in arguments.factor if name != focus)],
        control=level,
        block=None if arguments.block == "none" else arguments.block,
        successes=arguments.successes,
        trials=arguments.trials,
        response=arguments.response,
    )
    return plan_from_pilot(table, _target(arguments, len(table.arms), table.counts))


def _from_assumptions(arguments: argparse.Namespace) -> dict[str, Any]:
    from study.stats.planning.power import plan_from_assumptions

    for option, value in (
        ("--sd", arguments.sd),
        ("--error-rate", arguments.error_rate),
        ("--trials", arguments.trials),
    ):
        if value is None:
            raise StudyError(f"{option}: missing; give --pilot TABLE, or --sd, --error-rate and --trials")
    if not re.fullmatch("[1-9][0-9]{0,14}", arguments.trials):
        raise StudyError(f"--trials {arguments.trials}: without --pilot this is the number of test images, as 10000")
    if arguments.sd < 0:
        raise StudyError(f"--sd {arguments.sd:g}: a standard deviation is not negative")
    if not 0 < arguments.error_rate < 1:
        raise StudyError(f"--error-rate {arguments.error_rate:g}: a share between 0 and 1 is needed, as 0.016")
    cells = arguments.cells if arguments.cells is not None else 1
    if cells < 1:
        raise StudyError(f"--cells {cells}: at least one is needed")
    target = _target(arguments, 4, counts=True)
    return plan_from_assumptions(arguments.sd, arguments.error_rate, int(arguments.trials), cells, target)


def _target(arguments: argparse.Namespace, contrasts: int, counts: bool) -> Any:
    from study.stats.planning.power import PlanningTarget

    if arguments.contrasts is not None:
        contrasts = arguments.contrasts
    if contrasts < 1:
        raise StudyError(f"--contrasts {contrasts}: at least one is needed")
    if arguments.seeds < 2:
        raise StudyError(f"--seeds {arguments.seeds}: replication needs at least two")
    for option, value in (("--alpha", arguments.alpha), ("--power", arguments.power)):
        if not 0 < value < 1:
            raise StudyError(f"{option} {value:g}: a number between 0 and 1 is needed")
    mine, other = ("--margin-pp", "--margin") if counts else ("--margin", "--margin-pp")
    given = {"--margin-pp": arguments.margin_pp, "--margin": arguments.margin}
    if given[other] is not None:
        raise StudyError(f"{other} does not go with {'counts' if counts else 'a response'}; use {mine}")
    margin = given[mine] if given[mine] is not None else (0.1 if counts else 0.0)
    if margin < 0:
        raise StudyError(f"{mine} {margin:g}: a margin is not negative")
    effects = tuple(arguments.effect) if arguments.effect else (COUNTS_EFFECTS if counts else (margin,) * (margin > 0))
    for effect in effects:
        if effect <= 0:
            raise StudyError(f"--effect {effect:g}: a number above 0 is needed")
    looks = _looks(arguments)
    return PlanningTarget(arguments.seeds, margin, effects, contrasts, arguments.alpha, arguments.power, looks)


def _looks(arguments: argparse.Namespace) -> tuple[int, ...]:
    from study.design.factorial import planned_looks

    if arguments.sequential is None:
        return ()
    start, step, most = arguments.sequential
    if not 2 <= start <= most or step < 1:
        raise StudyError(f"--sequential {start} {step} {most}: START from 2, STEP from 1, MAX from START on, as 5 5 60")
    if arguments.block == "none":
        raise StudyError("--sequential: goes with a --block, as its test is of differences within blocks")
    return planned_looks(start, step, most)
