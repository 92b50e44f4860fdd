"""The processes that came from this one, a run's own sessions and daemons among them; only Linux tells them."""

import ctypes
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
# Killed processes are gone at once, but those that wait for a broken disk.
PATIENCE = 5.0


@contextmanager
def nothing_left() -> Iterator[None]:
    """Kill, at the end, all processes that were started within, and those that these started."""
    before = descendants()
    _adopt(True)
    try:
        yield
    finally:
        _end(before)
        _adopt(False)


def _adopt(orphans: bool) -> None:
    """Whether this process becomes the parent of a descendant whose own parent ends, in place of the first process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)


def descendants() -> set[int]:
    """The numbers of the processes that this one started, and that those started."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name, in brackets, may hold spaces and brackets itself.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children[parent].append(int(stat.parent.name))
    found: set[int] = set()
    left = [os.getpid()]
    while left:
        new = children.pop(left.pop(), [])
        found.update(new)
        left += new
    return found


def _end(before: set[int]) -> None:
    """Kill the descendants that were not there before, and those that they start meanwhile, and wait for them."""
    deadline = time.monotonic() + PATIENCE
    while (left := descendants() - before) and time.monotonic() < deadline:
        for process in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        for process in left:
            with suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        time.sleep(0.01)
