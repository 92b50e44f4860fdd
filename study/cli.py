"""The command line: `study COMMAND`. Each command is a module of `study.commands` with a function `add_parser`."""

import argparse
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module

import study.commands
from study.errors import StudyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, or 2 after a user's mistake, with one line on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        parsed = _parser(given[:1]).parse_args(given)
        parsed.run(parsed)
        sys.stdout.flush()
    except StudyError as error:
        print(f"study: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output has gone, as in `study ... | head`; what it wanted it has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser(first: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the module of the command that is asked for is imported, all of them for help."""
    parser = argparse.ArgumentParser(
        prog="study", description="Factorial studies of training runs: design, training, analysis, report."
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    names = sorted(module.name for module in pkgutil.iter_modules(study.commands.__path__))
    for name in [name for name in names if name in first] or names:
        import_module(f"study.commands.{name}").add_parser(subparsers)
    return parser
