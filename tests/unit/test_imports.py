"""What is imported where: the Snakefile and every command but training start without TensorFlow."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from study.design import plan
from study.store.record import Store
from tests import examples
from tests.examples import PROJECT

HEAVY = ("tensorflow", "keras", "pandas", "scipy", "statsmodels", "altair", "snakemake")


def loaded(code: str) -> set[str]:
    """The heavy packages that a new Python has imported after `code`."""
    tail = f"\nimport sys; print(' '.join(name for name in {HEAVY} if name in sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code + tail], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_what_the_snakefile_imports_is_light() -> None:
    statements = [
        line
        for line in (PROJECT / "workflow/Snakefile").read_text().splitlines()
        if line.startswith(("from study", "import study"))
    ]
    assert len(statements) == 8
    assert loaded("\n".join(statements)) == set()


def test_planning_a_study_is_light() -> None:
    code = (
        "from pathlib import Path; from study import trainers; from study.config.resolve import load; "
        "from study.design.factorial import jobs; from study.store.record import Store; "
        "from study.trainers.resume import with_seconds_per_run; "
        "config = load('config.yaml'); trainer = trainers.choose(config); "
        "config = with_seconds_per_run(config, trainer, Path('nowhere'), Store('nowhere')); "
        "assert jobs(config, trainer.shared_levels())"
    )
    assert loaded(code) == set()


def test_this_test_would_notice_an_import() -> None:
    assert loaded("import pandas") == {"pandas"}


COMMANDS = """
import json, sys
from study.cli import main
after = {}
for command in json.loads(sys.argv[1]):
    if main(command) != 0:
        sys.exit(f"failed: {command}")
    after[command[0]] = [name for name in ("tensorflow", "keras", "snakemake") if name in sys.modules]
json.dump(after, sys.stdout)
"""


def test_no_command_but_train_imports_tensorflow_and_train_only_to_train(tmp_path: Path, small_images: Path) -> None:
    config = examples.overlaid({"data": {"source": str(small_images)}})
    results = tmp_path / "results"
    design = ["design", json.dumps(config), "--out", str(results)]
    run_commands([design])
    planned = plan.read(results / "design.json")
    examples.fill(Store(tmp_path / "runs"), planned)
    after = run_commands(
        [
            design,
            [
                *("train", f"{results}/design.json", "--trajectory", "bn~none_dropout~0.3", "--seeds", "0-2"),
                *("--store", f"{tmp_path}/runs", "--manifest", f"{results}/manifest.json"),
            ],
            ["collect", f"{results}/design.json", "--store", f"{tmp_path}/runs", "--out", str(results)],
            [
                *("explain", f"{results}/design.json", "--runs", f"{results}/runs.parquet"),
                *("--store", f"{tmp_path}/runs", "--out", str(results)),
            ],
            [
                *("analyze", f"{results}/runs.parquet", "--curves", f"{results}/curves.parquet"),
                *("--successes", "test_correct", "--trials", "test_trials", "--factor", "bn", "--factor", "dropout"),
                *("--block", "seed", "--control", "bn=none", "--out", f"{results}/analysis"),
            ],
            ["report", str(results), "--out", f"{results}/report.html"],
            ["interim", json.dumps(config), "--store", f"{tmp_path}/runs", "--out", f"{results}/interim"],
        ]
    )
    assert after == {name: [] for name in ("design", "train", "collect", "explain", "analyze", "report", "interim")}
    assert (results / "report.html").stat().st_size > 0


def run_commands(commands: list[list[str]]) -> dict[str, list[str]]:
    answer = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_without_tensorflow_a_study_that_needs_it_says_what_to_install(tmp_path: Path, small_images: Path) -> None:
    config = examples.overlaid({"data": {"source": str(small_images)}})
    code = (
        "import sys; sys.modules['tensorflow'] = None; from study.cli import main; "
        f"sys.exit(main(['design', {json.dumps(config)!r}, '--out', {str(tmp_path / 'small')!r}]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith("study: error: ")
    assert line.endswith("needs TensorFlow: pip install 'bn-study[mnist]'")
    assert not (tmp_path / "small").exists()


def imports(path: Path) -> set[str]:
    """All modules that a file imports anywhere in it, also within functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def uses(path: Path, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imports(path) for package in packages)


SOURCES = sorted((PROJECT / "study").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_packages_know_only_what_they_should(path: Path) -> None:
    area = path.relative_to(PROJECT / "study").parts[0]
    assert not uses(path, "snakemake")
    assert path.is_relative_to(PROJECT / "study/trainers/mnist") or not uses(path, "tensorflow", "keras")
    if area == "stats":
        assert not uses(path, "study.trainers", "study.store", "study.design", "study.report", "altair")
    if area == "report":
        assert not uses(path, "study.trainers", "scipy", "statsmodels")


# From the bottom up: each room of the statistics reaches only those before it.
STATISTICS = (
    *("table", "multiplicity", "layout", "descriptives", "collapse", "effects"),
    *("mixed", "sequential", "planning", "robustness", "luck", "checks"),
)


IN_ROOMS = [path for path in SOURCES if path.is_relative_to(PROJECT / "study/stats") and path.name != "__init__.py"]


@pytest.mark.parametrize("path", IN_ROOMS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_the_rooms_of_the_statistics_reach_only_down(path: Path) -> None:
    room = path.relative_to(PROJECT / "study/stats").parts[0].removesuffix(".py")
    below = STATISTICS[: STATISTICS.index(room) + 1]
    reached = {name.split(".")[2] for name in imports(path) if name.startswith("study.stats.")}
    assert reached <= set(below), f"{room} reaches up to {sorted(reached - set(below))}"
