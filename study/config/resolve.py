"""A configuration, checked against the schema and completed with its defaults."""

import difflib
import math
import re
from pathlib import Path
from typing import Any

import yaml

from study.errors import StudyError
from study.files import PROJECT
from study.trainers.external import declaration

SCHEMA = PROJECT / "workflow/schemas/config.schema.yaml"
# For a configuration with a trainer of its own; it refers to the other for what they share.
TRAINER_SCHEMA = SCHEMA.with_name("trainer.schema.yaml")
# YAML 1.1 reads 2e-4 as text, because it lacks the dot; everybody who writes it means the number.
_EXPONENT_WITHOUT_DOT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
# 1 and 1.0 are one level to the schema; a run's identity must not tell them apart.
_NUMBERS: dict[str, type] = {"number": float, "integer": int}
_TYPES = {
    "object": "keys with values",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}
_ALTERNATIVES = {
    "design.seeds": (
        "a whole number from 2 to 100000, a list of two or more different whole numbers from 0, or {start, step, max} "
        "in whole numbers, start from 3"
    ),
    "execution.seeds_per_job": "auto, or a whole number, 1 or more",
    "execution.seconds_per_run": "auto, or a number, more than 0",
}


def load(path: Path | str) -> dict[str, Any]:
    """Read a YAML file and `resolve` it.

    Raises:
        StudyError: the file is missing, is not YAML, or does not fit the schema.
    """
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    return resolve(config)


def resolve(config: Any) -> dict[str, Any]:
    """Check `config` against the schema and return a copy with every default filled in.

    Factors and controls set to null are taken out, so that an overlay can remove what the file below it declares.

    Raises:
        StudyError: the first thing that does not fit: the key's path, the value found, what is allowed.
    """
    import jsonschema

    own = isinstance(config, dict) and config.get("trainer") is not None
    schema = trainer_schema() if own else yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    config = _plain(config, schema, schema["$defs"])
    _check_finite(config)
    if isinstance(config, dict) and isinstance(config.get("design"), dict):
        for key in ("factors", "control"):
            if isinstance(entries := config["design"].get(key), dict):
                config["design"][key] = {name: value for name, value in entries.items() if value is not None}
    errors = jsonschema.Draft202012Validator(schema).iter_errors(config)
    first = min(errors, key=lambda error: ([str(part) for part in error.absolute_path], error.message), default=None)
    if first is not None:
        raise StudyError(_sentence(first))
    _fill_defaults(config, schema, schema["$defs"])
    _resolve_seeds(config["design"])
    execution = config["execution"]
    for key, number in (("seeds_per_job", int), ("seconds_per_run", float)):
        execution[key] = execution[key] if execution[key] == "auto" else number(execution[key])
    _check_control(config)
    _check_words(config)
    if own:
        declaration.check(config)
    _order_factors(config, list(schema["properties"]["design"]["properties"]["factors"].get("properties", {})))
    return config


def trainer_schema() -> dict[str, Any]:
    """The schema of a configuration with a trainer of its own, with what it shares with the other put in."""
    schema: dict[str, Any] = yaml.safe_load(TRAINER_SCHEMA.read_text(encoding="utf-8"))
    shared = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))

    def complete(value: Any) -> Any:
        if isinstance(value, list):
            return [complete(item) for item in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref", "")
        if not reference.startswith(f"{SCHEMA.name}#/"):
            return {key: complete(item) for key, item in value.items()}
        found = shared
        for part in reference.partition("#/")[2].split("/"):
            found = found[part]
        return found | {key: complete(item) for key, item in value.items() if key != "$ref"}

    return complete(schema) | {"$defs": shared["$defs"] | complete(schema["$defs"])}


def _plain(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """A deep copy of plain Python objects; where the schema wants no text, a text that means a number is one.

    Snakemake reads what is nested in `--config` as texts, all of it.
    """
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]] | schema
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties") or {}
        return {str(key): _plain(item, known.get(str(key), others), definitions) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, schema.get("items", {}), definitions) for item in value]
    if isinstance(value, str) and "enum" not in schema:
        return _scalar(value) if "string" not in schema.get("type", ()) else _exponent(value, schema)
    return value


def _exponent(text: str, schema: dict[str, Any]) -> Any:
    """2e-4 as the number it means, where a number may stand beside a text; "no" and "1" stay the texts they are."""
    return float(text) if "number" in schema["type"] and _EXPONENT_WITHOUT_DOT.fullmatch(text) else text


def _scalar(text: str) -> Any:
    """The number, truth value or null that `text` means in YAML; `text` itself if it means none."""
    if _EXPONENT_WITHOUT_DOT.fullmatch(text):
        return float(text)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if value is None or isinstance(value, bool | int | float) else text


def _check_finite(value: Any, path: tuple[str | int, ...] = ()) -> None:
    # The schema's bounds let NaN pass: no comparison with it is true.
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"configuration: {_path(path)} is {value}; allowed: a finite number")
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in parts:
        _check_finite(item, (*path, key))


