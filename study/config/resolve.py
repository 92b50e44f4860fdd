"""A configuration, checked against its model and completed with its defaults."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from study.errors import StudyError


def load(path: Path | str) -> dict[str, Any]:
    """Read a YAML file and `resolve` it.

    Raises:
        StudyError: the file is missing, is not YAML, has a key twice, or does not fit the model.
    """
    try:
        config = _read(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    return resolve(config)


def check_duplicate_keys(path: Path | str) -> None:
    """Refuse a configuration file with a key twice: YAML readers keep the last one, without a word.

    Raises:
        StudyError: the file, the line and the key.
    """
    # What else is wrong with the file is for its reader to say, which knows more than YAML.
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        _read(path)


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


class _UniqueKeys(yaml.SafeLoader):
    """A loader of YAML that refuses a mapping with a key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        # Compared as texts: "0.5" and 0.5 are one level. A key that is no scalar never fits the model.
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in lines:
                raise StudyError(
                    f"{self.name}, line {line}: the key {key.value!r} is there twice, first in line "
                    f"{lines[key.value]}; allowed: once"
                )
            lines[key.value] = line
        return super().construct_mapping(node, deep)


def _read(path: Path | str) -> Any:
    with Path(path).open(encoding="utf-8") as stream:
        return yaml.load(stream, _UniqueKeys)
