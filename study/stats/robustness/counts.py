"""Models of the counts themselves, as a second view of the contrasts: how much more the runs differ than coins do."""

from typing import Any

import numpy as np
from scipy import special, stats

from study.stats.robustness.count_families import BetaBinomial, Binomial
from study.stats.robustness.glmm import fit_counts
from study.stats.table import RunTable

# Beyond this many runs the models with a term of each run take longer than they are worth.
MOST_RUNS = 3000


def counts(table: RunTable) -> dict[str, Any] | None:
    """Contrasts on log odds of error from models of the counts, averaged over the cells of the other factors.

    Args:
        table: the runs; all of them count.

    Returns:
        None without counts, or if a cell has no error or no success at all (its log odds are infinite then). Otherwise
        dispersion (Pearson's statistic / its df: 1 if runs differ as coins do), df, and models, each:
          model: "binomial" (its standard errors are too small by sqrt(dispersion): for comparison only),
            "quasi-binomial" (the same with that factor, t with df), and by the Laplace approximation "binomial, block"
            (a random intercept a block), "binomial, block and run" (one a run too), "beta-binomial, block"; the last
            three only if there is a block, the last two up to 3,000 runs;
          loglik (None for quasi-binomial), variances (name -> variance on log odds), phi (of the beta-binomial),
          converged (if not, no numbers are given), contrasts: rows of level, control, estimate (difference of log odds
            of error; negative is better), se, statistic, df (None: normal), p. They are unadjusted and secondary: the
            headline's error is not theirs.
    """
    if not table.counts:
        return None
    k, n = (table.frame[name].to_numpy(dtype=float) for name in (table.successes, table.trials))
    cell = table.cell_index()
    right, total = (np.bincount(cell, weights=x) for x in (k, n))
    if (right == 0).any() or (right == total).any():
        return None
    rate = right / total
    information = total * rate * (1 - rate)
    df = len(k) - len(rate)
    expected = n * rate[cell]
    pearson = float(((k - expected) ** 2 / (expected * (1 - rate[cell]))).sum())
    dispersion = pearson / df if df > 0 else None
    covariance = np.diag(1 / information)
    plain = Binomial(k, n)
    loglik = float(plain.derivatives(special.logit(rate)[cell]).loglik.sum())
    models = [_model(table, "binomial", special.logit(rate), covariance, loglik)]
    if dispersion is not None:
        models.append(_model(table, "quasi-binomial", special.logit(rate), dispersion * covariance, None, df=df))
    if table.block is not None:
        block, run = table.block_index(), np.arange(len(k))
        for name, family, groups, names in (
            ("binomial, block", plain, (block,), (table.block,)),
            ("binomial, block and run", plain, (run, block), ("run", table.block)),
            ("beta-binomial, block", BetaBinomial(k, n), (block,), (table.block,)),
        ):
            if name != "binomial, block" and (df <= 0 or len(k) > MOST_RUNS):
                continue
            fit = fit_counts(family, cell, groups)
            if not fit.converged:
                models.append({"model": name, **dict.fromkeys(("loglik", "phi")), "variances": {}, "contrasts": []})
                models[-1]["converged"] = False
                continue
            row = _model(table, name, fit.cell_means, fit.covariance, fit.loglik)
            row["variances"] = dict(zip(names, fit.variances, strict=True))
            models.append({**row, "phi": fit.phi, "converged": fit.converged})
    return {"dispersion": dispersion, "df": df, "models": models}


def _model(
    table: RunTable, name: str, means: np.ndarray, covariance: np.ndarray, loglik: float | None, df: int | None = None
) -> dict[str, Any]:
    contrasts = []
    arms, others = table.shape[0], len(means) // table.shape[0]
    for position, level in enumerate(table.arms, start=1):
        weights = np.repeat(np.eye(arms)[position] - np.eye(arms)[0], others) / others
        estimate, se = -float(weights @ means), float(np.sqrt(max(weights @ covariance @ weights, 0.0)))
        statistic = estimate / se if se > 0 else None
        p = None
        if statistic is not None:
            p = 2 * float(special.ndtr(-abs(statistic)) if df is None else stats.t.sf(abs(statistic), df))
        contrasts.append(
            {
                "level": level,
                "control": table.control,
                "estimate": estimate,
                "se": se,
                "statistic": statistic,
                "df": df,
                "p": p,
            }
        )
    return {
        "model": name,
        "loglik": loglik,
        "variances": {},
        "phi": None,
        "converged": True,
        "contrasts": contrasts,
    }
