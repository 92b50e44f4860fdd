"""A design with a negative control trains the control once more, under seeds that nothing else has."""

from study.design import factorial
from study.design.plan import Plan
from tests import examples
from tests.examples import resolved


def planned(negative_control: bool) -> Plan:
    config = resolved()
    config["design"]["negative_control"] = negative_control
    return examples.planned(config)


def test_the_control_is_crossed_with_the_other_factors_once_more() -> None:
    without, with_it = planned(False), planned(True)
    levels = len(without.config["design"]["factors"]["bn"])
    assert len(with_it.runs()) * levels == len(without.runs()) * (levels + 1)
    again = [cell for cell in with_it.cells() if cell.levels["bn"] == factorial.NEGATIVE_CONTROL]
    control = [cell for cell in with_it.cells() if cell.levels["bn"] == "none"]
    assert [cell.settings for cell in again] == [cell.settings for cell in control]
    assert {cell.trajectory for cell in again}.isdisjoint(cell.trajectory for cell in control)


def test_its_runs_are_others_than_the_controls_and_the_rest_stay_what_they_were() -> None:
    without, with_it = planned(False), planned(True)
    old = {run_id for run_id, _, _ in without.runs()}
    new = [run_id for run_id, _, _ in with_it.runs()]
    assert len(set(new)) == len(new)
    assert old < set(new)


def test_its_seeds_are_beyond_every_seed_that_a_configuration_may_name() -> None:
    again = [cell for cell in planned(True).cells() if cell.seed_offset]
    assert all(cell.seed_offset > 2**31 - 1 for cell in again)
    assert all(cell.levels["bn"] == factorial.NEGATIVE_CONTROL for cell in again)
