"""The terms of a full factorial and the hypothesis each one states about the cell means."""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations

import numpy as np


def factorial_terms(factors: Sequence[str]) -> list[tuple[str, ...]]:
    """Main effects first, then interactions of rising order, as R expands `a*b*c`."""
    return [term for order in range(1, len(factors) + 1) for term in combinations(factors, order)]


def term_name(term: Sequence[str]) -> str:
    return ":".join(term)


def hypothesis(factors: Sequence[str], shape: Sequence[int], term: Sequence[str]) -> np.ndarray:
    """Matrix L of the hypothesis "L m = 0" that tests a term, m being the cell means in C order of `shape`.

    It compares unweighted marginal means (type III). The rows are differences from the first level.

    Returns (degrees of freedom, cells).
    """
    parts = [_differences(k) if f in term else np.full((1, k), 1.0 / k) for f, k in zip(factors, shape, strict=True)]
    return reduce(np.kron, parts)


def _differences(k: int) -> np.ndarray:
    """Differences of the later levels from the first, (k - 1, k)."""
    return np.hstack([-np.ones((k - 1, 1)), np.eye(k - 1)])
