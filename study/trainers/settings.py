"""What the sections of a configuration are declared with: their base and the types of their values.

A trainer declares its own sections with them, `study.config.model` those that every study has.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic import ValidatorFunctionWrapHandler as Handler
from pydantic_core import PydanticCustomError

from study.words import level_key, level_text

# YAML 1.1 reads 2e-4 as text, because it lacks the dot; everybody who writes it means the number.
_EXPONENT_WITHOUT_DOT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


class Section(BaseModel):
    # The docstring of a section is its description in the schema, so the base has none.
    model_config = ConfigDict(extra="forbid", defer_build=True)


def section(**options: Any) -> Any:
    """A section that may be left out: its keys have their defaults."""
    return Field({}, validate_default=True, **options)


def optional(**options: Any) -> Any:
    """A key that has no default: left out, it is absent from the resolved configuration too."""
    return Field(None, exclude_if=lambda value: value is None, **options)


def allowed(what: str) -> WrapValidator:
    """Whatever does not fit, the message says this: one sentence for a choice of types, or for a pattern."""

    def check(value: Any, handler: Handler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("allowed", "{allowed}", {"allowed": what}) from None

    return WrapValidator(check)


def scalar(value: Any) -> Any:
    """The number, truth value or null that a text means in YAML; what Snakemake's `--config` nests is all text."""
    if not isinstance(value, str):
        return value
    try:
        meant = yaml.safe_load(value) if exponent(value) is value else exponent(value)
    except yaml.YAMLError:
        return value
    return meant if meant is None or isinstance(meant, bool | int | float) else value


def exponent(value: Any) -> Any:
    """2e-4 as the number it means, also where a text may stand; "no" and "1" stay the texts they are."""
    return float(value) if isinstance(value, str) and _EXPONENT_WITHOUT_DOT.fullmatch(value) else value


def same_level(one: Any, other: Any) -> bool:
    """Whether two levels cannot be told apart: 0 is 0.0 and the text "0", but 1 is not true."""
    return level_key(one) == level_key(other)


def suggestion(found: Any, names: Iterable[str]) -> str:
    """A tail for a message: the name that is closest to what was found, if one is close."""
    close = difflib.get_close_matches(str(found), list(names), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _whole(value: Any) -> Any:
    value = scalar(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_repeats(values: list[Any]) -> list[Any]:
    for index, value in enumerate(values):
        if any(same_level(value, other) for other in values[:index]):
            raise PydanticCustomError("repeats", "{twice}", {"twice": level_text(value)})
    return values


Number = Annotated[float, Field(strict=True, allow_inf_nan=False), BeforeValidator(scalar)]
Whole = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
Flag = Annotated[bool, Field(strict=True), BeforeValidator(scalar)]
Key = Annotated[str, BeforeValidator(level_text)]
Level = Annotated[
    Annotated[str, Field(min_length=1, pattern="^[^\\x00]*$")]
    | bool
    | int
    | Annotated[float, Field(allow_inf_nan=False)],
    BeforeValidator(exponent),
    allowed("a text that is not empty, a finite number, or true or false"),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Item = TypeVar("Item")
Distinct = Annotated[list[Item], Field(json_schema_extra={"uniqueItems": True}), AfterValidator(_without_repeats)]
Levels = Annotated[
    list[Item], Field(min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(_without_repeats)
]
