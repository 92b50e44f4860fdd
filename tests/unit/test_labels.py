"""The place of an interval decides the label."""

import pytest

from study.stats.effects.labels import label, settled

UP = {
    (0.2, 0.4): "better by more than the margin",
    (0.05, 0.4): "better",
    (0.02, 0.08): "better but negligible",
    (0.0, 0.05): "equivalent",
    (-0.05, 0.05): "equivalent",
    (-0.09, -0.01): "worse but negligible",
    (-0.4, -0.05): "worse",
    (-0.4, -0.2): "worse by more than the margin",
    (-0.2, 0.05): "inconclusive",
    (-0.05, 0.2): "inconclusive",
    (-0.1, 0.05): "inconclusive",  # the margin itself is not inside it
}


@pytest.mark.parametrize(("ends", "expected"), UP.items())
def test_the_table_of_labels_in_both_directions(ends: tuple[float, float], expected: str) -> None:
    low, high = ends
    assert label(low, high, 0.1, higher_is_better=True) == expected
    assert label(-high, -low, 0.1, higher_is_better=False) == expected


@pytest.mark.parametrize(
    ("ends", "expected"), [((0.02, 0.08), "better"), ((-3, -2), "worse"), ((-0.01, 0.01), "inconclusive")]
)
def test_without_a_margin_there_are_three_labels(ends: tuple[float, float], expected: str) -> None:
    assert label(*ends, 0.0, higher_is_better=True) == expected


def test_without_an_interval_nothing_is_concluded() -> None:
    assert label(None, None, 0.1, higher_is_better=True) == "inconclusive"
    assert label(None, None, 0.1, higher_is_better=False) == "inconclusive"


def test_sized_is_settled_only_where_the_size_is() -> None:
    assert settled("better", "settled", 0.1)
    assert not settled("better", "sized", 0.1)
    assert settled("better", "sized", 0.0)
    assert settled("better by more than the margin", "sized", 0.1)
    assert not settled("inconclusive", "settled", 0.1)
