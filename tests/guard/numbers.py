"""Every number that the program writes about some tables of runs, by a flat key, through the command line alone.

`baseline.json.xz` holds the numbers as they were before the program was rearranged; `test_numbers.py` compares. To make
it anew, with the program of this folder or of another checkout:

    python -m tests.guard.numbers [--project DIR] [--case NAME ...] --out tests/guard/baseline.json.xz
"""

import argparse
import io
import json
import lzma
import os
import platform
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import scipy

PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
ORACLE = PROJECT / "tests/oracle"
RECORDS = PROJECT / "reference/bn-on-mnist-records.tar.xz"
BASELINE = HERE / "baseline.json.xz"

Numbers = dict[str, Any]
"""Numbers, words, booleans, None and what is empty, by "case/file/path.to.it"."""


@dataclass(frozen=True)
class Case:
    """Command lines, run one after the other.

    Attributes:
        commands: their arguments; {out} is the folder to write to, whose JSON files are read, {store} that of records.
        records: whether the records of the reference study are needed.
        leave_out: JSON files that are no results.
    """

    name: str
    commands: tuple[Sequence[object], ...]
    records: bool = False
    leave_out: tuple[str, ...] = ()


GRID = ("--factor", "bn", "--factor", "dropout", "--factor", "lr", "--block", "seed", "--control", "bn=none")
COUNTS = ("--successes", "test_correct", "--trials", "test_n")
NETWORKS = ("--block", "seed", "--control", "bn=none", "--successes", "test_correct", "--trials", "test_trials")
SIMULATED = ("--factor", "norm", "--factor", "lr", "--control", "norm=none", "--collapse-below", "0.9")
SIMULATED += ("--successes", "test_correct", "--trials", "test_trials")


def _analysis(name: str, table: Path, *options: str) -> Case:
    return Case(name, (("analyze", table, *options, "--out", "{out}"),))


def _oracle(table: str, name: str = "", *options: str, outcome: Sequence[str] = COUNTS) -> Case:
    return _analysis("-".join(filter(None, (table, name))), ORACLE / f"{table}.csv.gz", *GRID, *outcome, *options)


CASES = (
    # The longest first, that none is waited for at the end.
    Case(
        "reference",
        (
            ("design", PROJECT / "config.yaml", "--out", "{out}"),
            ("collect", "{out}/design.json", "--store", "{store}", "--out", "{out}"),
            (
                *("explain", "{out}/design.json", "--runs", "{out}/runs.parquet"),
                *("--gap", "{out}/statistics_gap.parquet", "--out", "{out}/mechanism.json"),
            ),
            (
                *("analyze", "{out}/runs.parquet", "--curves", "{out}/curves.parquet", "--name", "test accuracy"),
                *("--factor", "bn", "--factor", "dropout", "--factor", "lr", *NETWORKS),
                *("--margin-pp", "0.1", "--collapse-below", "0.9", "--tune", "lr", "--out", "{out}/analysis"),
            ),
        ),
        records=True,
        leave_out=("design.json",),
    ),
    *(_oracle(table) for table in ("null", "interaction", "missing", "seedslope", "boundary")),
    _oracle("interaction", "looks", "--looks", "5,10,15,20", "--margin-pp", "0.2"),
    _oracle("missing", "holm", "--adjust", "holm", "--alpha", "0.1", "--collapse-below", "0.98"),
    _oracle(
        *("seedslope", "response", "--better", "lower", "--margin", "0.05", "--random", "seed + seed:bn"),
        outcome=("--response", "y"),
    ),
    _analysis(
        *("quick", HERE / "quick-runs.parquet", "--curves", str(HERE / "quick-curves.parquet"), *NETWORKS),
        *("--factor", "bn", "--factor", "dropout", "--margin-pp", "0.1", "--collapse-below", "0.9"),
    ),
    _analysis(
        *("quick-describe", HERE / "quick-runs.parquet", "--curves", str(HERE / "quick-curves.parquet"), *NETWORKS),
        *("--factor", "bn", "--factor", "dropout", "--collapse-below", "0.9", "--describe", "the study goes on"),
    ),
    _analysis(
        *("digits", HERE / "digits-runs.csv", "--factor", "scaling", "--factor", "classifier", "--block", "seed"),
        *("--control", "scaling=raw", "--successes", "successes", "--trials", "trials", "--margin-pp", "0.5"),
    ),
    _analysis(
        *("spirals", HERE / "spirals-runs.csv", "--curves", str(HERE / "spirals-curves.parquet")),
        *("--factor", "init", "--factor", "layers", "--block", "seed", "--control", "init=small"),
        *("--response", "response", "--validation-response", "response", "--margin", "0.05", "--better", "lower"),
        *("--unit", "nats", "--collapse-above", "1.05"),
    ),
    # Some runs collapse, some diverge, some are absent; `again` is the control under other seeds.
    _analysis(
        *("simulated", HERE / "simulated.csv", *SIMULATED, "--block", "seed", "--negative-control", "again"),
        *("--tune", "lr", "--validation-successes", "test_correct", "--validation-trials", "test_trials"),
    ),
    _analysis("simulated-unblocked", HERE / "simulated.csv", *SIMULATED, "--block", "none"),
)

