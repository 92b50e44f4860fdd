"""The heartbeat of a job under way: a small file that is touched for as long as the job lives."""

import contextlib
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.files import write_json
from study.reading import MEBIBYTE, parse_json, read_text

SUFFIX = ".job"
# Seconds between two beats; and after how many seconds without one a job is taken for dead. Clocks of nodes differ a
# little, and file servers show a change late.
INTERVAL, SILENCE = 20.0, 120.0


@dataclass(frozen=True)
class Heartbeat:
    """What a job left about itself.

    Attributes:
        about: what the job said when it began.
        error: why it ended; None while it lives.
        when: its last beat, in seconds since the epoch.
    """

    about: dict[str, Any]
    error: str | None
    when: float


@contextlib.contextmanager
def beating(path: Path, about: dict[str, Any]) -> Iterator[None]:
    """Keep a heartbeat at `path` while the body runs; it goes when the body succeeds, and tells why when it fails.

    It is a convenience: that it cannot be written, on a full disk for example, stops nothing.
    """
    content = about | {"host": platform.node(), "process": os.getpid(), "slurm_job": os.environ.get("SLURM_JOB_ID")}
    _write(path, content)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(INTERVAL):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    except Exception as error:
        _write(path, content | {"error": f"{type(error).__name__}: {error}".removeprefix("StudyError: ")})
        raise
    else:
        with contextlib.suppress(OSError):
            path.unlink()
    finally:
        over.set()
        thread.join()


def read(path: Path) -> Heartbeat | None:
    """The heartbeat at `path`; None if it has gone meanwhile, or is none."""
    try:
        when = path.stat().st_mtime
        about = parse_json(read_text(path, MEBIBYTE))
        error = about.pop("error", None)
        where = about["host"] + (f", Slurm job {about['slurm_job']}" if about["slurm_job"] else "")
        sound = isinstance(about["trajectory"], str) and isinstance(error, str | None)
        if not sound or not all(type(number) is int for number in (*about["seeds"], about["at_once"])):
            return None
    except (OSError, StudyError, KeyError, TypeError, AttributeError):
        return None
    if error is None and time.time() - when > SILENCE:
        last = time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
        error = f"no sign of life since {last} ({where}): killed, or its node is lost"
    return Heartbeat(about, error, when)


def _write(path: Path, content: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, StudyError):
        write_json(path, content)
