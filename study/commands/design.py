"""`study design`: from a configuration to the planned runs."""

import argparse
import json
from pathlib import Path

from study import config as configuration
from study import plan
from study.errors import StudyError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("design", help="write design.json and design.csv from a configuration")
    parser.add_argument("config", help="a configuration as JSON text, or the path of a YAML file")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.training import data
    from study.training.job import check_fit

    if arguments.config.lstrip().startswith("{"):
        try:
            config = configuration.resolve(json.loads(arguments.config))
        except ValueError as error:
            raise StudyError(f"the configuration is not JSON ({error})") from None
    else:
        config = configuration.load(arguments.config)
    images = data.load(config["data"]["source"])
    design = plan.Plan(config, images.digest)
    for _, cell, _ in design.runs():
        check_fit(cell.settings, images)
    plan.write(design, arguments.out)
