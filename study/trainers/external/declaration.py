"""What a configuration declares about a trainer of its own, checked beyond what the schema can say.

The Snakefile imports this module in every job, so it imports the standard library alone.
"""

import difflib
import re
import shlex
import string
from typing import Any

from study.design.levels import level_text
from study.errors import StudyError

# Columns of the table of runs, and what a command is told beside the levels.
RESERVED = (
    *("run_id", "seed", "record", "status", "successes", "trials", "response", "correct_bits", "trajectory", "epoch"),
    *("training_seconds", "evaluation_seconds", "plan_digest", "host", "commit"),
)


def check(config: dict[str, Any]) -> None:
    """Check a configuration with a `trainer`, complete but for this.

    Raises:
        StudyError: neither or both of `command` and `function`; a factor with an impossible name, or with two levels
            that read the same; a command that leaves out a factor, the seed or the record, or asks for something else;
            a margin or a bound that does not go with the kind of response.
    """
    trainer = config["trainer"]
    given = [name for name in ("command", "function") if name in trainer]
    if len(given) != 1:
        found = "both command and function" if given else "neither command nor function"
        raise StudyError(f"configuration: trainer has {found}; allowed: one of the two")
    _check_factors(config["design"]["factors"])
    if "command" in trainer:
        _check_command(trainer["command"], list(config["design"]["factors"]))
    _check_response(config["response"], config["plan"])


def arguments(command: str) -> list[str]:
    """The command's arguments, divided as a shell would, with their placeholders still in them.

    Raises:
        StudyError: a quotation that does not end.
    """
    try:
        return shlex.split(command)
    except ValueError as error:
        raise StudyError(f"configuration: trainer.command cannot be divided into words ({error}): {command}") from None


def _check_factors(factors: dict[str, list[Any]]) -> None:
    for name, levels in factors.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise StudyError(
                f"configuration: design.factors.{name} is no possible name; allowed: letters, digits and '_', "
                "beginning with a letter (report.titles takes any words)"
            )
        if name in RESERVED:
            raise StudyError(
                f"configuration: design.factors.{name} is a name that the table of runs needs; allowed: any but "
                f"{', '.join(RESERVED)}"
            )
        texts = [level_text(level) for level in levels]
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice is not None:
            raise StudyError(f"configuration: design.factors.{name} has two levels that read {twice!r}; allowed: one")


def _check_command(command: str, factors: list[str]) -> None:
    allowed = [*factors, "seed", "record"]
    used = set()
    for argument in arguments(command):
        try:
            fields = list(string.Formatter().parse(argument))
        except ValueError as error:
            raise StudyError(
                f"configuration: trainer.command: {argument!r}: {error}; write {{{{ and }}}} for braces"
            ) from None
        for _, name, form, conversion in fields:
            if name is None:
                continue
            if name not in allowed or form or conversion:
                written = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
                close = difflib.get_close_matches(name, allowed, n=1)
                listed = ", ".join(f"{{{n}}}" for n in allowed)
                raise StudyError(
                    f"configuration: trainer.command has {{{written}}}; allowed: {listed}"
                    + (f" (did you mean {{{close[0]}}}?)" if close else "")
                    + ", and {{ and }} for braces"
                )
            used.add(name)
    lacking = [name for name in allowed if name not in used]
    if lacking:
        why = {"seed": "every run of a cell would be the same run", "record": "it could not tell what came out"}
        raise StudyError(
            f"configuration: trainer.command lacks {{{lacking[0]}}}: "
            f"{why.get(lacking[0], 'the levels of this factor would make no difference')}"
        )


def _check_response(response: dict[str, Any], plan: dict[str, Any]) -> None:
    kind, better = response["kind"], response["better"]
    mine, other = ("margin_pp", "margin") if kind == "proportion" else ("margin", "margin_pp")
    name, unit = response["name"], "percentage points" if kind == "proportion" else response["unit"] or "its unit"
    if other in plan:
        raise StudyError(f"configuration: plan.{other} does not go with a {kind}; allowed: plan.{mine}, in {unit}")
    if mine not in plan:
        raise StudyError(
            f"configuration: plan.{mine} is missing; set it to the smallest difference of the {name} that matters, in "
            f"{unit}"
        )
    if kind == "proportion" and better == "lower":
        raise StudyError(
            "configuration: response.better is 'lower' for a proportion; count what is wanted as successes, so that "
            "higher is better"
        )
    if kind == "proportion" and response["unit"]:
        raise StudyError("configuration: response.unit does not go with a proportion, which is shown in per cent")
    bound, wrong = ("collapse_below", "collapse_above") if better == "higher" else ("collapse_above", "collapse_below")
    if wrong in plan:
        raise StudyError(f"configuration: plan.{wrong} does not go with {better} being better; allowed: plan.{bound}")
    if kind == "proportion" and not 0 <= plan.get(bound, 0) <= 1:
        raise StudyError(f"configuration: plan.{bound} is {plan[bound]}; allowed: a share of successes, 0 to 1")
