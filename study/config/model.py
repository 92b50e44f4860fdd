"""The model of a configuration: types, defaults, descriptions and checks of the keys that every study has.

What is special to the trainer comes from its room (`trainers.settings_model`) and is laid over it.
"""

import functools
import math
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, create_model, field_validator, model_validator

from study import trainers
from study.design.factorial import NEGATIVE_CONTROL
from study.trainers.settings import (
    Distinct,
    Flag,
    Key,
    Level,
    Levels,
    Number,
    Section,
    Whole,
    allowed,
    same_level,
    scalar,
    section,
    suggestion,
)

# A study of 10,000 cells is beyond any cluster; more would fill the memory before anything is planned.
MOST_CELLS = 10_000


def _not_the_store(name: str) -> str:
    if name == "runs":
        raise ValueError("study.name is 'runs'; allowed: any other, as results/runs holds the records of all studies")
    return name


class Study(Section):
    """What the study is called and what it asks."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100, json_schema_extra={"not": {"const": "runs"}}),
        allowed("a text of up to 100 letters, digits, '.', '_' and '-', the first a letter or digit"),
        AfterValidator(_not_the_store),
    ] = Field(
        description="The study's name; its results lie in results/<name>. Any but `runs`, the folder of all studies' "
        "records."
    )
    question: str = Field("", description="The question in one sentence, as the report repeats it.")
    short_question: str = Field(
        "", description="The question in one line, the heading of the report; a file that changes one changes both."
    )


class Sequence(Section):
    """Begin with `start` seeds and add `step` at a time, `max` at most."""

    start: Whole = Field(ge=3, le=100_000)
    step: Whole = Field(ge=1, le=100_000)
    max: Whole = Field(ge=3, le=100_000)


Seeds = Annotated[
    Annotated[Whole, Field(ge=2, le=100_000)]
    | Annotated[Distinct[Annotated[Whole, Field(ge=0, le=2**31 - 1)]], Field(min_length=2)]
    | Sequence,
    allowed(
        "a whole number from 2 to 100000, a list of two or more different whole numbers from 0, or "
        "{start, step, max} in whole numbers, start from 3"
    ),
]


class Design(Section):
    """What is crossed with what, how often, and what is compared with what."""

    factors: dict[Key, Levels[Level] | None] = Field(
        min_length=1,
        description="The factors and their levels: words, numbers or truth values. The design crosses all of them. A "
        "factor set to null is taken out, where another file declared it.",
    )
    control: dict[Key, Level | None] = Field(
        min_length=1,
        max_length=1,
        description="The factor of interest and the level that its other levels are compared with. A factor set to "
        "null is taken out, where another file declared it.",
    )
    seeds: Seeds = Field(
        20,
        description="How many seeds (20 means 0 to 19), or a list of them: a fixed design. Or a sequential one, "
        "`{start: 5, step: 5, max: 60}`: the study begins with `start` seeds and adds `step` at a time until every "
        "level's contrast with the control is settled (better, worse, or equivalent within the margin) or `max` seeds "
        "are spent. A seed is a block; all cells share it.",
    )
    stop: Annotated[Literal["settled", "sized", None], BeforeValidator(scalar)] = Field(
        None,
        description="When a sequential design stops adding seeds to a contrast: when it is `settled` (any label but "
        "inconclusive), or when it is also `sized` (a difference shown to be above or below the margin). Its tests "
        "hold at any time of stopping. Null for a fixed design; a sequential one is `settled` by default.",
    )
    negative_control: Flag = Field(
        False,
        description="Add an arm equal to the control but trained under other seeds, an A/A comparison in which the "
        "analysis must find nothing. It costs the control's trainings once more.",
    )

    @field_validator("factors", "control", mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: given for name, given in value.items() if scalar(given) is not None}

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if not isinstance(self.seeds, Sequence):
            if self.stop is not None:
                raise ValueError(
                    f"design.stop is {self.stop!r}, but design.seeds is fixed; allowed: no stop, or "
                    "seeds as {start: 5, step: 5, max: 60}"
                )
            return self
        if self.seeds.start > self.seeds.max:
            raise ValueError(
                f"design.seeds.start is {self.seeds.start}; allowed: {self.seeds.max} or less, which is max"
            )
        self.stop = self.stop or "settled"
        return self

    @model_validator(mode="after")
    def _check_control(self) -> Self:
        factors = {name: levels for name, levels in dict(self.factors).items() if levels is not None}
        if not factors:
            raise ValueError("design.factors is {}; allowed: at least 1 entry")
        ((name, level),) = self.control.items()
        if name not in factors:
            raise ValueError(
                f"design.control names {name!r}; allowed: a factor, {', '.join(factors)}" + suggestion(name, factors)
            )
        levels = factors[name]
        found = [each for each in levels if same_level(each, level) or same_level(each, scalar(level))]
        if not found:
            raise ValueError(
                f"design.control.{name} is {level!r}; allowed: one of its levels, {', '.join(map(str, levels))}"
            )
        if len(levels) < 2:
            raise ValueError(
                f"design.factors.{name} has one level, {level!r}; the factor of interest needs two or more"
            )
        if NEGATIVE_CONTROL in levels:
            raise ValueError(
                f"design.factors.{name} has the level {NEGATIVE_CONTROL!r}, the name of the arm that "
                "design.negative_control adds; allowed: any other"
            )
        self.control = {name: found[0]}
        return self


class Plan(Section):
    """What is decided before the first run. Its digest goes into every record and into the report."""

    alpha: Number = Field(0.05, gt=0, lt=0.5, description="The family-wise error rate of the primary contrasts.")


class Execution(Section):
    """How the work is cut into jobs. Nothing here changes a result."""

    seeds_per_job: Annotated[
        Annotated[Whole, Field(ge=1)] | Literal["auto"], allowed("auto, or a whole number, 1 or more")
    ] = Field(
        5,
        description="How many seeds of a cell one job trains, in one process, one after another. `auto` takes as many "
        "as fit into `job_minutes`.",
    )
    job_minutes: Number = Field(
        10.0,
        ge=1,
        description="How long a job should last, where `seeds_per_job` is `auto`. Some 20 s of it are its start.",
    )
    seconds_per_run: Annotated[
        Annotated[Number, Field(gt=0)] | Literal["auto"], allowed("auto, or a number, more than 0")
    ] = Field(
        "auto",
        description="How long the longest training takes on one core; decides the size of `auto` jobs and the time "
        "limit that a cluster is asked for. `auto` takes it from the store's records of like runs, or else from the "
        "trainer's estimate, when the study's design is first written, and keeps it.",
    )
    runs_per_gpu: Whole = Field(
        0,
        ge=0,
        description="0 trains on processors, one run a core. From 1, each job asks for one GPU and trains so many of "
        "its seeds on it at once; on a machine with a GPU say `--resources gpu=1`.",
    )


class Report(Section):
    """Words for the report."""

    deviations: list[Annotated[str, Field(min_length=1)]] = Field(
        [],
        description="What was done otherwise than planned, a sentence each; the report shows it next to what the "
        "records show.",
    )
    titles: dict[Key, str] = Field({}, description="A factor's name in words.")
    labels: dict[Key, dict[Key, str]] = Field({}, description="A level's name in words, by factor and level.")


class General(Section):
    """Every key that a configuration may hold: what it means, what is allowed, and the default when it is left out."""

    study: Study
    design: Design
    plan: Plan = section()
    execution: Execution = section()
    report: Report = section()

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        sizes = [len(levels) for levels in dict(self.design.factors).values() if levels is not None]
        if math.prod(sizes) > MOST_CELLS:
            found = " x ".join(map(str, sizes))
            raise ValueError(f"design.factors cross {found} levels; allowed: at most {MOST_CELLS:,} combinations")
        return self

    @model_validator(mode="after")
    def _check_words(self) -> Self:
        factors = [name for name, levels in dict(self.design.factors).items() if levels is not None]
        settings = dict(getattr(self, "training", {}))
        for key in ("titles", "labels"):
            for name in getattr(self.report, key):
                if name not in factors and name not in settings:
                    raise ValueError(
                        f"report.{key}.{name} names no factor; allowed: {', '.join(factors)}"
                        + suggestion(name, factors)
                    )
        return self


@functools.cache
def model(external: bool) -> type[General]:
    """The model of a configuration with an external trainer, or for the built-in one: the trainer's keys over ours."""
    special = trainers.settings_model(external)
    both: dict[str, Any] = {}
    for name, theirs in special.model_fields.items():
        if name in General.model_fields:
            ours: Any = General.model_fields[name].annotation
            bases: Any = (theirs.annotation, ours)
            both[name] = (create_model(ours.__name__, __base__=bases, __doc__=ours.__doc__), theirs)
    bases = (special, General)
    return create_model("Configuration", __base__=bases, __doc__=General.__doc__, **both)