_NAMES = ("factor", "level", "arm", "reference", "term", "cell", "levels", "scale", "model", "method", "handling")
_NAMES += ("endpoint", "epoch", "block")
_SECOND_NAMES = ("", "blocks", "runs")
"""What tells the rows of a list apart, and one more of these where that does not suffice, as in a list of looks.

A row is named by these and not by its place, as others may be dropped or added.
"""


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What is inside `value`, with the path to it."""
    if isinstance(value, Mapping) and value:
        inside = list(value.items())
    elif isinstance(value, list) and value:
        inside = list(zip(_row_names(value), value, strict=True))
    else:
        # Also that there is nothing.
        yield path, value
        return
    for name, item in inside:
        yield from flatten(item, f"{path}.{name}" if path else name)


def _row_names(rows: list[Any]) -> list[str]:
    for second in _SECOND_NAMES:
        found = [_row_name(row, (*_NAMES, second)) if isinstance(row, Mapping) else "" for row in rows]
        if all(found) and len(set(found)) == len(found):
            return found
    return [str(place) for place in range(len(rows))]


def _row_name(row: Mapping[str, Any], names: Iterable[str]) -> str:
    parts = []
    for name in names:
        value = row.get(name)
        if isinstance(value, Mapping):
            parts += [f"{key}={item}" for key, item in sorted(value.items())]
        elif value is not None and not isinstance(value, (list, float)):
            parts.append(f"{name}={value}")
    return ",".join(parts)


def measure(case: Case, project: Path = PROJECT) -> Numbers:
    """Run the case with the program of `project`, and read what it wrote; to be called in one of `processes()`."""
    if str(project) != sys.path[0]:
        sys.path.insert(0, str(project))
    from study import cli

    with tempfile.TemporaryDirectory(prefix="guard-") as name:
        folders = {"out": f"{name}/out", "store": f"{name}/runs"}
        if case.records:
            with tarfile.open(RECORDS) as archive:
                archive.extractall(name, filter="data")
        for command in case.commands:
            arguments = [str(argument).format(**folders) for argument in command]
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as told:
                try:
                    status: Any = cli.main(arguments)
                except SystemExit as ended:
                    status = ended.code
            if status:
                raise RuntimeError(f"{case.name}: `study {' '.join(arguments)}`: {told.getvalue()}")
        return {
            f"{case.name}/{path.stem}/{key}": value
            for path in sorted(Path(folders["out"]).rglob("*.json"))
            if path.name not in case.leave_out
            for key, value in flatten(json.loads(path.read_text(encoding="utf-8")))
        }


@contextmanager
def processes() -> Iterator[Executor]:
    """Processes to measure in: new ones, as how many threads sums are split over is settled when NumPy is imported."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
            yield pool
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def kernels() -> str:
    """What settles the last bits of a sum: the numerical libraries, and the processor they choose their code for."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    description = Path("/proc/cpuinfo")
    lines = description.read_text().splitlines() if description.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"NumPy {np.__version__}, SciPy {scipy.__version__}, {name} with {' '.join(found)}"


def read_baseline(path: Path = BASELINE) -> tuple[str, Numbers]:
    """The kernels that the kept numbers were computed with, and the numbers."""
    content = json.loads(lzma.decompress(path.read_bytes()))
    return content["kernels"], content["numbers"]


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--project", type=Path, default=PROJECT, help="the checkout whose program is run")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="default: all")
    parser.add_argument("--out", required=True, type=Path, help="the file to write")
    arguments = parser.parse_args()
    cases = [case for case in CASES if not arguments.case or case.name in arguments.case]
    project = arguments.project.resolve()
    with processes() as pool:
        parts = list(pool.map(measure, cases, [project] * len(cases)))
    found = {key: value for part in parts for key, value in part.items()}
    content = {"kernels": kernels(), "numbers": dict(sorted(found.items()))}
    text = json.dumps(content, ensure_ascii=False, indent=0)
    arguments.out.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(found)} numbers of {len(cases)} cases")


if __name__ == "__main__":
    _main()
