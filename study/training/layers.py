"""The vocabulary that networks are written in.

A network is a function of `Layers` and a batch of images. The same function creates the parameters, trains, and infers:
what differs is what `Layers` does at `normalise` and `dropout`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import tensorflow as tf

from study.training.keys import key

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


class Normalisation(Protocol):
    """What a layer of batch normalisation does with its input, scale and shift; `layer` counts from 0."""

    def __call__(self, layer: int, x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tf.Tensor: ...


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
    _counts: dict[str, int] = field(default_factory=dict)

    def conv2d(
        self, x: tf.Tensor, filters: int, width: int, stride: int, kernel: Initialiser, bias: Initialiser
    ) -> tf.Tensor:
        """Convolution with a square kernel, SAME padding, and a bias; x has shape (batch, height, width, channels)."""
        name = self._name("conv")
        shape = (width, width, x.shape[-1], filters)
        x = tf.nn.conv2d(x, self.parameters.get(f"{name}/kernel", shape, kernel), stride, "SAME")
        return tf.nn.bias_add(x, self.parameters.get(f"{name}/bias", (filters,), bias))

    def dense(self, x: tf.Tensor, units: int, kernel: Initialiser, bias: Initialiser | None = None) -> tf.Tensor:
        """Linear layer; x has shape (batch, features)."""
        name = self._name("dense")
        x = tf.matmul(x, self.parameters.get(f"{name}/kernel", (x.shape[-1], units), kernel))
        if bias is None:
            return x
        return tf.nn.bias_add(x, self.parameters.get(f"{name}/bias", (units,), bias))

    def normalise(self, x: tf.Tensor) -> tf.Tensor:
        """Batch normalisation over all axes but the last, if this network has it."""
        if self.normalisation is None:
            return x
        name = self._name("norm")
        gamma = self.parameters.get(f"{name}/gamma", (x.shape[-1],), constant(1.0))
        beta = self.parameters.get(f"{name}/beta", (x.shape[-1],), constant(0.0))
        return self.normalisation(self._counts["norm"] - 1, x, gamma, beta)

    def dropout(self, x: tf.Tensor) -> tf.Tensor:
        self._name("dropout")
        return self.drop(self._counts["dropout"] - 1, x)

    def _name(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}{self._counts[kind]}"


def flatten(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))
