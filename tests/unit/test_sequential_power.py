"""Planning a sequential design."""

import numpy as np
import pytest
from scipy import stats

from study.design import planned_looks
from study.stats.sequential_path import follow
from study.stats.sequential_power import STUDIES, prefix_moments, stopping


def test_prefix_moments_are_those_of_each_prefix() -> None:
    x = np.random.default_rng(0).normal(1e6, 1, (3, 12))
    mean, se = prefix_moments(x, (2, 5, 12))
    for column, n in enumerate((2, 5, 12)):
        np.testing.assert_allclose(mean[:, column], x[:, :n].mean(axis=1), rtol=1e-14)
        np.testing.assert_allclose(se[:, column], stats.sem(x[:, :n], axis=1), rtol=1e-8)


@pytest.mark.parametrize("effect", [0.0, 1.2, -2.0])
def test_the_simulated_studies_stop_where_followed_ones_do(effect: float) -> None:
    looks, sd, margin = planned_looks(5, 5, 30), 0.8, 0.9
    draws = np.random.default_rng([*b"stopping"]).normal(size=(STUDIES, 30))[:150]
    seeds, settled = [], []
    for sample in effect + sd * draws:
        path = follow("a", [sample[:n] for n in looks], looks, 2, margin, 0.05)
        seeds.append(path.settled_at or 30)
        settled.append(path.settled_at is not None)
    found = stopping(effect, sd, margin, looks, 0.05, 2)
    assert found.expected == pytest.approx(np.mean(seeds), abs=4 * np.std(seeds) / np.sqrt(150) + 0.2)
    assert found.settled == pytest.approx(np.mean(settled), abs=0.12)


def test_larger_effects_and_smaller_spreads_take_fewer_seeds_and_never_more_than_the_budget() -> None:
    looks = planned_looks(5, 5, 60)
    small, large = (stopping(effect, 0.1, 0.05, looks, 0.05, 4) for effect in (0.1, 0.4))
    assert large.expected < small.expected
    assert 5 <= large.median <= large.q90 <= 60
    assert stopping(0.001, 5.0, 0.1, looks, 0.05, 4).expected == pytest.approx(60, abs=0.5)
    assert stopping(0.4, 0.1, 0.05, looks, 0.05, 4) == large
