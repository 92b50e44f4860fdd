"""The networks. To add one, write a function and register it in `NETWORKS` and in the schema's `network`."""

from collections.abc import Callable

import tensorflow as tf

from study.training.layers import Layers, flatten, normal, truncated_normal

Network = Callable[[Layers, tf.Tensor], tf.Tensor]


def asker(net: Layers, images: tf.Tensor) -> tf.Tensor:
    """The practitioner's variant of the tutorial: two convolutions with BN, a hidden layer of 500 with dropout."""
    x = images
    for filters in (32, 64):
        x = net.conv2d(x, filters, width=5, stride=2, kernel=truncated_normal(0.02), bias=truncated_normal(0.02))
        x = tf.nn.leaky_relu(x, 0.2)
    x = tf.tanh(net.dense(flatten(x), 500, kernel=normal(0.02)))
    return net.dense(net.dropout(x), 10, kernel=normal(0.02))


NETWORKS: dict[str, Network] = {"asker": asker}
