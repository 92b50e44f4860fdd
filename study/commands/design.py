"""`study design`: from a configuration to the planned runs."""

import argparse
import math
from pathlib import Path

from study import trainers
from study.config import resolve as configuration
from study.design import plan
from study.design.factorial import looks, seeds
from study.errors import StudyError
from study.reading import parse_json
from study.store.record import Store
from study.trainers.base import Assumptions, Trainer
from study.trainers.resume import with_seconds_per_run


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("design", help="write design.json and design.csv from a configuration")
    parser.add_argument("config", help="a configuration as JSON text, or the path of a YAML file")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    write(arguments.config, arguments.out)


def write(text: str, folder: Path) -> tuple[plan.Plan, Trainer]:
    """Write the design of a configuration, given as JSON text or the path of a YAML file; print what is planned."""
    if text.lstrip().startswith("{"):
        try:
            given = parse_json(text)
        except StudyError as error:
            raise StudyError(f"the configuration: {error}") from None
        config = configuration.resolve(given)
    else:
        config = configuration.load(text)
    trainer = trainers.choose(config)
    config = with_seconds_per_run(config, trainer, folder, Store(folder.parent / "runs"))
    design = plan.Plan(config, trainer.origin(), trainer.shared_levels())
    trainer.check(design.cells())
    plan.write(design, folder, trainer.words())
    most = ", at most," if looks(config) else ""
    assumed = trainer.assumptions()
    print(f"{len(design.runs())} runs{most} are planned." + (_outlook(design, assumed) if assumed else ""))
    return design, trainer


def _outlook(design: plan.Plan, assumed: Assumptions) -> str:
    """What the planned seeds can show, in words for a terminal."""
    from study.commands.power import describe
    from study.stats.planning.power import PlanningTarget, plan_from_assumptions

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
    found = plan_from_assumptions(assumed.run_sd, assumed.error_rate, assumed.trials, grid, target)
    words = f"assuming {100 * assumed.error_rate:g} % error and a run-to-run sd of {assumed.run_sd:g} on log odds"
    return f" What they can show, {words}:\n{describe(found)}"
