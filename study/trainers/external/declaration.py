"""What a configuration declares about a trainer of its own: a command or a function, and what its records hold."""

import re
import shlex
import string
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from study.errors import StudyError
from study.trainers.settings import Distinct, Number, Section, allowed, optional, scalar, suggestion

# Columns of the table of runs, and what a command gets besides the levels.
RESERVED = (
    *("run_id", "seed", "record", "status", "successes", "trials", "response", "correct_bits", "trajectory", "epoch"),
    *("training_seconds", "evaluation_seconds", "plan_digest", "host", "commit"),
)


class Trainer(Section):
    """What trains one run, and what decides its result besides the levels and the seed."""

    command: str = optional(
        min_length=1,
        description="The command of one run, without a shell: `python train.py --lr {lr} --seed {seed} --out "
        "{record}`. It is split into words as a shell would; `{factor}` stands for the run's level of that factor, "
        "`{seed}` for its seed, `{record}` for the file that it must write. Each stands for one argument or a part of "
        "one, whatever characters it holds; `{{` and `}}` are braces. It works in the folder in which Snakemake works.",
    )
    function: Annotated[
        str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"), allowed("package.module:name")
    ] = optional(
        description="A Python function, as `package.module:name`, called in a process of its own with a keyword "
        "argument for each factor and `seed`; it returns the record. The module is looked for in the folder in which "
        "Snakemake works.",
    )
    files: Distinct[Annotated[str, Field(min_length=1)]] = optional(
        description="Files and folders whose content decides a result: code, small data. A change to one of them means "
        "new runs. If left out: each argument of the command that names a file, or the file of the function's module.",
    )
    timeout: Number = optional(
        gt=0, description="Seconds after which a run is stopped as hanging. If left out, a run may take for ever."
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.command is None) == (self.function is None):
            found = "neither command nor function" if self.command is None else "both command and function"
            raise ValueError(f"trainer has {found}; allowed: one of the two")
        return self


class Response(Section):
    """What the record of a run holds."""

    kind: Literal["proportion", "number"] = Field(
        description="`proportion`, successes of trials, more being better; or `number`, in a unit of its own."
    )
    name: str = Field(
        "response", min_length=1, description="What it is called, as in `test accuracy` or `validation loss`."
    )
    unit: str = Field("", description="The unit of a number, as in `nats` or `s`. A proportion is shown in per cent.")
    better: Literal["higher", "lower"] = Field(
        "higher",
        description="Which numbers are better. A proportion counts what is wanted, so its higher values are.",
    )


class Design(Section):
    block: Annotated[Literal["seed", None], BeforeValidator(scalar)] = Field(
        "seed",
        description="`seed`: all cells share their seeds, and runs of one seed are compared with each other. null: no "
        "two cells share a seed, and groups of independent runs are compared.",
    )


class Plan(Section):
    margin_pp: Number = optional(
        gt=0, le=100, description="The smallest difference of a proportion that matters, in percentage points."
    )
    margin: Number = optional(gt=0, description="The smallest difference of a number that matters, in its unit.")
    collapse_below: Number = optional(
        description="A run below it counts as collapsed: a share of successes (0 to 1), or a number in its unit if "
        "higher is better. If left out, a run collapses by diverging alone.",
    )
    collapse_above: Number = optional(description="The same for a number of which lower is better.")


class Settings(Section):
    """What a configuration holds for a trainer of its own, besides the keys of every study."""

    trainer: Trainer
    response: Response
    design: Design
    plan: Plan

    @model_validator(mode="after")
    def _check(self) -> Self:
        design: Any = self.design
        if design.block is None and isinstance(design.seeds, Section):
            raise ValueError(
                "design.seeds is {start, step, max}, but design.block is null; allowed there: a fixed "
                "number, as a sequential study compares runs of the same seed"
            )
        for name in design.factors:
            _check_name(name)
        if self.trainer.command is not None:
            _check_command(self.trainer.command, list(design.factors))
        _check_response(self.response, self.plan)
        return self


def arguments(command: str) -> list[str]:
    """The command's arguments, split as a shell would, with their placeholders still in them.

    Raises:
        StudyError: a quotation that does not end.
    """
    try:
        return shlex.split(command)
    except ValueError as error:
        raise StudyError(f"configuration: trainer.command cannot be split into words ({error}): {command}") from None


def _check_name(factor: str) -> None:
    if factor in RESERVED or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,59}", factor):
        raise ValueError(
            f"design.factors.{factor[:80]} is no possible name; allowed: up to 60 letters, digits and '_', beginning "
            f"with a letter, but none of the table's own, {', '.join(RESERVED)} (report.titles takes any words)"
        )


def _check_command(command: str, factors: list[str]) -> None:
    names = [*factors, "seed", "record"]
    listed = ", ".join(f"{{{name}}}" for name in names)
    used = set()
    for argument in arguments(command):
        try:
            fields = list(string.Formatter().parse(argument))
        except ValueError as error:
            raise ValueError(f"trainer.command: {argument!r}: {error}; write {{{{ and }}}} for braces") from None
        for _, name, form, conversion in fields:
            if name is None:
                continue
            if name not in names or form or conversion:
                written = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
                close = suggestion(name, names)
                raise ValueError(
                    f"trainer.command has {{{written}}}; allowed: {listed}{close}, and {{{{ and }}}} for braces"
                )
            used.add(name)
    for name in names:
        if name not in used:
            why = {"seed": "every run of a cell would be the same run", "record": "it could not tell what came out"}
            otherwise = "the levels of this factor would make no difference"
            raise ValueError(f"trainer.command lacks {{{name}}}: {why.get(name, otherwise)}")


def _check_response(response: Response, plan: Plan) -> None:
    kind, better = response.kind, response.better
    mine, other = ("margin_pp", "margin") if kind == "proportion" else ("margin", "margin_pp")
    unit = "percentage points" if kind == "proportion" else response.unit or "its unit"
    given = plan.model_dump()
    if other in given:
        raise ValueError(f"plan.{other} does not go with a {kind}; allowed: plan.{mine}, in {unit}")
    if mine not in given:
        raise ValueError(
            f"plan.{mine} is missing; set it to the smallest difference of the {response.name} that matters, in {unit}"
        )
    if kind == "proportion" and better == "lower":
        raise ValueError(
            "response.better is 'lower' for a proportion; count what is wanted as successes, so that higher is better"
        )
    if kind == "proportion" and response.unit:
        raise ValueError("response.unit does not go with a proportion, which is shown in per cent")
    bound, wrong = ("collapse_below", "collapse_above") if better == "higher" else ("collapse_above", "collapse_below")
    if wrong in given:
        raise ValueError(f"plan.{wrong} does not go with {better} being better; allowed: plan.{bound}")
    if kind == "proportion" and not 0 <= given.get(bound, 0) <= 1:
        raise ValueError(f"plan.{bound} is {given[bound]}; allowed: a share of successes, 0 to 1")
