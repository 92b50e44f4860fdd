"""The command line: `study COMMAND`. Each command is a module of `study.commands` with a function `add_parser`."""

import argparse
import io
import math
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import study.commands
from study.errors import StudyError

# Above this a double holds no whole number exactly.
LARGEST = 2**53
LONGEST_LINE = 2000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, or 2 after a user's mistake, with one line on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter shows its number.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        parsed = _parser(given[:1]).parse_args(given)
        _check(parsed)
        parsed.run(parsed)
        if sys.stdout:
            sys.stdout.flush()
    except StudyError as error:
        return _failed(str(error))
    except BrokenPipeError:
        # The reader of our output has gone, as in `study ... | head`; what it wanted it has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        return _failed(f"{error.filename or 'the system'}: {error.strerror or error}")
    except (RecursionError, MemoryError) as error:
        return _failed(f"the input is too large or too deep ({type(error).__name__})")
    return 0


def _failed(why: str) -> int:
    """Say why on one line, which no name on it breaks or colors."""
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in why)
    if len(line) > LONGEST_LINE:
        line = f"{line[:LONGEST_LINE]} ..."
    if sys.stderr:
        print(f"study: error: {line}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, and that takes an option once, by its whole name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        raise StudyError(f"{message}; type `{self.prog} --help`")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        options = [text.partition("=")[0] for text in args or () if text.startswith("--")]
        for name in dict.fromkeys(options):
            action = self._option_string_actions.get(name)
            # `append` is for what may be repeated.
            if action is not None and not isinstance(action, argparse._AppendAction) and options.count(name) > 1:
                self.error(f"{name} is given {options.count(name)} times; allowed: once")
        return super().parse_known_args(args, namespace)


def _check(parsed: argparse.Namespace) -> None:
    """Refuse numbers that are none, or that no double holds, whatever the option."""
    for name, value in vars(parsed).items():
        for number in value if isinstance(value, list) else [value]:
            option = f"--{name.replace('_', '-')}"
            if isinstance(number, float) and not math.isfinite(number):
                raise StudyError(f"{option} {number}: a finite number is needed")
            if isinstance(number, int) and abs(number) > LARGEST:
                raise StudyError(f"{option} {number:.3g}: a whole number up to {LARGEST:,} is needed")


def _parser(first: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the module of the command that is asked for is imported, all of them for help."""
    parser = _Parser(
        prog="study", description="Factorial studies of training runs: design, training, analysis, report."
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    names = sorted(module.name for module in pkgutil.iter_modules(study.commands.__path__))
    for name in [name for name in names if name in first] or names:
        import_module(f"study.commands.{name}").add_parser(subparsers)
    return parser
