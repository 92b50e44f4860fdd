"""What can be known of a command or a function before its first run: hours of queue may lie between."""

import ast
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study.errors import StudyError

# What only a shell understands, as an argument of its own.
_SHELL = re.compile(r"\|\|?|&&?|;|\d*>>?(&\d)?|<|[0-9]*>.+|&>.*")
_VARIABLE = re.compile(r"\$(\w+|\{\{\w+\}\})")  # braces are doubled in a command
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish"}
_SCRIPTS = {".py", ".r", ".sh", ".jl", ".pl", ".rb", ".js", ".m"}


def check_command(arguments: Sequence[str], levels: Mapping[str, Sequence[Any]]) -> None:
    """Refuse a command that cannot start, or of which a run would see other words than were meant.

    Args:
        arguments: the words of the command, its placeholders still in them.
        levels: the levels of each factor.

    Raises:
        StudyError: the first reason.
    """
    program = arguments[0]
    if "{" not in program and shutil.which(program) is None:
        raise StudyError(
            f"configuration: trainer.command begins with {program!r}, which is no program here; allowed: one on "
            "the PATH, or the path of an executable file"
        )
    if Path(program).name not in _SHELLS:  # a shell's own words come after its -c
        for argument in arguments[1:]:
            _check_word(argument)
    script = next((word for word in arguments[1:] if not word.startswith("-")), "")
    if Path(script).suffix.lower() in _SCRIPTS and "{" not in script and not Path(script).is_file():
        raise StudyError(
            f"configuration: trainer.command names the script {script!r}, which is not there; allowed: a file, its "
            f"path seen from {Path.cwd()}"
        )
    for factor, values in levels.items():
        option = next((value for value in values if isinstance(value, str) and value.startswith("-")), None)
        if option is not None and f"{{{factor}}}" in arguments:
            raise StudyError(
                f"configuration: design.factors.{factor} has the level {option!r}, which a program takes for an option "
                f"where {{{factor}}} stands alone; allowed: --{factor}={{{factor}}} in the command, or another level"
            )


def _check_word(argument: str) -> None:
    variable = _VARIABLE.search(argument)
    what = (
        f"{argument!r}, which only a shell understands"
        if _SHELL.fullmatch(argument)
        else f"the variable {variable[0]!r}"
        if variable
        else f"{argument!r}, a home folder in a shell"
        if argument.startswith("~/")
        else None
    )
    if what is not None:
        raise StudyError(
            f"configuration: trainer.command has {what}, but no shell reads it; allowed: a program and its arguments, "
            "or sh -c '...' around it, or a script of yours"
        )


def check_function(module: Path, name: str, arguments: Sequence[str]) -> None:
    """Refuse a function that is not in its module or does not take these arguments; nothing of it is run.

    Raises:
        StudyError: the first reason.
    """
    try:
        tree = ast.parse(module.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise StudyError(f"{module}{line}: is no Python ({getattr(error, 'msg', error)})") from None
    found = None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            found = node
        names = [alias.asname or alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else ()
        if name in names or "*" in names or (isinstance(node, ast.Name) and node.id in (name, "__getattr__")):
            return  # imported or made some other way: only a run can tell
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if found is None:
        raise StudyError(
            f"configuration: trainer.function names {name!r}, which {module} lacks; its functions are: "
            f"{', '.join(functions[:20]) or 'none'}"
        )
    if not isinstance(found, ast.FunctionDef) or found.decorator_list or found.args.kwarg:
        return
    takes = [argument.arg for argument in (*found.args.args, *found.args.kwonlyargs)]
    lacking = next((argument for argument in arguments if argument not in takes), None)
    if lacking is not None:
        raise StudyError(
            f"{module}, line {found.lineno}: {name}({', '.join(takes)}) takes no argument {lacking!r}; it is called "
            f"with {', '.join(arguments)}"
        )
