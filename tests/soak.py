"""Studies that die at random, and must all come to the same end: `python -m tests.soak [--minutes 15] [--seed N]`.

In each round a small study is disturbed in one way of `KINDS`, drawn at random. Then its user types the same command
again, and what the messages say, until it succeeds. Records, tables and analysis must be those of the undisturbed one,
no record that was safe may be lost, and no temporary file, lock or process may stay.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from study.store.record import Record

COMMAND = ("--cores", "2", "--config", "design={seeds: 3}", "execution={seeds_per_job: 1}")
# How often a user types a command before giving up.
PATIENCE = 5
LONGEST = 300
# What of a table tells when, where and how fast, and so differs between two studies.
CIRCUMSTANCES = ["training_seconds", "evaluation_seconds", "host", "commit"]
# What the commands and Snakemake say that there is to type.
UNLOCK, AGAIN = "--unlock", "--forcerun train"


@dataclass
class Study:
    """A folder with the starter's study."""

    folder: Path
    draw: random.Random
    words: list[str] = field(default_factory=list)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "SNAKE"))}
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *COMMAND, *arguments],
            cwd=self.folder,
            env=environment | {"XDG_CACHE_HOME": str(self.folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, process: "subprocess.Popen[str]") -> int:
        said, _ = process.communicate(timeout=LONGEST)
        self.words.append(said)
        return process.returncode

    def finish(self) -> int:
        """Type the command, and what it says, until it succeeds. Returns how often.

        Raises:
            AssertionError: it never does, or says nothing that a user could do.
        """
        arguments: tuple[str, ...] = ()
        for count in range(1, PATIENCE + 1):
            if self.end(self.start(*arguments)) == 0 and UNLOCK not in arguments:
                return count
            said = self.words[-1]
            assert "Traceback" not in said, said
            arguments = (UNLOCK,) if UNLOCK in said else ("--forcerun", "train") if AGAIN in said else ()
        raise AssertionError(f"not finished after {PATIENCE} tries:\n{self.words[-1]}")

    def files(self) -> dict[str, Path]:
        """The files of all records, by identity."""
        return {path.stem: path for path in (self.folder / "results/runs").rglob("[!.]*.json")}

    def sound(self) -> dict[str, tuple[int, bytes]]:
        """Every record that can be read, with its time."""
        found = {}
        for run_id, path in self.files().items():
            with contextlib.suppress(Exception):
                Record.from_json(path.read_text())
                found[run_id] = path.stat().st_mtime_ns, path.read_bytes()
        return found

    def end_state(self) -> dict[str, Any]:
        """What does not depend on when, where and how often it was made."""
        results = self.folder / "results" / self.folder.name
        records = {run_id: Record.from_json(path.read_text()) for run_id, path in self.files().items()}
        tables = {
            name: pd.read_parquet(results / f"{name}.parquet").drop(columns=CIRCUMSTANCES, errors="ignore").to_csv()
            for name in ("runs", "curves")
        }
        analysis = {path.name: path.read_bytes() for path in (results / "analysis").glob("*.json")}
        return {
            **{run_id: (record.settings, record.seed, record.result()) for run_id, record in records.items()},
            **tables,
            **analysis,
            "page": (results / "report.html").exists(),
        }

    def left_behind(self) -> list[str]:
        """Temporary files, locks and processes that should be gone."""
        hidden = [path for path in (self.folder / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
        kept = [*hidden, *(self.folder / "results").rglob("*.checkpoint.npz")]
        kept += [path for path in (self.folder / ".snakemake/locks").glob("*") if path.is_file()]
        kept += [path for path in (self.folder / ".snakemake/incomplete").rglob("*") if path.is_file()]
        return [*map(str, kept), *(f"process {pid}: {command}" for pid, command in processes(self.folder))]


def processes(folder: Path) -> list[tuple[int, str]]:
    """The processes at work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(folder):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                if command:
                    found.append((int(entry.name), command))
    return found


# -- the ways to die; each leaves the study to be finished


def killed(what: str) -> Callable[[Study], None]:
    """A process whose command line matches `what` is killed while it works; no handler of its runs."""

    def die(study: Study) -> None:
        process = study.start()
        deadline, met = time.monotonic() + LONGEST, False
        while process.poll() is None and not met and time.monotonic() < deadline:
            for pid, command in processes(study.folder):
                if re.search(what, command):
                    time.sleep(study.draw.uniform(0, 0.5))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    met = True
                    break
            time.sleep(0.01)
        study.end(process)

    return die


def everything_killed(study: Study) -> None:
    """As a machine that is switched off: Snakemake and all its jobs at once, after some records."""
    process, wanted = study.start(), study.draw.randint(1, 10)
    while len(study.files()) < wanted and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    study.end(process)
    for pid, _ in processes(study.folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def two_at_once(study: Study) -> None:
    both = [study.start(), study.start()]
    for process in both:
        study.end(process)


def damaged(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Study], None]:
    """The finished study's table and page are lost, and a record is damaged."""

    def die(study: Study) -> None:
        study.finish()
        path = study.draw.choice(sorted(study.files().values()))
        path.write_bytes(change(path.read_bytes(), study.draw))
        for name in ("runs.parquet", "report.html"):
            (study.folder / "results" / study.folder.name / name).unlink()

    return die


def truncated(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def flipped(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content) - 1)  # its end of line says nothing
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(7)]) + content[at + 1 :]


def folder_removed(study: Study) -> None:
    study.finish()
    results = study.folder / "results" / study.folder.name
    shutil.rmtree(study.draw.choice(sorted(path for path in results.iterdir() if path.is_dir())))


def clock_changed(study: Study) -> None:
    """Files from tomorrow and from last year, as after a wrong clock."""
    study.finish()
    for path in sorted((study.folder / "results").rglob("*")):
        if path.is_file() and study.draw.random() < 0.3:
            moment = time.time() + study.draw.choice([-365, -1, 1]) * 86400
            os.utime(path, (moment, moment))


def disk(study: Study, options: str) -> None:
    store = study.folder / "results/runs"
    store.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(store)], check=True, capture_output=True)


