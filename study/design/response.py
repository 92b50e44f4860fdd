"""What a study measures, and the plan by which it is analysed: one source, made from the configuration.

The Snakefile imports this module in every job, so it imports the standard library alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.design import factorial
from study.words import level_text


@dataclass(frozen=True)
class Response:
    """What each run of a trainer measures.

    Attributes:
        kind: "proportion" (successes of trials) or "number".
        name, unit: in running text, as "test accuracy"; the unit of a number.
        better: which is better, "higher" or "lower".
        columns: the columns of the runs table, by role: `successes` and `trials`, or `response`.
        validation: the columns of the same roles that tuning and learning curves are made from.
    """

    kind: str
    name: str
    unit: str
    better: str
    columns: Mapping[str, str]
    validation: Mapping[str, str]


@dataclass(frozen=True)
class AnalysisSpec:
    """All that an analysis needs to know besides the table of runs; decided before the data are seen.

    Attributes:
        factors: the factor columns, the factor of interest first.
        control: the level of the factor of interest that the others are compared with.
        block: the column of the unit of replication; None if runs are independent.
        successes, trials: the columns of counts, or None if `response` is used.
        response: the column of a numeric response, or None.
        name, unit: what the outcome is called, and the unit of a numeric response.
        better: which response is better, "higher" or "lower".
        alpha: level of tests.
        margin: the smallest difference that matters, in percentage points for counts, else in the response's unit;
            0 for none.
        collapse_below: a run has collapsed below this share of successes, or beyond this response in the worse
            direction; None: by diverging alone.
        random: random terms of the mixed model; None for the block and its interaction with the factor of interest.
        tune: the factor whose best level each arm may choose; None for one called lr, if there is one.
        validation_successes, validation_trials: the columns that the choice, and learning curves, are made from.
        validation_response: the column that the learning curves of a numeric response are made from.
        negative_control: a level that is the control under other seeds; it is compared apart and left out elsewhere.
        looks: the numbers of blocks at which a sequential study was looked at; () for a fixed number of blocks.
        stop: when it gives a contrast no more blocks, "settled" or "sized", see `study.stats.effects.labels.settled`.
    """

    factors: tuple[str, ...]
    control: str
    block: str | None = None
    successes: str | None = None
    trials: str | None = None
    response: str | None = None
    name: str = "accuracy"
    unit: str = ""
    better: str = "higher"
    alpha: float = 0.05
    margin: float = 0.0
    collapse_below: float | None = None
    random: str | None = None
    tune: str | None = None
    validation_successes: str = "validation_correct"
    validation_trials: str = "validation_trials"
    validation_response: str = "validation_response"
    negative_control: str | None = None
    looks: tuple[int, ...] = ()
    stop: str = "settled"


def analysis_spec(config: dict[str, Any], response: Response) -> AnalysisSpec:
    """The plan of a resolved configuration whose trainer measures `response`."""
    plan, factors = config["plan"], config["design"]["factors"]
    ((focus, control),) = config["design"]["control"].items()
    tune = plan.get("tune")
    return AnalysisSpec(
        factors=(focus, *(name for name in factors if name != focus)),
        control=level_text(control),
        block=factorial.block(config),
        **response.columns,
        name=response.name,
        unit=response.unit,
        better=response.better,
        alpha=plan["alpha"],
        margin=plan["margin_pp"] if response.kind == "proportion" else plan["margin"],
        collapse_below=plan.get("collapse_below", plan.get("collapse_above")),
        tune=tune if tune in factors and tune != focus else None,
        **{f"validation_{role}": column for role, column in response.validation.items()},
        negative_control=factorial.NEGATIVE_CONTROL if config["design"]["negative_control"] else None,
        looks=factorial.looks(config),
        stop=config["design"].get("stop") or "settled",
    )
