"""What a study measures, as `study analyze` is told: the columns of its table, its plan, its words.

The Snakefile imports this module in every job, so it imports the standard library alone.
"""

from typing import Any

from study import design
from study.trainers.declared import level_text

# Of the built-in trainer, whose configuration need not say so.
BUILTIN = {"kind": "proportion", "name": "test accuracy", "unit": "", "better": "higher"}


def options(config: dict[str, Any]) -> list[str]:
    """The options of `study analyze` for a resolved configuration."""
    own = "trainer" in config
    response = config["response"] if own else BUILTIN
    plan, factors = config["plan"], config["design"]["factors"]
    ((focus, control),) = config["design"]["control"].items()
    found = [f"--factor={factor}" for factor in factors]
    found += [f"--block={design.block(config) or 'none'}", f"--control={focus}={level_text(control)}"]
    found += [f"--name={response['name']}", f"--alpha={plan['alpha']}"]
    if response["kind"] == "proportion":
        names = ("successes", "trials") if own else ("test_correct", "test_trials")
        found += [f"--successes={names[0]}", f"--trials={names[1]}", f"--margin-pp={plan['margin_pp']}"]
    else:
        found += ["--response=response", f"--margin={plan['margin']}", f"--better={response['better']}"]
        found += [f"--unit={response['unit']}"] if response["unit"] else []
    found += [
        f"--{bound.replace('_', '-')}={plan[bound]}" for bound in ("collapse_below", "collapse_above") if bound in plan
    ]
    if own:
        columns = ("successes", "trials") if response["kind"] == "proportion" else ("response",)
        found += [f"--validation-{column}={column}" for column in columns]
    if plan.get("tune") in factors and plan["tune"] != focus:
        found.append(f"--tune={plan['tune']}")
    if config["design"]["negative_control"]:
        found.append(f"--negative-control={design.NEGATIVE_CONTROL}")
    return found
