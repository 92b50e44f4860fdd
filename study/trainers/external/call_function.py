"""Calls a function of the user's for one run, as `python -m study.trainers.external.call_function MODULE:NAME CALL`.

In a process of its own, so that no run depends on those before it, and so that one that hangs can be stopped.
"""

import importlib
import json
import sys
from pathlib import Path


def main(function: str, text: str) -> None:
    """Call the function with the levels and the seed of `text`, and write what it returns to the record's file."""
    call = json.loads(text)
    sys.path.insert(0, str(Path.cwd()))
    module, _, name = function.partition(":")
    run = getattr(importlib.import_module(module), name)
    found = run(**call["levels"], seed=call["seed"])
    Path(call["record"]).write_text(json.dumps(found, default=_plain), encoding="utf-8")


def _plain(value: object) -> object:
    """NumPy's numbers and arrays as JSON knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a record holds numbers, lists and texts, not {type(value).__name__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
