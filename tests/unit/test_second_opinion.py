"""The mixed model against statsmodels' MixedLM, on singular tables too."""

import numpy as np
import pytest

from study.stats.mixed.lmm import fit_mixed
from study.stats.table import build_table
from tests.mixed_lm import mixed_lm
from tests.oracle import TABLES, load


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("random", ["seed", "seed + seed:bn"])
def test_likelihood_and_variances_are_those_of_statsmodels(name, random):
    table = build_table(load(name)[0], ["bn", "dropout", "lr"], "none", "seed", response="y")
    model = fit_mixed(table, "response", random)
    loglik, variances = mixed_lm(table, model)
    assert loglik == pytest.approx(model.loglik, abs=1e-4)
    # Where a variance is zero its own search stops early.
    ours = np.append(model.variances, model.residual_variance)
    np.testing.assert_allclose(variances, ours, atol=0.02 * model.residual_variance)
