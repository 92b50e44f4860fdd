"""The schemas that editors complete and check a configuration with: `python -m study.config.schema` writes them."""

from typing import Any

import yaml

from study.config.model import model
from study.files import PROJECT, write_text

FOLDER = PROJECT / "workflow" / "schemas"
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
FILES = {"config.schema.yaml": False, "trainer.schema.yaml": True}


def text(external: bool) -> str:
    """The model of a configuration as a JSON schema in YAML, draft 2020-12."""
    found = model(external).model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _readable(found, found.pop("$defs"))
    origin = "# Generated from study/config/model.py by `make schemas`: change the model, not this file.\n"
    return origin + yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=120)


def _readable(value: Any, sections: dict[str, Any]) -> Any:
    """Every section where it belongs, its description first; no titles; no default where a key has none.

    pydantic leaves bounds that stand above a validator under their Python names, and gives an absent key the default
    null, also where null is not allowed.
    """
    if isinstance(value, list):
        return [_readable(item, sections) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        section = sections[value["$ref"].rpartition("/")[2]]
        value = section | {name: item for name, item in value.items() if name != "$ref"}
    dropped = {"title"} if isinstance(value.get("title"), str) else set()
    if value.get("default", "") is None and None not in value.get("enum", ()):
        dropped.add("default")
    described = {"description": value["description"]} if "description" in value else {}
    kept = {name: item for name, item in (described | value).items() if name not in dropped}
    return {BOUNDS.get(name, name): _readable(item, sections) for name, item in kept.items()}


if __name__ == "__main__":
    for name, external in FILES.items():
        write_text(FOLDER / name, text(external))
