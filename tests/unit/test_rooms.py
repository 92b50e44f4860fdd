"""The rooms of the house: each reaches only down, and one of them alone knows of the built-in networks."""

import ast
import re
from pathlib import Path

import pytest

from tests.examples import PROJECT

# From the bottom up; a room may import those before it.
ROOMS = (
    *(
        "errors",
        "reading",
        "yaml_loader",
        "table_file",
        "words",
        "files",
        "stats",
        "design",
        "report",
        "store",
        "analysis",
        "monitor",
        "trainers",
        "config",
    ),
    *("commands", "cli", "__main__"),
)
# Without the package's own __init__.py, and what `study new` copies.
SOURCES = sorted(path for path in (PROJECT / "study").glob("**/*.py") if path.parent.name != "starter")
SOURCES.remove(PROJECT / "study/__init__.py")
BUILT_IN = PROJECT / "study/trainers/mnist"
WORDS = re.compile(r"(?<![A-Za-z])(bn|mnist|dropout|networks?)(?![A-Za-z])", re.IGNORECASE)
# Who may name the built-in networks, and why.
NAMES_THEM = {
    "study/trainers/__init__.py": "chooses between the trainers",
}


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def imports(path: Path) -> set[str]:
    """All modules that a file imports anywhere in it, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found


def reached_above(path: Path, rooms: tuple[str, ...]) -> set[str]:
    """The rooms above its own that a file imports."""
    room = path.relative_to(PROJECT / "study").parts[0].removesuffix(".py")
    reached = {found.split(".")[1] for found in imports(path) if found.startswith("study.")}
    return reached - set(rooms[: rooms.index(room) + 1])


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_room_reaches_only_down(path: Path) -> None:
    assert reached_above(path, ROOMS) == set()


def test_a_file_that_reaches_up_is_found() -> None:
    upside_down = tuple(reversed(ROOMS))
    assert reached_above(PROJECT / "study/trainers/base.py", upside_down) == {"design", "store"}


WORKFLOW = [PROJECT / "Snakefile", PROJECT / "workflow/Snakefile", *sorted((PROJECT / "workflow/rules").iterdir())]


@pytest.mark.parametrize(
    "path", [*WORKFLOW, *(path for path in SOURCES if not path.is_relative_to(BUILT_IN))], ids=name
)
def test_only_the_room_of_the_built_in_networks_knows_of_them(path: Path) -> None:
    found = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if WORDS.search(line)
    ]
    assert bool(found) == (name(path) in NAMES_THEM), "\n".join(found)


def test_the_words_are_found_in_identifiers_strings_and_comments() -> None:
    for line in ("bn = 1", 'x["bn"]', "# of MNIST", "bn_levels", "study.trainers.mnist", "the network's", "networks"):
        assert WORDS.search(line)
    for line in ("subnet", "Networked", "dropouts", "abn"):
        assert not WORDS.search(line)
