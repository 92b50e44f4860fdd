"""Keys of the random draws: every draw is a pure function of (seed, purpose, position).

No generator has a state, so no draw depends on what was drawn before it, on the job it runs in, or on the number of
threads; and cells of one seed share initial weights, order of the data and dropout masks (common random numbers).
"""

import hashlib

import numpy as np


def key(seed: int, purpose: str, position: int | str = 0) -> np.ndarray:
    """The key of a stateless TensorFlow draw, int32, shape (2,).

    Args:
        seed: the run's seed.
        purpose: what is drawn: `weights`, `order` or `dropout`.
        position: where: the layer's name, or the epoch; steps are folded in later, inside the graph.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{position}".encode()).digest()
    return np.frombuffer(digest[:8], dtype="<i4").copy()
