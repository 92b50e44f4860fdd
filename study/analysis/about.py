"""What the answers say beside the numbers: a study's words, what was done otherwise, why nothing may be concluded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from study.design.plan import Plan
from study.files import read_json
from study.words import level_key


@dataclass(frozen=True)
class About:
    """A study in words.

    Attributes:
        study: its name.
        question: what it asks; empty for a table that no study made.
        stamp: why nothing is concluded yet; empty for a finished study.
        titles: a factor's name in words.
        labels: a level's name in words, by factor and `level_key`.
        planned: the number of runs; None if that is not known.
        deviations: what was done otherwise than planned, a sentence each.
        advice: by level, what its trainer advises where the runs of that level fail.
    """

    study: str = ""
    question: str = ""
    stamp: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    planned: int | None = None
    deviations: tuple[str, ...] = ()
    advice: Mapping[str, str] = field(default_factory=dict)


def of_study(plan: Plan, folder: Path, advice: Mapping[str, str]) -> About:
    """What the results directory `folder` of a study holds of it; `advice` is its trainer's.

    Raises:
        StudyError: a file there is damaged.
    """
    config = plan.config
    provenance = read_json(folder / "provenance.json", dict) or {}
    counts = provenance.get("runs") or {}
    planned, done = counts.get("planned"), counts.get("done", 0)
    stamp = ""
    if planned and planned > done:
        stamp = f"INTERIM {done:,} of {planned:,} runs. No verdict yet: the plan allows one when every run is done."
    labels = {name: dict(words) for name, words in config["report"]["labels"].items()}
    return About(
        study=plan.name,
        question=config["study"]["question"],
        stamp=stamp,
        titles=config["report"]["titles"],
        labels={name: {level_key(level): word for level, word in words.items()} for name, words in labels.items()},
        planned=planned,
        deviations=tuple(provenance.get("deviations") or ()),
        advice=advice,
    )
