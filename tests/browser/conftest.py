"""The pages to open in a browser."""

from pathlib import Path

import pytest

from study.analysis.files import write
from study.analysis.run import analyse
from study.report.page import build
from study.trainers.mnist.explanation import MnistExplanation
from tests.outcomes import outcomes
from tests.report_fixture import Arm, Scenario, write_results

HOSTILE = Scenario(
    arms=(
        Arm("none", "<script>window.hacked = 1</script>"),
        Arm("</script>", '</script><img src=x onerror="window.hacked = 2">', gain=0.2, decay=0.9),
        Arm("x", "{{ 7 * 7 }} ${window.hacked = 3}\u2028a name much longer than any panel is wide", decay=0.999),
    ),
    seeds=4,
    epochs=3,
    lr=(1e-3,),
    name="<b>name</b>",
    question="<script>window.hacked = 4</script>?",
    title="<img src=x onerror=window.hacked=5>",
)


def page_of(folder: Path) -> Path:
    return build(folder, explain=MnistExplanation(folder))


# Outcomes that strain the first screen: an effect that turns, failing arms, eight arms, names, another unit, a control
# that fails.
STRAINING = ("crossover", "two collapse", "half diverged", "eight", "names", "loss", "control collapses", "no margin")


@pytest.fixture(scope="session", params=STRAINING)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a simulated outcome, from its table alone."""
    found, folder = outcomes()[request.param], tmp_path_factory.mktemp("outcome")
    write(analyse(found.table, found.plan, about=found.about), folder)
    return build(folder)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small study in which two arms collapse."""
    scenario = Scenario(seeds=5, epochs=4, lr=(1e-3, 5e-3))
    return page_of(write_results(tmp_path_factory.mktemp("browser") / "small", scenario))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study whose every text tries to become code."""
    return page_of(write_results(tmp_path_factory.mktemp("browser") / "hostile", HOSTILE))


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study as large as the pre-registered one: 600 runs with their curves."""
    return page_of(write_results(tmp_path_factory.mktemp("browser") / "many", Scenario()))


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study with 8 arms."""
    arms = [Arm("none", "no BN"), *(Arm(f"v{i}", f"implementation {i}", gain=0.03 * i, decay=0.9) for i in range(7))]
    return page_of(write_results(tmp_path_factory.mktemp("browser") / "wide", Scenario(arms, 4, 3, lr=(1e-3,))))
