"""`study design`: from a configuration to the planned runs."""

import argparse
import json
import math
from pathlib import Path

from study.config import resolve as configuration
from study.design import plan
from study.design.factorial import cells, looks, seeds
from study.errors import StudyError

# What the planning assumes before there are runs of one's own: the error rate that such networks usually reach on
# MNIST, and a standard deviation between runs, on log odds of error, of a tenth.
ASSUMED_ERROR_RATE, ASSUMED_RUN_SD = 0.016, 0.10


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("design", help="write design.json and design.csv from a configuration")
    parser.add_argument("config", help="a configuration as JSON text, or the path of a YAML file")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study import trainers

    if arguments.config.lstrip().startswith("{"):
        try:
            config = configuration.resolve(json.loads(arguments.config))
        except ValueError as error:
            raise StudyError(f"the configuration is not JSON ({error})") from None
    else:
        config = configuration.load(arguments.config)
    config = plan.settle(config, arguments.out, arguments.out.parent / "runs")
    trainer = trainers.choose(config)
    design = plan.Plan(config, trainer.origin())
    trainer.check(cells(config))
    plan.write(design, arguments.out)
    most = ", at most," if looks(config) else ""
    print(f"{len(design.runs())} runs{most} are planned." + (_outlook(design) if "trainer" not in config else ""))


def _outlook(design: plan.Plan) -> str:
    """What the planned seeds of the built-in networks can show, in words for a terminal."""
    from study.commands.power import describe
    from study.stats.planning.power import PlanningTarget, plan_from_assumptions
    from study.trainers.mnist import data

    factors = design.config["design"]["factors"]
    (focus,) = design.config["design"]["control"]
    bounds = design.config["plan"]
    target = PlanningTarget(
        seeds=len(seeds(design.config)),
        margin=bounds["margin_pp"],
        contrasts=len(factors[focus]) - 1,
        alpha=bounds["alpha"],
        looks=looks(design.config),
    )
    grid = math.prod(len(levels) for name, levels in factors.items() if name != focus)
    trials = len(data.load(design.config["data"]["source"]).test)
    found = plan_from_assumptions(ASSUMED_RUN_SD, ASSUMED_ERROR_RATE, trials, grid, target)
    assumed = f"assuming {100 * ASSUMED_ERROR_RATE:g} % error and a run-to-run sd of {ASSUMED_RUN_SD:g} on log odds"
    return f" What they can show, {assumed}:\n{describe(found)}"
