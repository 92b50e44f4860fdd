"""A small version of `make calibrate`: enough to see a test that is badly wrong."""

from dataclasses import replace

import pytest

from study.stats.planning.simulate import Truth, scenario
from tests.calibration import labels, sequential
from tests.calibration.calibrate import Calibration, calibrate, power

SIMULATIONS = 120
SMALL = Truth(design={"arm": ("control", "a", "b", "c"), "regime": ("off", "on", "half")}, seeds=12)


@pytest.fixture(scope="module")
def seed_by_arm() -> Calibration:
    return calibrate(replace(scenario("B", SMALL), seed_arm_sd=0.2), SIMULATIONS, seed=1)


@pytest.fixture(scope="module")
def unequal_spread() -> Calibration:
    return calibrate(scenario("C", SMALL), SIMULATIONS, seed=2)


@pytest.mark.parametrize("found", ["seed_by_arm", "unequal_spread"])
def test_contrasts_and_omnibus_keep_their_level(found: str, request: pytest.FixtureRequest) -> None:
    rates: Calibration = request.getfixturevalue(found)
    assert 0.02 < rates.contrast.value < 0.09
    assert rates.omnibus.value < 0.10
    assert rates.familywise.value < 0.14  # of 24 studies
    assert 0.91 < rates.coverage.value < 0.98


def test_the_simulation_would_notice_a_test_that_ignores_the_blocks(seed_by_arm: Calibration) -> None:
    assert seed_by_arm.naive.value > 0.15


def test_a_large_effect_is_found_and_none_is_not() -> None:
    truth = scenario("A", SMALL)
    assert power(truth, 0.4, 20, seed=3).value > 0.9
    assert power(truth, 0.0, 40, seed=3).value < 0.15


def test_200_looks_make_few_false_claims_and_the_interval_at_the_stop_holds() -> None:
    for name in sequential.SYMMETRIC:
        found = sequential.peeking(sequential.NULLS[name], 400, seed=4)
        assert found.sequential < 0.06
        assert found.at_stop > 0.95
        assert found.naive > 0.25


def test_the_simulation_would_notice_claims_that_are_too_many() -> None:
    """Skewed differences are outside what is guaranteed, and show it."""
    assert sequential.peeking(sequential.NULLS["exponential"], 400, seed=4).sequential > 0.08


def test_a_clear_effect_takes_at_most_60_percent_of_the_fixed_designs_seeds() -> None:
    looks = tuple(range(5, 61))
    found = sequential.spent(1.0, looks, 1, 4000, seed=4)["e-process"]
    assert found.median <= 0.6 * 20
    assert found.most <= 60
    assert found.shown > 0.989  # the power of the t test with 20 seeds


@pytest.mark.parametrize("truth", [0.0, 1.0, -1.0])
def test_few_studies_have_a_false_label_at_no_effect_and_at_the_margin(truth: float) -> None:
    """Of 150 studies; 5 % at most is what is claimed, and 10 % would be seen."""
    assert labels.fixed(truth, 150, seed=5) < 0.09
    assert labels.sequential(truth, 2000, seed=5) < 0.05


def test_the_simulation_would_notice_intervals_that_are_not_adjusted() -> None:
    assert labels.fixed(0.0, 150, seed=5, alpha=0.2) > 0.12
