"""Batch normalisation: what happens in training, and the implementations, which differ at inference alone.

While training, all of them normalise with the batch's own mean and biased variance (Ioffe and Szegedy 2015,
Algorithm 1), so from one seed they train the very same weights. For inference each keeps moving statistics of its own.
"""

import tensorflow as tf

from study.trainers.mnist.implementations import EPSILON, IMPLEMENTATIONS
from study.trainers.mnist.layers import add_bias


def normalise_batch(
    x: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise `x + bias` with its own statistics over all axes but the last.

    Args:
        x: a convolution's output, shape (batch, height, width, channels).
        bias, gamma, beta: the convolution's bias, the scale and the shift, shape (channels,).

    Returns:
        The normalised values, the mean, and the biased variance, shape (channels,).
    """
    y, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
        x=add_bias(x, tf.cast(bias, x.dtype)),
        scale=gamma,
        offset=beta,
        mean=[],
        variance=[],
        epsilon=EPSILON,
        is_training=True,
    )
    n = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
    return y, mean, unbiased * ((n - 1.0) / n)


def fold(
    kernel: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Kernel and bias of the convolution that equals this one followed by normalisation with given statistics.

    gamma (w * x + b - mean) / sqrt(variance + epsilon) + beta is again a convolution of x plus a constant, so inference
    costs no more than without batch normalisation.
    """
    scale = gamma * tf.math.rsqrt(variance + EPSILON)
    return kernel * scale, (bias - mean) * scale + beta


class MovingStatisticsBank:
    """The moving statistics of several implementations side by side, for all layers of one network.

    One row an implementation, so one operation updates all of them, and each row has the bits that it would have alone.
    """

    def __init__(self, names: tuple[str, ...], channels: list[int]) -> None:
        self.names = names
        rules = [IMPLEMENTATIONS[name] for name in names]
        start = [(rule.initial_mean, rule.initial_variance) for rule in rules]
        self._start = tf.constant(start, shape=(len(rules), 2, 1))
        self._rate = tf.constant([1.0 - rule.decay for rule in rules], shape=(len(rules), 1, 1))
        # By layer, shape (implementations, 2, channels): means and variances.
        self.layers = [tf.Variable(tf.zeros((len(rules), 2, width)), trainable=False) for width in channels]

    def reset(self) -> None:
        """Go back to the values before the first step."""
        for layer in self.layers:
            layer.assign(tf.broadcast_to(self._start, layer.shape))

    def update(self, moments: list[tuple[tf.Tensor, tf.Tensor]]) -> None:
        """Take in the batch's (mean, variance) of every layer."""
        for layer, batch in zip(self.layers, moments, strict=True):
            layer.assign_sub((layer - tf.stack(batch)) * self._rate)

    def statistics(self, name: str) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """(mean, variance) of every layer as the implementation `name` has them now."""
        row = self.names.index(name)
        return [(layer[row, 0], layer[row, 1]) for layer in self.layers]
