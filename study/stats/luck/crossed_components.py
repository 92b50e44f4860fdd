"""Variances of blocks, images and their interplay with the arms, from the mean squares of a complete layout."""

import numpy as np
from scipy import optimize

from study.stats.luck.reader_case import MeanSquares

RANDOM = ("block", "image", "arm:block", "arm:image", "block:image", "residual")


def crossed_components(squares: MeanSquares, shape: tuple[int, int, int]) -> np.ndarray:
    """Split the variance of values laid out by arm (fixed), block and image (random), one value a combination.

    Args:
        squares: of the layout.
        shape: (arms, blocks, images).

    Returns:
        Variances of the random terms `RANDOM`, shape (6,), on the scale of the values squared, by restricted maximum
        likelihood: none negative, and those of the expected mean squares where these are all positive. In a complete
        layout the restricted likelihood depends on the mean squares alone, each a scaled chi-square about its
        expectation, so its maximum is found by iterated non-negative least squares.
    """
    t, r, c = shape
    strata = ("block", "image", "arm:block", "arm:image", "block:image", "arm:block:image")
    observed = np.array([squares.mean_square[term] for term in strata])
    df = np.array([squares.df[term] for term in strata], dtype=float)
    expectation = np.array(
        [
            [t * c, 0, c, 0, t, 1],
            [0, t * r, 0, r, t, 1],
            [0, 0, c, 0, 0, 1],
            [0, 0, 0, r, 0, 1],
            [0, 0, 0, 0, t, 1],
            [0, 0, 0, 0, 0, 1],
        ],
        dtype=float,
    )
    if observed.max() == 0.0:
        return np.zeros(len(RANDOM))
    # A stratum that does not vary at all would have no weight; a hair of the total keeps it defined.
    floor = 1e-12 * float(observed.max())
    level = np.maximum(observed, floor)
    variances = np.zeros(len(RANDOM))
    for _ in range(500):
        weight = np.sqrt(df) / level
        variances, _ = optimize.nnls(expectation * weight[:, None], observed * weight)
        moved = np.maximum(expectation @ variances, floor)
        settled = np.abs(moved / level - 1.0).max() < 1e-13
        level = moved
        if settled:
            break
    return variances
