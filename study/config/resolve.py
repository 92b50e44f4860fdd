"""A configuration, checked against its model and completed with its defaults."""

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.design import plan as plans
from study.errors import NotYamlError, StudyError
from study.reading import MOST_TEXT, parse_json, read_text
from study.yaml_loader import parse_yaml


def load(path: Path | str) -> dict[str, Any]:
    """Read a YAML file and `resolve` it.

    Raises:
        StudyError: the file is missing, is not YAML, has a key twice, or does not fit the model.
    """
    return resolve(read(path))


def read(path: Path | str) -> Any:
    """What a YAML file holds, unchecked.

    Raises:
        StudyError: the file is missing or not YAML, has a key twice (other readers keep the last one, without a word),
            or is too large, too deep or recursive.
    """
    text = read_text(path, MOST_TEXT)
    try:
        return parse_yaml(text, str(path))
    except NotYamlError:
        # JSON may have tabs where YAML has not.
        with suppress(StudyError):
            return parse_json(text)
        raise


def checked(path: Path | str) -> str:
    """The path of a configuration that can be read, for a Snakefile: Snakemake's own reader tells less, and later.

    Raises:
        SystemExit: it cannot; one line says why.
    """
    try:
        found = read(path)
        if not isinstance(found, dict):
            kind = "nothing" if found is None else f"a {type(found).__name__}"
            raise StudyError(f"{path}: holds {kind}; allowed: sections such as `study:` and `design:`, with their keys")
    except StudyError as error:
        sys.exit(f"study: error: {error}")
    return str(path)


def design(path: Path | str) -> plans.Plan:
    """Read a `design.json`; its configuration is checked as any other, as anyone may have written it.

    Raises:
        StudyError: missing, damaged, or of another schema.
    """
    plan = plans.read(path)
    try:
        return replace(plan, config=resolve(plan.config))
    except StudyError as error:
        raise StudyError(f"{path}: damaged, {error}; {plans.HINT}") from None


def resolve(config: Any) -> dict[str, Any]:
    """Check `config` against its model and return a copy with every default filled in.

    Factors and controls set to null are taken out, so that an overlay can remove what the file below it declares. The
    factor of interest comes first, as overlaid files come in any order.

    Raises:
        StudyError: the first thing that does not fit: the key's path, the value found, what is allowed.
    """
    # Not at the top: every command imports this module, and most need no configuration.
    from pydantic import ValidationError

    from study.config.messages import sentence
    from study.config.model import model

    kind = model(external=isinstance(config, dict) and config.get("trainer") is not None)
    try:
        resolved = kind.model_validate(config).model_dump()
    except ValidationError as errors:
        raise StudyError(sentence(errors, kind)) from None
    design = resolved["design"]
    design["factors"] = dict(sorted(design["factors"].items(), key=lambda factor: factor[0] not in design["control"]))
    return resolved
