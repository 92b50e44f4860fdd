"""The environment is one environment, however it is installed; and the shipped profile stays out of others' way."""

import itertools
import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.examples import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
LOCK_TEXT = (PROJECT / "requirements.lock").read_text()
# A requirement, its continuation lines joined, without the comments that say who wanted it.
LOCK_ENTRIES = re.sub(r"\s*#.*", "", LOCK_TEXT).replace("\\\n", " ").splitlines()
LOCK = [Requirement(entry.split("--hash")[0].strip()) for entry in LOCK_ENTRIES if entry.strip()]
CONDA = yaml.safe_load((PROJECT / "environment.yml").read_text())
(PIP_LINES,) = [part["pip"] for part in CONDA["dependencies"] if isinstance(part, dict)]
PIP = [Requirement(line) for line in PIP_LINES]
WANTED = [Requirement(entry) for entry in PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]]


def version(requirement: Requirement) -> str:
    """The one exact version of a pinned requirement."""
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


def by_name(requirements: list[Requirement]) -> dict[str, Requirement]:
    named = {canonicalize_name(requirement.name): requirement for requirement in requirements}
    assert len(named) == len(requirements)
    return named


def test_the_lock_pins_every_package_to_one_version() -> None:
    assert len(LOCK) > 80
    for requirement in LOCK:
        assert version(requirement)
        assert not requirement.extras


def test_the_lock_has_a_hash_for_every_package() -> None:
    for entry in LOCK_ENTRIES:
        assert not entry.strip() or re.search(r" --hash=sha256:[0-9a-f]{64}\b", entry), entry


@pytest.mark.parametrize("forbidden", ["://", "--index", "--extra-index", "--find-links", "-f ", " @ "])
def test_the_lock_names_no_address(forbidden: str) -> None:
    assert forbidden not in LOCK_TEXT


def test_conda_gets_the_versions_of_the_lock() -> None:
    lock = by_name(LOCK)
    for name, requirement in by_name(PIP).items():
        assert version(requirement) == version(lock[name])
        assert _conditions(requirement) == _conditions(lock[name])


def _conditions(requirement: Requirement) -> set[str]:
    return set(re.split(r" and | or ", str(requirement.marker).replace('"', "'")))


def test_every_dependency_is_in_the_lock_and_in_the_conda_environment_in_a_version_that_it_allows() -> None:
    lock, conda = by_name(LOCK), by_name(PIP)
    for name, requirement in by_name(WANTED).items():
        assert requirement.specifier.contains(version(lock[name])), requirement
        assert name in conda


def test_the_conda_environment_names_nothing_but_the_dependencies() -> None:
    assert set(by_name(PIP)) == set(by_name(WANTED))


def test_the_conda_environment_has_a_python_that_the_project_allows() -> None:
    (python,) = [part for part in CONDA["dependencies"] if isinstance(part, str) and part.startswith("python=")]
    assert Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier.contains(python[len("python=") :])


def test_tensorflow_is_there_on_every_platform_once() -> None:
    lock = by_name(LOCK)
    for platform in ("linux", "darwin", "win32"):
        for machine in ("x86_64", "aarch64", "arm64"):
            chosen = [
                name
                for name in ("tensorflow", "tensorflow-cpu")
                if lock[name].marker.evaluate({"sys_platform": platform, "platform_machine": machine})
            ]
            assert len(chosen) == 1


def test_these_tests_run_in_the_environment_of_the_lock() -> None:
    for name, requirement in by_name(LOCK).items():
        if requirement.marker is None or requirement.marker.evaluate():
            assert metadata.version(name) == version(requirement)


def test_every_rule_can_use_the_conda_environment() -> None:
    rules = "".join(path.read_text() for path in (PROJECT / "workflow/rules").glob("*.smk"))
    assert (
        len(re.findall(r"^ *(?:rule|checkpoint) ", rules, re.MULTILINE)) == rules.count('"../../environment.yml"') > 0
    )
    # Snakemake copies the file away, where a relative path leads nowhere.
    assert not any(line.startswith(("-", ".")) for line in PIP_LINES)


def profile(name: str) -> dict[str, object]:
    return yaml.safe_load((PROJECT / name / "profile.yaml").read_text())


def test_the_default_profile_leaves_room_for_others() -> None:
    # It is loaded on top of a cluster's profile and wins key by key.
    ours = set(profile("profiles/default"))
    assert ours
    assert not ours & {"executor", "jobs", "cores", "resources", "set-resources", "default-resources"}
    assert not ours & set(profile("slurm"))


def test_the_cluster_profile_leaves_accounts_and_partitions_to_the_user() -> None:
    # Whoever gives default resources replaces all of them.
    assert not set(profile("slurm")) & {"default-resources", "set-resources", "slurm-partition", "cores"}


def test_the_cluster_profile_waits_for_no_accounting_database() -> None:
    assert profile("slurm")["slurm-status-command"] == "squeue"


def test_a_change_of_code_repeats_no_training() -> None:
    assert set(profile("profiles/default")["rerun-triggers"]) == {"mtime", "params", "input", "software-env"}


@pytest.mark.parametrize("name", ["profiles/default", "slurm"])
def test_every_entry_of_a_profile_has_its_reason(name: str) -> None:
    lines = (PROJECT / name / "profile.yaml").read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if line and not line.startswith("#"):
            assert above.startswith("# "), line
