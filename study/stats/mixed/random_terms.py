"""Random intercepts written as a sum of terms, such as "seed + seed:treatment"."""

import numpy as np
import pandas as pd

from study.errors import StudyError
from study.stats.table import RunTable


def parse_random(random: str, table: RunTable) -> tuple[tuple[str, ...], ...]:
    """The terms of `random`, each as the names of its columns in the order written.

    A term is a column or several joined by ":"; terms are joined by "+". Every term must contain the table's block, so
    that blocks are independent. Raises StudyError for an empty, unknown, repeated or block-free term.
    """
    terms: list[tuple[str, ...]] = []
    for written in random.split("+"):
        term = tuple(name.strip() for name in written.split(":"))
        unknown = [name for name in term if name not in table.frame.columns]
        if unknown:
            allowed = ", ".join([str(table.block), *table.factors])
            raise StudyError(
                f'random terms "{random}": {unknown[0]!r} is not a column of the table; '
                f'columns such as {allowed} joined by ":" and "+" are allowed, e.g. --random "{default_random(table)}"'
            )
        if table.block not in term:
            raise StudyError(
                f'random terms "{random}": {":".join(term)!r} does not contain the block {table.block!r}; '
                f"write {table.block}:{':'.join(term)}"
            )
        if any(set(term) == set(other) for other in terms) or len(set(term)) < len(term):
            raise StudyError(
                f'random terms "{random}": {":".join(term)!r} is repeated; name every term and column once'
            )
        terms.append(term)
    return tuple(terms)


def default_random(table: RunTable) -> str:
    """The block and its interaction with the focus factor, where runs are left to tell that from single runs."""
    focus_runs = table.frame.groupby([table.block, table.focus], observed=True).size()
    return f"{table.block} + {table.block}:{table.focus}" if (focus_runs > 1).any() else str(table.block)


def term_levels(frame: pd.DataFrame, term: tuple[str, ...], block: str) -> np.ndarray:
    """Each run's level of a term within its block, numbered from 0, (runs,)."""
    others = [name for name in term if name != block]
    if not others:
        return np.zeros(len(frame), dtype=int)
    codes = [
        pd.factorize(frame[name], sort=not isinstance(frame[name].dtype, pd.CategoricalDtype))[0] for name in others
    ]
    return np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].ravel()
