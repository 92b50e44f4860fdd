"""What trains the runs of a study: the built-in networks, a command, or a function.

The Snakefile makes a trainer in every job, so nothing heavy is imported until a run is trained.
"""

from typing import Any

from study.trainers.base import Trainer


def choose(config: dict[str, Any]) -> Trainer:
    """The trainer of a resolved configuration."""
    if "trainer" not in config:
        from study.trainers.mnist.trainer import MnistTrainer

        return MnistTrainer(config)
    from study.trainers.external.process import ExternalTrainer

    return ExternalTrainer(config)