def _fill_defaults(value: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    for name, sub in schema.get("properties", {}).items():
        if name not in value and "default" in sub:
            default = sub["default"]
            value[name] = dict(default) if isinstance(default, dict) else default
        if "$ref" in sub:
            sub = definitions[sub["$ref"].rsplit("/", 1)[-1]] | sub
        if name in value and sub.get("type") in ("number", "integer"):
            value[name] = _NUMBERS[sub["type"]](value[name])
        elif name in value and sub.get("type") == "array":
            items = sub["items"]
            items = definitions[items["$ref"].rsplit("/", 1)[-1]] if "$ref" in items else items
            if items.get("type") in ("number", "integer"):
                value[name] = [_NUMBERS[items["type"]](item) for item in value[name]]
        elif isinstance(value.get(name), dict):
            _fill_defaults(value[name], sub, definitions)


def _resolve_seeds(design: dict[str, Any]) -> None:
    seeds = design["seeds"]
    if not isinstance(seeds, dict):
        design["seeds"] = [int(seed) for seed in seeds] if isinstance(seeds, list) else int(seeds)
        if design["stop"] is not None:
            raise StudyError(
                f"configuration: design.stop is {design['stop']!r} beside a fixed design.seeds; allowed: no stop, or "
                "seeds as {start: 5, step: 5, max: 60}"
            )
        return
    if design.get("block", "seed") is None:
        raise StudyError(
            "configuration: design.seeds is {start, step, max} beside design.block null; allowed there: a fixed "
            "number, as a sequential study compares runs of the same seed"
        )
    design["seeds"] = {name: int(seeds[name]) for name in ("start", "step", "max")}
    design["stop"] = "settled"
    if seeds["start"] > seeds["max"]:
        raise StudyError(
            f"configuration: design.seeds.start is {seeds['start']}; allowed: {seeds['max']} or less, which is max"
        )


def _check_control(config: dict[str, Any]) -> None:
    factors = config["design"]["factors"]
    ((factor, level),) = config["design"]["control"].items()
    if factor not in factors:
        raise StudyError(f"configuration: design.control names {factor!r}; allowed: a factor, {', '.join(factors)}")
    # 0 is the level 0.0, but True is not the level 1.
    same = [found for found in factors[factor] if found == level and isinstance(found, bool) == isinstance(level, bool)]
    if not same:
        levels = ", ".join(map(str, factors[factor]))
        raise StudyError(f"configuration: design.control.{factor} is {level!r}; allowed: one of its levels, {levels}")
    if len(factors[factor]) < 2:
        raise StudyError(
            f"configuration: design.factors.{factor} has one level, {level!r}; the factor of interest needs two or more"
        )
    config["design"]["control"] = {factor: same[0]}


def _order_factors(config: dict[str, Any], order: list[str]) -> None:
    """Put the factor of interest first and the others in the schema's order: overlaid files come in any order.

    Factors that the schema does not know keep theirs.
    """
    factors = config["design"]["factors"]
    (focus,) = config["design"]["control"]
    names = sorted(factors, key=lambda name: (name != focus, order.index(name) if order else 0))
    config["design"]["factors"] = {name: factors[name] for name in names}


def _check_words(config: dict[str, Any]) -> None:
    factors = config["design"]["factors"]
    settings = config.get("training", {})
    for key in ("titles", "labels"):
        for name in config["report"][key]:
            if name not in factors and name not in settings:
                raise StudyError(
                    f"configuration: report.{key}.{name} names no factor; allowed: {', '.join(factors)}"
                    + _suggestion(name, list(factors))
                )


def _sentence(error: Any) -> str:
    """One line for a jsonschema error: the key's path, what was found, what is allowed."""
    path = _path(error.absolute_path)
    found = repr(error.instance)
    if len(found) > 60:
        found = found[:57] + "..."
    rule, limit = error.validator, error.validator_value
    if rule == "additionalProperties":
        allowed = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in allowed)
        where = f"{path}.{unknown}" if path else unknown
        return (
            f"configuration: {where} is no known key; allowed here: {', '.join(allowed)}{_suggestion(unknown, allowed)}"
        )
    if rule == "required":
        missing = next(key for key in limit if key not in error.instance)
        where = f"{path}.{missing}" if path else missing
        return f"configuration: {where} is missing; set it"
    allowed_text = {
        "type": lambda: _TYPES[limit] if isinstance(limit, str) else " or ".join(_TYPES[name] for name in limit),
        "enum": lambda: f"one of {', '.join(map(str, limit))}{_suggestion(str(error.instance), list(map(str, limit)))}",
        "minimum": lambda: f"{limit} or more",
        "maximum": lambda: f"{limit} or less",
        "exclusiveMinimum": lambda: f"more than {limit}",
        "exclusiveMaximum": lambda: f"less than {limit}",
        "minItems": lambda: f"a list of at least {limit}",
        "uniqueItems": lambda: "a list in which nothing stands twice",
        "minProperties": lambda: f"at least {limit} entry",
        "maxProperties": lambda: f"at most {limit} entry",
        "minLength": lambda: "a text that is not empty",
        "not": lambda: "any other",
        "pattern": lambda: (
            "package.module:name"
            if path == "trainer.function"
            else "letters, digits, '.', '_' and '-', beginning with a letter or digit"
        ),
        "oneOf": lambda: _ALTERNATIVES[path],
    }.get(rule, lambda: error.message)()
    return f"configuration: {path or 'the file'} is {found}; allowed: {allowed_text}"


def _path(parts: Any) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _suggestion(found: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(found, allowed, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
