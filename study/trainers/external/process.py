"""A trainer of the study's own: each run is a process that writes one small JSON file.

What a run may come to, and what follows (docs/trainers.md has the rules):

- a sound file: a record, `ok` or `diverged`;
- anything else (an exit status, a signal, a time-out, no file, a file that is none of the kind): no record. The job
  goes on with its other runs and then fails, so that the same command runs this one again.
"""

import base64
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from study.design.factorial import Cell, Job
from study.design.plan import Plan
from study.design.response import Response
from study.errors import RunFailureError, StudyError
from study.store.provenance import provenance
from study.store.record import Record, Store
from study.trainers.base import OnRecord, Trainer
from study.trainers.external import declaration, foresight
from study.trainers.external.descendants import nothing_left
from study.words import level_text

if TYPE_CHECKING:
    from pydantic import BaseModel

# Not a part of what a folder of code decides.
IGNORED = {"__pycache__", ".git", ".snakemake"}


class ExternalTrainer(Trainer):
    """Trains by a command or a function of the configuration."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._declared = config["trainer"]
        self._response = config["response"]
        self._kind = config["response"]["kind"]
        self._command = declaration.arguments(self._declared.get("command", ""))

    def files(self) -> list[Path]:
        return [path for _, path in self._content]

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.origin(), sort_keys=True).encode()).hexdigest()

    def origin(self) -> dict[str, Any]:
        # The words of the command, not its spaces: how it is broken into lines decides nothing.
        what = {"command": self._command} if self._command else {"function": self._declared["function"]}
        files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in self._content}
        return {"trainer": {**what, "files": files, "response": self._kind}}

    def response(self) -> Response:
        roles = ("successes", "trials") if self._kind == "proportion" else ("response",)
        columns = {role: role for role in roles}
        return Response(**self._response, columns=columns, validation=columns)

    def result_model(self) -> "type[BaseModel]":
        from study.trainers.external import result_model

        return result_model.Proportion if self._kind == "proportion" else result_model.Measurement

    def words(self) -> dict[str, Any]:
        return {"trainer": self._declared}

    def check(self, cells: Sequence[Cell]) -> None:
        """See `Trainer.check`: what the command or the function needs must be there."""
        factors = list(cells[0].levels)
        if self._command:
            levels = {factor: [cell.levels[factor] for cell in cells] for factor in factors}
            foresight.check_command(self._command, levels)
        else:
            module, _, name = self._declared["function"].partition(":")
            foresight.check_function(_source(module), name, [*factors, "seed"])

    def train(self, job: Job, plan: Plan, store: Store, on_record: OnRecord) -> None:
        runs = [(plan.run_id(cell, seed), cell, seed) for seed in job.seeds for cell in job.cells]
        missing = [(run_id, cell, seed) for run_id, cell, seed in runs if store.missing([run_id])]
        if missing and plan.origin != self.origin():
            raise StudyError(
                "trainer: its files changed since the design was written; run your `snakemake` command again with "
                "`--forcerun design` to plan with the new ones"
            )
        failures = []
        for run_id, cell, seed in missing:
            name = ", ".join(f"{factor} {level_text(level)}" for factor, level in cell.levels.items())
            try:
                record = self._run(run_id, cell, seed, plan)
            except RunFailureError as failure:
                failures.append(f"{name}, seed {seed}: {failure}")
                print(f"run {run_id} ({name}, seed {seed}): {failure}", file=sys.stderr, flush=True)
                continue
            store.write(record)
            on_record(job, seed, record)
        if failures:
            raise StudyError(
                f"{len(failures)} of {len(missing)} runs failed and have no record; the same command runs them again. "
                f"{failures[0]}" + ("; the others stand above" if len(failures) > 1 else "")
            )

    def _run(self, run_id: str, cell: Cell, seed: int, plan: Plan) -> Record:
        from study.trainers.external.result_file import read

        own_seed = seed + cell.seed_offset
        with tempfile.TemporaryDirectory(prefix="study-run-") as folder:
            path = Path(folder) / "record.json"
            arguments = self._arguments(cell.settings, own_seed, path)
            print(f"run {run_id}: {json.dumps(arguments, ensure_ascii=False)}", file=sys.stderr, flush=True)
            started = time.perf_counter()
            execute(arguments, self._declared.get("timeout"))
            seconds = time.perf_counter() - started
            found = read(path, self._kind)
        return Record(
            id=run_id,
            settings=cell.settings,
            seed=own_seed,
            status=found.status,
            curve=found.curve,
            provenance=provenance(plan, Path.cwd(), versions={}),
            cost={"training_seconds": seconds, "evaluation_seconds": 0.0, "shared_by": 1},
            extra={"trainer": plan.origin["trainer"]} | found.outcome,
        )

    def columns(self, record: Record) -> dict[str, Any]:
        found = {name: record.extra[name] for name in self.response().columns}
        bits = record.extra["correct_bits"]
        return found if bits is None else found | {"correct_bits": base64.b64decode(bits)}

    def _arguments(self, settings: dict[str, Any], seed: int, path: Path) -> list[str]:
        """What is executed, each argument as it is: no shell reads it."""
        if self._command:
            values = {name: level_text(level) for name, level in settings.items()}
            values |= {"seed": str(seed), "record": str(path)}
            return [argument.format_map(values) for argument in self._command]
        call = {"levels": settings, "seed": seed, "record": str(path)}
        return [
            sys.executable,
            "-m",
            "study.trainers.external.call_function",
            self._declared["function"],
            json.dumps(call),
        ]

    @functools.cached_property
    def _content(self) -> list[tuple[str, Path]]:
        """The files that decide results, by the names they are known by, in order of these."""
        if "files" in self._declared:
            return sorted(found for name in self._declared["files"] for found in _within(name))
        if self._command:
            # Those of the study, and not the program that runs them.
            words = [word for word in self._command if "{" not in word and not Path(word).is_absolute()]
            return sorted({(word, Path(word)) for word in words if Path(word).is_file()})
        module = self._declared["function"].partition(":")[0]
        return [(module, _source(module))]


def execute(arguments: Sequence[str], timeout: float | None) -> None:
    """Run a process to its end; it and all that it started are gone when this returns or raises.

    Raises:
        RunFailureError: it cannot be started, takes too long, or ends with another status than 0.
    """

    def interrupted(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    # Whatever ends the waiting, a signal to this process too, leaves nothing behind that the run started.
    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        with nothing_left():
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                status = process.wait(timeout)
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    except subprocess.TimeoutExpired:
        raise RunFailureError(f"stopped after {timeout:g} s, the time-out") from None
    except (OSError, ValueError) as error:
        raise RunFailureError(f"cannot be started ({error})") from None
    finally:
        signal.signal(signal.SIGTERM, before)
    if status < 0:
        raise RunFailureError(f"killed by signal {-status}{_signal_name(-status)}")
    if status > 0:
        raise RunFailureError(f"exit status {status}")


def _signal_name(number: int) -> str:
    """The name of a signal in brackets; real-time signals have none."""
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""


def _within(name: str) -> list[tuple[str, Path]]:
    path = Path(name)
    if path.is_file():
        return [(name, path)]
    if not path.is_dir():
        raise StudyError(f"configuration: trainer.files names {name!r}, which is neither a file nor a folder here")
    files = [file for file in path.rglob("*") if file.is_file() and IGNORED.isdisjoint(file.parts)]
    return [(file.as_posix(), file) for file in files]


def _source(module: str) -> Path:
    """The file of a module, found without running any of its packages, as its call will find it."""
    parts = Path(*module.split("."))
    for folder in (Path.cwd(), *map(Path, sys.path)):
        for file in (folder / parts.with_suffix(".py"), folder / parts / "__init__.py"):
            if file.is_file():
                return file
    raise StudyError(
        f"configuration: trainer.function names the module {module!r}, which is not found; allowed: one in "
        f"{Path.cwd()} or installed"
    )
