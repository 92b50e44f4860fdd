"""A loader of YAML with budgets: unique keys, no recursion, aliases counted as if they were written out."""

from typing import Any

import yaml

from study.errors import NotYamlError, StudyError
from study.reading import DEPTH, DIGITS, VALUES, one_line


def parse_yaml(text: str, name: str) -> Any:
    """The value of a YAML text; a key stands once, aliases do not recur, and the budgets of `study.reading` hold.

    Args:
        name: of the file, for messages.

    Raises:
        NotYamlError: it is no YAML.
        StudyError: it breaks a rule; with the line.
    """
    try:
        return Loader.load(text, name)
    except yaml.YAMLError as error:
        raise NotYamlError(f"{name}: cannot be read as YAML ({one_line(error)})") from None
    except RecursionError:
        raise StudyError(f"{name}: nested more than {DEPTH} levels deep") from None


class Loader(yaml.SafeLoader):
    """See the module."""

    depth: int
    sizes: dict[int, int]

    @classmethod
    def load(cls, text: str, name: str) -> Any:
        """The value of a text.

        Raises:
            StudyError: a key is there twice, or a budget is spent; with the line.
            yaml.YAMLError: it is no YAML.
        """
        loader = cls(text)
        loader.name, loader.depth, loader.sizes = name, 0, {}
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        line = self.peek_event().start_mark.line + 1
        if self.depth > DEPTH:
            raise StudyError(f"{self.name}, line {line}: nested more than {DEPTH} levels deep")
        alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if alias and id(node) not in self.sizes:
            raise StudyError(f"{self.name}, line {line}: an alias stands inside of what it names")
        if not alias:
            self.sizes[id(node)] = 1 + sum(self.sizes[id(part)] for part in _parts(node))
        if self.sizes[id(node)] > VALUES:
            raise StudyError(f"{self.name}, line {line}: more than {VALUES:,} values, aliases written out")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        # Compared as texts: "0.5" and 0.5 are one level. A key that is no scalar never fits the model.
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in lines:
                raise StudyError(
                    f"{self.name}, line {line}: the key {key.value[:60]!r} is there twice, first in line "
                    f"{lines[key.value]}; allowed: once"
                )
            lines[key.value] = line
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int) and abs(value) >= 10**DIGITS:
                raise ValueError(f"more than {DIGITS} digits")
            if isinstance(value, str):
                value.encode()
                odd = next((letter for letter in value if not letter.isprintable() and letter not in "\n\t"), "")
                if odd and ord(odd) < 0xA0:
                    raise ValueError(f"the text holds the control character {odd!r}")
        except UnicodeEncodeError:
            raise StudyError(f"{self._where(node)}: the text holds half of a character (a lone surrogate)") from None
        except (ValueError, OverflowError) as error:
            shown = node.value[:40] if isinstance(node.value, str) else ""
            why = f"more than {DIGITS} digits" if len(shown) == 40 and shown.isdigit() else error
            raise StudyError(f"{self._where(node)}: {shown!r} cannot be read ({why})") from None
        return value

    def _where(self, node: yaml.Node) -> str:
        return f"{self.name}, line {node.start_mark.line + 1}"


def _parts(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
