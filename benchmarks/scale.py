"""What a large study costs beside its trainings, as a table: `python -m benchmarks.scale`.

Planning, scheduling, collecting and analysing, with simulated runs: their records have the size of real ones, of 10,000
test images and 10 epochs. Times are CPU seconds of the process itself, so that a busy machine does not decide them.
"""

import base64
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from study.config import resolve as configuration
from study.design import plan
from study.store.record import Store
from tests import examples

PROJECT = Path(__file__).resolve().parents[1]
FACTORS = {"bn": ["none", "libs", "contrib", "contrib_stale", "keras"], "dropout": [0.0, 0.3]}
CELLS = 10
TEST_IMAGES, EPOCHS = 10_000, 10
# Stands in for the shell of a training job: it writes the manifest and nothing else, so that what is left is Snakemake.
INSTANT = r"""#!/bin/dash
words="$*"
case "$words" in
*"--manifest "*) rest=${words##*--manifest }; file=${rest%%\' *}; echo '{}' > "${file#\'}" ;;
*) exec /bin/bash "$@" ;;
esac
"""


def main() -> None:
    """Print one table; with numbers as arguments, only for so many runs."""
    sizes = [int(text) for text in sys.argv[1:]] or [100, 1000, 10_000, 100_000]
    print("runs     jobs  what        CPU s  memory GiB")
    for runs in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for what, (seconds, memory) in _costs(runs, Path(folder)):
                print(f"{runs:<8} {_jobs(runs):<5} {what:<10} {seconds:>6.1f}  {memory:>10.2f}", flush=True)


def _config(runs: int) -> dict[str, Any]:
    return {
        "study": {"name": "scale"},
        "design": {"factors": FACTORS | {"lr": None}, "control": {"bn": "none"}, "seeds": runs // CELLS},
        "training": {"lr": 0.001, "epochs": EPOCHS},
        "execution": {"seeds_per_job": "auto", "seconds_per_run": 190},
    }


def _jobs(runs: int) -> int:
    return len(examples.jobs(configuration.resolve(_config(runs))))


def _costs(runs: int, folder: Path) -> Iterator[tuple[str, tuple[float, float]]]:
    (folder / "bin").mkdir()
    shell = folder / "bin/bash"
    shell.write_text(INSTANT)
    shell.chmod(0o755)
    overlay = folder / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(_config(runs)))
    snakemake = ["snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--configfile", str(overlay), "--quiet", "all"]
    results = folder / "results/scale"
    collect = ["study", "collect", f"{results}/design.json", "--store", "results/runs", "--out", str(results)]
    analyse = [
        *("study", "analyze", f"{results}/runs.parquet", "--curves", f"{results}/curves.parquet"),
        *("--successes", "test_correct", "--trials", "test_trials", "--factor", "bn", "--factor", "dropout"),
        *("--block", "seed", "--control", "bn=none", "--out", f"{results}/analysis"),
    ]
    if runs <= 10_000:
        yield "dry run", _run([*snakemake, "--dry-run"], folder)
        yield "schedule", _run([*snakemake, "--cores", "2", "--until", "train"], folder)
    _fill(Store(folder / "results/runs"), runs, results)
    yield "status", _run(["study", "status", str(results)], folder)
    yield "collect", _run(collect, folder)
    yield "analyse", _run(analyse, folder)


def _run(command: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds of the process itself, and its peak memory in GiB."""
    path = os.pathsep.join([str(folder / "bin"), str(PROJECT), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    seconds = memory = 0.0
    while process.poll() is None:
        try:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            status = Path(f"/proc/{process.pid}/status").read_text()
            memory = int(status.split("VmHWM:")[1].split()[0]) / 2**20
        except (OSError, IndexError):
            pass
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"{command}: {process.stderr.read().decode() if process.stderr else ''}")
    return seconds, memory


def _fill(store: Store, runs: int, results: Path) -> None:
    """Simulated records of all runs. Not flushed one by one, as a training's are: here nobody waits for a power cut."""
    planned = examples.planned(configuration.resolve(_config(runs)))
    plan.write(planned, results, {})
    draw = np.random.default_rng(0)
    for run_id, cell, seed in planned.runs():
        right = draw.random(TEST_IMAGES) < draw.normal(0.984, 0.001)
        record = examples.record(planned, cell, seed)
        score = record.extra["test"]
        score |= {"trials": TEST_IMAGES, "correct": dict.fromkeys(score["correct"], int(right.sum()))}
        record.extra["correct_bits"] = base64.b64encode(np.packbits(right).tobytes()).decode()
        record.curve["validation_correct"] = [int(right.sum())] * EPOCHS
        path = store.path(run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.to_json())


if __name__ == "__main__":
    main()
