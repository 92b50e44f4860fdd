"""Linear mixed models for a factorial study: all interactions of the factors fixed, random intercepts by block."""

from dataclasses import dataclass

import numpy as np

from study.errors import StudyError, TooAlikeError
from study.stats.effects.factorial_terms import term_name
from study.stats.mixed.bounded_newton import Minimum, minimise
from study.stats.mixed.likelihood import Likelihood, likelihood
from study.stats.mixed.random_terms import default_random, parse_random
from study.stats.mixed.sufficient_statistics import BlockPatterns, reduce_to_patterns
from study.stats.table import RunTable

SINGULAR_BELOW = 1e-4  # of sd ratio, lme4's threshold for a variance that counts as zero
LARGEST_RATIO = 1e6  # of a random variance to the residual's; beyond it rounding decides the residual's


@dataclass(frozen=True)
class MixedModel:
    """A fitted model y = cell mean + sum of random intercepts + residual.

    Attributes:
        factors: the fixed factors; cells are the combinations of their levels, the last factor fastest.
        random: the random terms as written.
        variances: variance of each random term, (r,), an exact 0 on the boundary.
        residual_variance: variance of a run about its prediction.
        cell_means: estimated mean of each cell, (cells,).
        loglik: the maximised restricted log likelihood, as lme4 defines it.
        converged: whether the search met its criterion.
        patterns, at_optimum: the reduced table, and the likelihood's pieces at the estimate.
    """

    factors: tuple[str, ...]
    random: tuple[str, ...]
    variances: np.ndarray
    residual_variance: float
    cell_means: np.ndarray
    loglik: float
    converged: bool
    patterns: BlockPatterns
    at_optimum: Likelihood

    @property
    def shape(self) -> tuple[int, ...]:
        return self.patterns.shape

    @property
    def singular(self) -> bool:
        """Whether a random term's standard deviation is zero, by lme4's rule (below 1e-4 of the residual's)."""
        return bool((np.sqrt(self.at_optimum.ratios) < SINGULAR_BELOW).any())

    @property
    def message(self) -> str:
        """What the variances say, in a sentence for a reader."""
        zero = [
            name
            for name, ratio in zip(self.random, self.at_optimum.ratios, strict=True)
            if np.sqrt(ratio) < SINGULAR_BELOW
        ]
        if not zero:
            return f"Every random term ({', '.join(self.random)}) has an estimated variance above 0."
        plural = len(zero) > 1
        return (
            f"Singular fit: {', '.join(zero)} explain{'' if plural else 's'} no more than chance, so "
            f"{'their variances are' if plural else 'its variance is'} estimated at 0. The term"
            f"{'s stay' if plural else ' stays'} in the model, and the tests keep the design's degrees of freedom."
        )


def fit_mixed(table: RunTable, scale: str, random: str | None = None) -> MixedModel:
    """Fit the mixed model of a table's outcome on one of its scales.

    The fixed part is the full factorial of `table.factors`. `random` is a sum of terms that contain the block, such as
    "seed + seed:treatment"; None takes the block and its interaction with the focus factor. Variances may be 0 exactly.
    The restricted likelihood is that of Bates et al. (2015), maximised by Newton's method with exact derivatives; the
    cost grows with the number of runs, not with its square.

    Raises StudyError if the table has no block, a cell is empty, a term is malformed or cannot be told from the others,
    or nothing random is left in the response; ValueError for an unknown scale.
    """
    if table.block is None:
        raise StudyError("a mixed model needs a block; name the column of the seed, e.g. --block seed")
    terms = parse_random(default_random(table) if random is None else random, table)
    patterns = reduce_to_patterns(table, table.values(scale), terms)
    names = tuple(term_name(term) for term in terms)
    null = likelihood(patterns, np.zeros(patterns.terms))
    _check_identifiable(null, names)
    best = _search(patterns, null)
    if best.x.max() > LARGEST_RATIO:
        raise TooAlikeError(
            f"the random terms {' + '.join(names)} and the cells leave no variation between runs to judge by; "
            "use fewer random terms"
        )
    return model_at(table, patterns, names, best.x, converged=best.converged)


def model_at(
    table: RunTable, patterns: BlockPatterns, names: tuple[str, ...], ratios: np.ndarray, *, converged: bool = True
) -> MixedModel:
    """The model at given ratios of the random terms' variances to the residual variance, (r,), not searched for."""
    fit = likelihood(patterns, ratios)
    return MixedModel(
        factors=table.factors,
        random=names,
        variances=fit.ratios * fit.residual_variance,
        residual_variance=fit.residual_variance,
        cell_means=patterns.cell_means + fit.cell_means,
        loglik=-fit.deviance / 2.0,
        converged=converged,
        patterns=patterns,
        at_optimum=fit,
    )


def _search(patterns: BlockPatterns, null: Likelihood) -> Minimum:
    """The lowest deviance from several starts, since the likelihood may have more than one maximum.

    They are the method of moments, every random variance as large as the residual's, and each one alone with the sum.
    """

    def deviance(ratios: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        if ratios.max() > 10.0 * LARGEST_RATIO:
            return np.inf, np.zeros(patterns.terms), np.eye(patterns.terms)
        fit = likelihood(patterns, ratios)
        return fit.deviance, *fit.deviance_derivatives()

    moments = _moment_ratios(null)
    alone = max(moments.sum(), 1.0) * np.eye(patterns.terms)
    starts = [moments, np.ones(patterns.terms), *(alone if patterns.terms > 1 else [])]
    ends = [minimise(deviance, start, np.zeros(patterns.terms)) for start in starts]
    return min(ends, key=lambda end: end.value)


def _moment_ratios(null: Likelihood) -> np.ndarray:
    """Variance ratios that equate the quadratic forms y'P G_i P y at ratios 0 with their expectations (MIVQUE0)."""
    observed = np.append(-null.quadratic_gradient, null.quadratic)
    *variances, residual = np.linalg.solve(null.expected_information, observed)
    floor = 1e-3 * null.residual_variance
    return np.maximum(variances, 0.0) / max(residual, floor)


def _check_identifiable(null: Likelihood, names: tuple[str, ...]) -> None:
    """Refuse random terms whose variances the design cannot tell from each other or from the residual."""
    # At ratios 0 the expected information is the Gram matrix of the terms' covariance patterns.
    information = null.expected_information
    size = np.sqrt(np.maximum(np.diag(information), 1e-300))
    eigenvalues, vectors = np.linalg.eigh(information / np.outer(size, size))
    if eigenvalues[0] < 1e-9:
        involved = np.flatnonzero(np.abs(vectors[:, 0]) > 1e-3)
        confused = " and ".join([*names, "the residual"][i] for i in involved)
        raise StudyError(
            f'random terms "{" + ".join(names)}": the runs cannot tell {confused} apart; leave out one of these terms'
        )
