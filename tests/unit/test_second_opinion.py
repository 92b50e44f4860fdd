"""statsmodels' MixedLM beside our fit: it agrees where it can, and its state is told where it cannot."""

import warnings

import numpy as np
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from study.stats.mixed import second_opinion as module
from study.stats.mixed.lmm import fit_mixed, model_at
from study.stats.mixed.second_opinion import second_opinion
from study.stats.table import build_table
from tests.oracle import TABLES, load


def oracle_table(name):
    return build_table(load(name)[0], ["bn", "dropout", "lr"], "none", "seed", response="y")


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("random", ["seed", "seed + seed:bn"])
def test_it_agrees_on_every_table_the_singular_ones_included(name, random):
    table = oracle_table(name)
    model = fit_mixed(table, "response", random)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opinion = second_opinion(table, model)
    assert opinion.state == "agrees"
    assert opinion.loglik == pytest.approx(model.loglik, abs=1e-4)
    assert len(opinion.variances) == len(model.random) + 1


def test_it_agrees_with_maximum_likelihood_too():
    table = oracle_table("missing")
    assert second_opinion(table, fit_mixed(table, "response", "seed", "ML")).state == "agrees"


def test_a_wrong_fit_of_ours_would_be_seen():
    table = oracle_table("missing")
    model = fit_mixed(table, "response", "seed")
    wrong = model_at(table, "response", model.patterns, model.random, 1.5 * model.at_optimum.ratios, "REML")
    opinion = second_opinion(table, wrong)
    assert opinion.state == "differs"
    assert opinion.sentence.startswith("statsmodels MixedLM differs: log likelihood")


def test_a_failure_is_told_and_not_raised(monkeypatch):
    table = oracle_table("missing")
    model = fit_mixed(table, "response", "seed")

    def fail(*_args, **_kwargs):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(MixedLM, "fit", fail)
    assert second_opinion(table, model).sentence == "statsmodels MixedLM failed: Singular matrix."


def test_not_converging_is_told(monkeypatch):
    table = oracle_table("boundary")
    monkeypatch.setattr(module, "OPTIMISERS", ["bfgs"])
    assert second_opinion(table, fit_mixed(table, "response")).state == "did not converge"


def test_large_tables_are_not_attempted(monkeypatch):
    table = oracle_table("missing")
    monkeypatch.setattr(module, "RUNS_AT_MOST", 100)
    opinion = second_opinion(table, fit_mixed(table, "response", "seed"))
    assert (opinion.state, opinion.loglik, opinion.variances) == ("not attempted", None, ())