def disk_full(study: Study) -> None:
    disk(study, f"size={4 * study.draw.randint(3, 9)}k")
    study.end(study.start())
    subprocess.run(["mount", "-o", "remount,size=10m", str(study.folder / "results/runs")], check=True)


def store_read_only(study: Study) -> None:
    disk(study, "size=10m")
    process = study.start()
    while not study.files() and process.poll() is None:
        time.sleep(0.01)
    for _ in range(1000):  # a file that is being written keeps a disk busy
        if not subprocess.run(
            ["mount", "-o", "remount,ro", str(study.folder / "results/runs")], check=False, capture_output=True
        ).returncode:
            break
        time.sleep(0.002)
    study.end(process)
    subprocess.run(["mount", "-o", "remount,rw", str(study.folder / "results/runs")], check=True)


KINDS: dict[str, Callable[[Study], None]] = {
    "a training killed": killed(r"study train results|train\.py --momentum \d"),
    "the collector killed": killed("study collect"),
    "the analysis killed": killed("study analyze"),
    "the report killed": killed("study report"),
    "Snakemake killed": killed("-m snakemake"),
    "all killed": everything_killed,
    "two Snakemakes": two_at_once,
    "a record truncated": damaged(truncated),
    "a byte of a record flipped": damaged(flipped),
    "a folder removed": folder_removed,
    "the clock changed": clock_changed,
    "the disk full": disk_full,
    "the store read-only": store_read_only,
}
NEED_A_DISK = ("the disk full", "the store read-only")


@contextlib.contextmanager
def room() -> Iterator[Path]:
    """A folder; disks that were mounted in it are unmounted at the end."""
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = Path(scratch).resolve()
        try:
            yield folder
        finally:
            for line in Path("/proc/mounts").read_text().splitlines():
                if (place := line.split()[1]).startswith(str(folder)):
                    subprocess.run(["umount", place], check=True)


def new(folder: Path, draw: random.Random) -> Study:
    subprocess.run([sys.executable, "-m", "study", "new", str(folder)], check=True, stdout=subprocess.DEVNULL)
    # Long enough to be met at work.
    script = folder / "train.py"
    script.write_text(script.read_text().replace("    losses = train(", "    time.sleep(0.3)\n    losses = train(", 1))
    script.write_text(script.read_text().replace("import random\n", "import random\nimport time\n", 1))
    return Study(folder, draw)


def soak(minutes: float, seed: int) -> Counter[str]:
    """Rounds until the time is up. Returns the counts.

    Raises:
        AssertionError: a study came to another end.
    """
    draw, counts, end = random.Random(seed), Counter[str](), time.monotonic() + 60 * minutes
    with room() as folder:
        undisturbed = new(folder / "calm/soak", draw)
        undisturbed.finish()
        expected = undisturbed.end_state()
    kinds = list(KINDS) if os.access("/", os.W_OK) and not os.getuid() else [k for k in KINDS if k not in NEED_A_DISK]
    order: list[str] = []
    while time.monotonic() < end:
        order = order or draw.sample(kinds, len(kinds))
        kind = order.pop()
        with room() as folder:
            study = new(folder / "soak", draw)
            KINDS[kind](study)
            safe = study.sound()
            tries = study.finish()
            state, kept = study.end_state(), study.sound()
            wrong = sorted(name for name in expected.keys() | state.keys() if expected.get(name) != state.get(name))
            lost = [run_id for run_id, found in safe.items() if kept.get(run_id) != found]
            left = study.left_behind()
            counts["rounds"] += 1
            counts[kind] += 1
            counts["runs trained after it"] += len(kept) - len(safe)
            counts["records lost"] += len(lost)
            counts["commands typed after it"] += tries
            print(f"{kind}: {len(safe)} of {len(kept)} records were safe, finished after {tries} commands", flush=True)
            assert not wrong, f"{kind}: other than undisturbed: {wrong}"
            assert not lost, f"{kind}: records that were safe were written again: {lost}"
            assert not left, f"{kind}: left behind: {left}"
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"soak: seed {arguments.seed}, {arguments.minutes:g} minutes", flush=True)
    print(json.dumps(soak(arguments.minutes, arguments.seed), indent=1))


if __name__ == "__main__":
    main()
