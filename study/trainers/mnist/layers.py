"""The vocabulary that networks are written in.

A network is a function of `Layers` and a batch of images. The same function creates the parameters, trains, and infers:
what differs is what `Layers` does at batch normalisation and dropout. It computes in the precision of the images; the
parameters are kept in float32.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from study.trainers.mnist.keys import key

Initialiser = Callable[[tuple[int, ...], np.ndarray], tf.Tensor]


def truncated_normal(stddev: float) -> Initialiser:
    """Normal, redrawn beyond two standard deviations; `stddev` is the one before truncation, as in TensorFlow."""
    return lambda shape, seed: tf.random.stateless_truncated_normal(shape, seed, stddev=stddev)


def normal(stddev: float) -> Initialiser:
    return lambda shape, seed: tf.random.stateless_normal(shape, seed, stddev=stddev)


def constant(value: float) -> Initialiser:
    return lambda shape, seed: tf.fill(shape, value)


class Parameters:
    """The trainable variables of a network by name, each with its initialiser."""

    def __init__(self) -> None:
        self.variables: dict[str, tf.Variable] = {}
        self._initialisers: dict[str, Initialiser] = {}

    def get(self, name: str, shape: tuple[int, ...], initialiser: Initialiser) -> tf.Variable:
        if name not in self.variables:
            self.variables[name] = tf.Variable(tf.zeros(shape), name=name)
            self._initialisers[name] = initialiser
        return self.variables[name]

    def initialise(self, seed: int) -> None:
        """Draw initial values; each depends on the seed and the parameter's name alone."""
        for name, variable in self.variables.items():
            variable.assign(self._initialisers[name](tuple(variable.shape), key(seed, "weights", name)))


# What batch normalisation does to a convolution. Called with the number of the layer (from 0), the convolution as a
# function of its kernel, the kernel, the bias, and the normalisation's scale and shift; returns the normalised
# convolution, bias included.
Convolve = Callable[[tf.Tensor], tf.Tensor]
Normalisation = Callable[[int, Convolve, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass
class Layers:
    """One pass through a network.

    Attributes:
        parameters: the network's variables, created on the first pass.
        normalisation: what batch normalisation does; None if the network has none.
        drop: what dropout does with (layer, x); the identity at inference.
    """

    parameters: Parameters
    normalisation: Normalisation | None = None
    drop: Callable[[int, tf.Tensor], tf.Tensor] = lambda layer, x: x
    _counts: Counter[str] = field(default_factory=Counter)

    def conv2d(
        self, x: tf.Tensor, filters: int, window: tuple[int, int], stride: int, kernel: Initialiser, bias: Initialiser
    ) -> tf.Tensor:
        """Convolution with SAME padding and a bias; then batch normalisation, if the network has it.

        Args:
            x: shape (batch, height, width, channels).
            window: the kernel's height and width.
        """
        layer, name = self._next("conv")
        weights = self.parameters.get(f"{name}/kernel", (*window, x.shape[-1], filters), kernel)
        offset = self.parameters.get(f"{name}/bias", (filters,), bias)

        def convolve(weights: tf.Tensor) -> tf.Tensor:
            return tf.nn.conv2d(x, tf.cast(weights, x.dtype), stride, "SAME")

        if self.normalisation is None:
            return add_bias(convolve(weights), tf.cast(offset, x.dtype))
        gamma = self.parameters.get(f"{name}/gamma", (filters,), constant(1.0))
        beta = self.parameters.get(f"{name}/beta", (filters,), constant(0.0))
        return self.normalisation(layer, convolve, weights, offset, gamma, beta)

    def dense(self, x: tf.Tensor, units: int, kernel: Initialiser, bias: Initialiser | None = None) -> tf.Tensor:
        """Linear layer; x has shape (batch, features)."""
        _, name = self._next("dense")
        x = tf.matmul(x, tf.cast(self.parameters.get(f"{name}/kernel", (x.shape[-1], units), kernel), x.dtype))
        if bias is None:
            return x
        return add_bias(x, tf.cast(self.parameters.get(f"{name}/bias", (units,), bias), x.dtype))

    def dropout(self, x: tf.Tensor) -> tf.Tensor:
        layer, _ = self._next("dropout")
        return self.drop(layer, x)

    def _next(self, kind: str) -> tuple[int, str]:
        """The number of the next layer of this kind, from 0, and its name."""
        self._counts[kind] += 1
        return self._counts[kind] - 1, f"{kind}{self._counts[kind]}"


@tf.custom_gradient
def add_bias(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """x + bias along the last axis.

    The bias's gradient is a sum over all other axes; as a matrix product it takes half the time of a reduction, and
    `tf.nn.bias_add` would draw it into the convolution's weight gradient, which then takes half as long again.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.reshape(upstream, (-1, upstream.shape[-1]))
        return upstream, tf.matmul(tf.ones((1, tf.shape(rows)[0]), rows.dtype), rows)[0]

    return x + bias, gradient


def flatten(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))
