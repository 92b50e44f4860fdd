"""The implementations of batch normalisation: how each keeps the statistics that it uses at inference."""

from dataclasses import dataclass

EPSILON = 1e-3
"""Added to every variance, in training and at inference."""


@dataclass(frozen=True)
class MovingStatistics:
    """How an implementation follows the batch statistics s: after every step, m <- m - (1 - decay) (m - s)."""

    decay: float
    initial_mean: float
    initial_variance: float


IMPLEMENTATIONS = {
    # The tutorial's `libs.batch_norm`: tf.train.ExponentialMovingAverage on tensors, whose shadow values start at 0.
    "libs": MovingStatistics(decay=0.9, initial_mean=0.0, initial_variance=0.0),
    # tf.contrib.layers.batch_norm with its update operations run at every step, as its documentation asks for.
    "contrib": MovingStatistics(decay=0.999, initial_mean=0.0, initial_variance=1.0),
    # The same with the update operations forgotten: mean 0 and variance 1 for ever.
    "contrib_stale": MovingStatistics(decay=1.0, initial_mean=0.0, initial_variance=1.0),
    # keras.layers.BatchNormalization as it comes.
    "keras": MovingStatistics(decay=0.99, initial_mean=0.0, initial_variance=1.0),
}
