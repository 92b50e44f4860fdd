"""What a study measures, as `study analyze` is told: the columns of its table, its plan, its words.

The Snakefile imports this module in every job, so it imports the standard library alone.
"""

from typing import Any

from study.design import factorial
from study.design.levels import level_text

# Of the built-in trainer, whose configuration need not say so.
BUILTIN = {"kind": "proportion", "name": "test accuracy", "unit": "", "better": "higher"}


def columns(config: dict[str, Any]) -> dict[str, str]:
    """The columns of the runs table that hold the outcome: of `successes` and `trials`, or of the `response`."""
    if "trainer" not in config:
        return {"successes": "test_correct", "trials": "test_trials"}
    names = ("successes", "trials") if config["response"]["kind"] == "proportion" else ("response",)
    return {name: name for name in names}


def margin(config: dict[str, Any]) -> float:
    """The smallest difference that matters, in percentage points or the response's unit."""
    plan = config["plan"]
    found: float = plan["margin_pp"] if "successes" in columns(config) else plan["margin"]
    return found


def better(config: dict[str, Any]) -> str:
    """Which response is better, "higher" or "lower"."""
    found: str = config["response"]["better"] if "trainer" in config else BUILTIN["better"]
    return found


def options(config: dict[str, Any]) -> list[str]:
    """The options of `study analyze` for a resolved configuration."""
    own = "trainer" in config
    response = config["response"] if own else BUILTIN
    plan, factors = config["plan"], config["design"]["factors"]
    ((focus, control),) = config["design"]["control"].items()
    found = [f"--factor={factor}" for factor in factors]
    found += [f"--block={factorial.block(config) or 'none'}", f"--control={focus}={level_text(control)}"]
    found += [f"--name={response['name']}", f"--alpha={plan['alpha']}"]
    found += [f"--{role}={column}" for role, column in columns(config).items()]
    if response["kind"] == "proportion":
        found += [f"--margin-pp={margin(config)}"]
    else:
        found += [f"--margin={margin(config)}", f"--better={better(config)}"]
        found += [f"--unit={response['unit']}"] if response["unit"] else []
    found += [
        f"--{bound.replace('_', '-')}={plan[bound]}" for bound in ("collapse_below", "collapse_above") if bound in plan
    ]
    if own:
        found += [f"--validation-{role}={column}" for role, column in columns(config).items()]
    if plan.get("tune") in factors and plan["tune"] != focus:
        found.append(f"--tune={plan['tune']}")
    if config["design"]["negative_control"]:
        found.append(f"--negative-control={factorial.NEGATIVE_CONTROL}")
    if factorial.looks(config):
        found.append(f"--looks={','.join(map(str, factorial.looks(config)))}")
    return found
