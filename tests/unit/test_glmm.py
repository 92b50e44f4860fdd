"""The binomial mixed model against R's glmmTMB and against the integral that it approximates."""

import itertools

import numpy as np
import pytest
from scipy import integrate, special, stats

from study.stats.robustness.glmm import fit_binomial
from study.stats.table import RunTable, build_table
from tests.oracle import TABLES, load


def binomial_coefficients(k: np.ndarray, n: np.ndarray) -> float:
    """The part of the log likelihood that no parameter moves."""
    return float((stats.binom.logpmf(k, n, 0.5) + n * np.log(2.0)).sum())


def treatment_contrasts(table: RunTable) -> dict[str, np.ndarray]:
    """R's coefficients of bn * dropout * lr as weights of the cell means."""
    levels = [table.levels(factor) for factor in table.factors]
    place = {tuple(cell.values()): i for i, cell in enumerate(table.cells())}
    rows = {}
    for chosen in itertools.product(*(range(len(names)) for names in levels)):
        moved = [axis for axis, level in enumerate(chosen) if level]
        weights = np.zeros(len(place))
        for subset in itertools.product((False, True), repeat=len(moved)):
            at = [names[0] for names in levels]
            for inside, axis in zip(subset, moved, strict=True):
                at[axis] = levels[axis][chosen[axis]] if inside else levels[axis][0]
            weights[place[tuple(at)]] += (-1) ** (len(moved) - sum(subset))
        name = ":".join(table.factors[axis] + levels[axis][chosen[axis]] for axis in moved)
        rows[name or "(Intercept)"] = weights
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_it_is_glmmtmbs_model_with_a_term_of_each_run(name: str) -> None:
    frame, results = load(name)
    table = build_table(frame, ["bn", "dropout", "lr"], "none", "seed", "test_correct", "test_n")
    expected = results["glmmTMB_olre"]
    k, n = (frame[column].to_numpy(dtype=float) for column in ("test_correct", "test_n"))
    found = fit_binomial(k, n, table.cell_index(), table.block_index())
    assert found.converged
    loglik = found.loglik + binomial_coefficients(k, n)
    assert loglik == pytest.approx(expected["loglik"], rel=1e-9)
    # R's own search stops about here; its likelihood is a little below ours.
    assert loglik >= expected["loglik"] - 1e-6
    rows = treatment_contrasts(table)
    for row in expected["coef"]:
        weights = rows[row["term"]]
        assert weights @ found.cell_means == pytest.approx(row["Estimate"], abs=2e-5)
        assert np.sqrt(weights @ found.covariance @ weights) == pytest.approx(row["Std. Error"], rel=1e-4)
    variances = [expected["varcomp"]["run"], expected["varcomp"]["seed"]]
    assert found.variances == pytest.approx(variances, rel=1e-4, abs=1e-9)


def test_without_blocks_its_likelihood_is_near_the_integral() -> None:
    rng = np.random.default_rng(0)
    k = rng.binomial(300, special.expit(1.0 + 0.4 * rng.normal(size=24))).astype(float)
    n, cell = np.full(24, 300.0), np.repeat([0, 1], 12)
    found = fit_binomial(k, n, cell, None)

    def height(u: float, successes: float, mean: float) -> float:
        p = special.expit(mean + np.sqrt(found.variances[0]) * u)
        return float(stats.binom.pmf(successes, 300, p) * stats.norm.pdf(u))

    each = [integrate.quad(height, -8, 8, args=(s, found.cell_means[c]))[0] for s, c in zip(k, cell, strict=True)]
    assert found.loglik + binomial_coefficients(k, n) == pytest.approx(np.log(each).sum(), abs=0.05)
    assert len(found.variances) == 1
