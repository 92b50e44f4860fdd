"""What trains the runs of a study: the built-in networks, a command, or a function.

The Snakefile makes a trainer in every job, so nothing heavy is imported until a run is trained.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.trainers.base import Trainer

if TYPE_CHECKING:
    from study.report.explanation import Explanation
    from study.trainers.settings import Section


def choose(config: dict[str, Any]) -> Trainer:
    """The trainer of a resolved configuration."""
    if "trainer" not in config:
        from study.trainers.mnist.trainer import MnistTrainer

        return MnistTrainer(config)
    from study.trainers.external.process import ExternalTrainer

    return ExternalTrainer(config)


def settings_model(external: bool) -> "type[Section]":
    """The keys of a configuration that are special to its trainer: to an external one, or to the built-in one."""
    if external:
        from study.trainers.external import declaration

        return declaration.Settings
    from study.trainers.mnist import settings

    return settings.Settings


def explanation(folder: Path) -> "Explanation | None":
    """What only the trainer of the results in `folder` knows of them; known by the result files that it wrote there."""
    if not (folder / "mechanism.json").exists():
        return None
    from study.trainers.mnist.explanation import MnistExplanation

    return MnistExplanation(folder)
