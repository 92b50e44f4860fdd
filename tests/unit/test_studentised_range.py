"""Tukey's range against SciPy's adaptive quadrature, Dunnett's approximation against its definition."""

import numpy as np
import pytest
from scipy import stats

from study.stats.mixed.studentised_range import dunnettx_quantile, dunnettx_sf, tukey_quantile, tukey_sf


@pytest.mark.parametrize(
    ("statistic", "means", "df"),
    [(3.9, 5, 76.0), (4.0, 3, 8.0), (8.0, 3, 2.0), (4.5, 10, 475.0), (0.5, 4, 12.5), (3.86, 5, np.inf)],
)
def test_the_range_agrees_with_scipy(statistic, means, df):
    assert tukey_sf(statistic, means, df) == pytest.approx(stats.studentized_range.sf(statistic, means, df), rel=1e-9)


def test_the_range_of_two_means_is_a_t_test_in_the_far_tail_too():
    for t in (0.1, 2.0, 6.0, 14.0):
        assert tukey_sf(np.sqrt(2.0) * t, 2, 19.0) == pytest.approx(2.0 * stats.t.sf(t, 19.0), rel=1e-8)


def test_quantiles_invert_the_tail():
    for means, df in [(5, 76.0), (3, 4.0), (10, 1.0), (4, np.inf)]:
        assert tukey_sf(tukey_quantile(0.05, means, df), means, df) == pytest.approx(0.05, rel=1e-9)
    assert dunnettx_sf(dunnettx_quantile(0.05, 4, 76.0), 4, 76.0) == pytest.approx(0.05, rel=1e-9)


def test_one_contrast_needs_no_adjustment():
    assert dunnettx_sf(2.3, 1, 11.0) == pytest.approx(2.0 * stats.t.sf(2.3, 11.0), rel=1e-9)
