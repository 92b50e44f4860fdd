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


def marginal_means(factors: Sequence[str], shape: Sequence[int], kept: Sequence[str]) -> np.ndarray:
    """Rows that average the cell means over every factor that is not kept, each cell weighted alike.

    Cells are in C order of `shape` (the last factor fastest). Returns (product of kept level counts, cells).
    """
    return _kronecker(
        [np.eye(k) if factor in kept else np.full((1, k), 1.0 / k) for factor, k in zip(factors, shape, strict=True)]
    )


def hypothesis(
    factors: Sequence[str], shape: Sequence[int], term: Sequence[str], kind: str, cell_counts: np.ndarray
) -> np.ndarray:
    """Matrix L of the hypothesis "L m = 0" that tests a term, m being the cell means in C order of `shape`.

    Type III compares unweighted marginal means. Types I and II adjust the term for those before it (I) or for those
    that do not contain it (II), with the cells weighted by their numbers of runs. The rows are those of lmerTest
    (Kuznetsova et al. 2017): differences from the first level, or these made orthogonal one after the other. F does not
    depend on that choice, Satterthwaite's denominator degrees of freedom do.

    Returns (degrees of freedom, cells); raises ValueError for an unknown `kind`.
    """
    if kind not in ("I", "II", "III"):
        raise ValueError(f"unknown type of hypothesis {kind!r}; one of I, II, III")
    contained = len(term) < len(factors)
    if kind == "III" or (kind == "II" and not contained):
        parts = [
            _differences(k) if f in term else np.full((1, k), 1.0 / k) for f, k in zip(factors, shape, strict=True)
        ]
        return _kronecker(parts)
    terms = factorial_terms(factors)
    if kind == "I":
        adjusted_for = terms[: terms.index(tuple(term))]
    else:
        adjusted_for = [other for other in terms if not set(term) <= set(other)]
    columns = [_indicators(factors, shape, other) for other in [(), *adjusted_for, tuple(term)]]
    weights = np.sqrt(np.asarray(cell_counts, dtype=float))[:, None]
    orthonormal, triangle = np.linalg.qr(weights * np.hstack(columns))
    size = columns[-1].shape[1]
    return (weights * orthonormal[:, -size:] / np.diag(triangle)[-size:]).T


def _indicators(factors: Sequence[str], shape: Sequence[int], term: Sequence[str]) -> np.ndarray:
    """The term's columns over the cells in treatment coding, (cells, degrees of freedom)."""
    return _kronecker(
        [np.eye(k)[:, 1:] if factor in term else np.ones((k, 1)) for factor, k in zip(factors, shape, strict=True)]
    )


def _differences(k: int) -> np.ndarray:
    """Differences of the later levels from the first, (k - 1, k)."""
    return np.hstack([-np.ones((k - 1, 1)), np.eye(k - 1)])


def _kronecker(parts: Sequence[np.ndarray]) -> np.ndarray:
    return reduce(np.kron, parts)
