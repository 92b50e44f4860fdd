"""The networks. To add one, write a function and register it in `NETWORKS` and in the schema's `network`."""

from collections.abc import Callable

import tensorflow as tf

from study.trainers.mnist.layers import Layers, constant, flatten, normal, truncated_normal

Network = Callable[[Layers, tf.Tensor], tf.Tensor]


def asker(net: Layers, images: tf.Tensor) -> tf.Tensor:
    """The practitioner's variant of the tutorial: two convolutions with BN, a hidden layer of 500 with dropout."""
    x = images
    for filters in (32, 64):
        x = net.conv2d(x, filters, window=(5, 5), stride=2, kernel=truncated_normal(0.02), bias=truncated_normal(0.02))
        x = tf.nn.leaky_relu(x, 0.2)
    x = tf.tanh(net.dense(flatten(x), 500, kernel=normal(0.02)))
    return net.dense(net.dropout(x), 10, kernel=normal(0.02))


def tutorial(net: Layers, images: tf.Tensor) -> tf.Tensor:
    """The original tutorial, 06_modern_convnet.py: three convolutions with BN, one linear layer, no dropout."""
    x = images
    for filters in (32, 64, 64):
        x = net.conv2d(x, filters, window=(5, 5), stride=2, kernel=truncated_normal(0.02), bias=truncated_normal(0.02))
        x = tf.nn.leaky_relu(x, 0.2)
    return net.dense(flatten(x), 10, kernel=normal(0.02))


def deep_mnist(net: Layers, images: tf.Tensor) -> tf.Tensor:
    """TensorFlow's "Deep MNIST for Experts", with BN before the ReLU of each convolution."""
    x = images
    for filters in (32, 64):
        x = net.conv2d(x, filters, window=(5, 5), stride=1, kernel=truncated_normal(0.1), bias=constant(0.1))
        x = tf.nn.max_pool2d(tf.nn.relu(x), 2, 2, "SAME")
    x = tf.nn.relu(net.dense(flatten(x), 1024, kernel=truncated_normal(0.1), bias=constant(0.1)))
    return net.dense(net.dropout(x), 10, kernel=truncated_normal(0.1), bias=constant(0.1))


def conv1d(net: Layers, images: tf.Tensor) -> tf.Tensor:
    """The practitioner's own first network: an image read as a sequence of 28 rows, three convolutions along it."""
    # Of height 1, with a channel for each of its columns: the two-dimensional kernels are the fast ones.
    x = tf.expand_dims(tf.squeeze(images, axis=3), axis=1)
    for filters in (32, 64, 64):
        x = net.conv2d(x, filters, window=(1, 5), stride=1, kernel=truncated_normal(0.02), bias=truncated_normal(0.02))
        x = tf.nn.leaky_relu(x, 0.2)
    x = tf.tanh(net.dense(flatten(x), 500, kernel=normal(0.02)))
    return net.dense(net.dropout(x), 10, kernel=normal(0.02))


NETWORKS: dict[str, Network] = {network.__name__: network for network in (asker, tutorial, deep_mnist, conv1d)}
