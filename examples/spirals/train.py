"""Train a small ReLU network on three spirals, with NumPy alone, and write its test loss."""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np

CLASSES, WIDTH, EPOCHS, BATCH, RATE = 3, 32, 16, 20, 0.1


def spirals(points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points on three noisy spirals, shape (points, 2), and which spiral each is on, shape (points,)."""
    label = rng.integers(CLASSES, size=points)
    radius = rng.uniform(0.1, 1.0, size=points)
    angle = 2 * np.pi * label / CLASSES + 4.0 * radius + rng.normal(0.0, 0.2, size=points)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), label


def initial(init: str, layers: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of `layers` hidden layers and the output: sd 0.1, or He's sqrt(2 / inputs)."""
    sizes = [2, *[WIDTH] * layers, CLASSES]
    # The same draws for both, scaled: arms of one seed start from the same directions.
    draws = [rng.normal(size=pair) for pair in pairwise(sizes)]
    return [(w * (np.sqrt(2 / len(w)) if init == "he" else 0.1), np.zeros(w.shape[1])) for w in draws]


def forward(network: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The inputs of every layer, and the log probabilities of the classes."""
    inputs = [x]
    for weights, bias in network[:-1]:
        inputs.append(np.maximum(inputs[-1] @ weights + bias, 0.0))
    logits = inputs[-1] @ network[-1][0] + network[-1][1]
    logits = logits - logits.max(axis=1, keepdims=True)
    return inputs, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def step(network: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray, y: np.ndarray) -> None:
    """One step of gradient descent, in place."""
    inputs, log_p = forward(network, x)
    gradient = (np.exp(log_p) - np.eye(CLASSES)[y]) / len(y)
    for (weights, bias), below in zip(reversed(network), reversed(inputs), strict=True):
        passed = (gradient @ weights.T) * (below > 0)
        weights -= RATE * below.T @ gradient
        bias -= RATE * gradient.sum(axis=0)
        gradient = passed


def loss(network: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray, y: np.ndarray) -> float:
    """Mean cross entropy, nats."""
    return float(-forward(network, x)[1][np.arange(len(y)), y].mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--init", choices=("small", "he"), required=True)
    parser.add_argument("--layers", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    # One stream each, so that the points do not depend on how many weights were drawn.
    data, weights, order = (np.random.default_rng([options.seed, purpose]) for purpose in range(3))
    train, test = spirals(600, data), spirals(2000, data)
    network = initial(options.init, options.layers, weights)
    curve = []
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(train[1]))
        for start in range(0, len(shuffled), BATCH):
            batch = shuffled[start : start + BATCH]
            step(network, train[0][batch], train[1][batch])
        curve.append(loss(network, *test))
    options.out.write_text(json.dumps({"value": curve[-1], "curve": curve}))


if __name__ == "__main__":
    main()
