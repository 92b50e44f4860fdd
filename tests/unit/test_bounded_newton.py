"""The bounded Newton search on functions whose minimum is known."""

import numpy as np
import pytest

from study.stats.mixed.bounded_newton import minimise


def quadratic(centre, curvature):
    def objective(x):
        apart = x - centre
        return float(apart @ curvature @ apart), 2.0 * curvature @ apart, 2.0 * curvature

    return objective


def test_a_bound_is_met_exactly_and_the_rest_is_optimal_given_it():
    curvature = np.array([[2.0, 1.5], [1.5, 2.0]])
    found = minimise(quadratic(np.array([-1.0, 1.0]), curvature), np.array([3.0, 3.0]), np.zeros(2))
    assert found.converged
    assert found.x[0] == 0.0
    assert found.x[1] == pytest.approx(1.0 + curvature[0, 1] / curvature[1, 1] * (-1.0))


def test_a_bound_is_left_again():
    found = minimise(quadratic(np.array([2.0, -1.0]), np.eye(2)), np.zeros(2), np.zeros(2))
    np.testing.assert_allclose(found.x, [2.0, 0.0])


def test_a_start_where_the_function_is_concave_still_ends_at_the_minimum():
    # log(1 + x) + 9 / (1 + x): minimum at 8, concave from 17 on.
    def objective(x):
        u = 1.0 + x
        value = np.log(u) + 9.0 / u
        return float(value[0]), 1.0 / u - 9.0 / u**2, np.diag(-1.0 / u**2 + 18.0 / u**3)

    for start in (0.0, 1.0, 30.0, 1e4):
        assert minimise(objective, np.array([start]), np.zeros(1)).x[0] == pytest.approx(8.0, rel=1e-9)


def test_a_search_that_runs_out_of_steps_says_so():
    def objective(x):
        return float(np.exp(-x[0])), -np.exp(-x), np.exp(-x)[:, None]

    assert not minimise(objective, np.zeros(1), np.array([-1.0]), tolerance=0.0).converged
