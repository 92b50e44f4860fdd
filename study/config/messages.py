"""One line for what pydantic found: the key's path, the value, what is allowed, and what was probably meant."""

import re
from typing import Any

from pydantic import ValidationError

from study.trainers.settings import Section, suggestion

_ALLOWED = {
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "list_type": "a list",
    "string_type": "a text",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
    "string_too_short": "a text that is not empty",
    "too_long": "at most {max_length} entry",
    "repeats": "a list without repeats ({twice} is there twice)",
    "allowed": "{allowed}",
}


def sentence(errors: ValidationError, model: type[Section]) -> str:
    """The first error as a line; a misspelt key goes before the missing one that it stands for."""
    unknown = ("extra_forbidden", "invalid_key")
    error = min(errors.errors(include_url=False), key=lambda error: error["type"] not in unknown)
    kind, parts, found = error["type"], error["loc"], repr(error["input"])
    path = _path(parts)
    if kind == "missing":
        return f"configuration: {path} is missing; set it"
    if kind == "value_error":
        return f"configuration: {error['ctx']['error']}"
    if kind in unknown:
        section: Any = model
        for part in parts[:-1]:
            section = section.model_fields[part].annotation
        names = list(section.model_fields)
        return f"configuration: {path} is no known key; allowed here: {', '.join(names)}{suggestion(parts[-1], names)}"
    return (
        f"configuration: {path or 'the file'} is {found if len(found) <= 60 else found[:57] + '...'}; allowed: "
        f"{_allowed(kind, error.get('ctx', {}), error['input']) or error['msg']}"
    )


def _allowed(kind: str, context: dict[str, Any], found: Any) -> str | None:
    if kind == "literal_error":
        names = [name.strip("'") for name in re.split(", | or ", context["expected"].replace("None", "null"))]
        return f"one of {', '.join(names)}{suggestion(found, names)}"
    if kind == "too_short":
        return f"a list of at least {context['min_length']}" if isinstance(found, list) else "at least 1 entry"
    return _ALLOWED[kind].format(**context) if kind in _ALLOWED else None


def _path(parts: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
