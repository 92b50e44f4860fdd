"""One run: replace `train` with your training. Only what `main` reads and writes matters."""

import argparse
import json
import random
from pathlib import Path

STEPS = 50


def train(momentum: float, rate: float, seed: int) -> list[float]:
    """Noisy gradient descent in a narrow valley, from a random start; the loss after each step."""
    # All randomness comes from the seed: the same seed gives the same start and the same noise, whatever the levels.
    draw = random.Random(seed)
    curvature = (1.0, 30.0)
    place = [draw.gauss(0, 1) for _ in curvature]
    velocity = [0.0, 0.0]
    losses = []
    for _ in range(STEPS):
        for i, c in enumerate(curvature):
            gradient = c * place[i] + draw.gauss(0, 0.3)
            velocity[i] = momentum * velocity[i] - rate * gradient
            place[i] += velocity[i]
        losses.append(sum(c * x * x / 2 for c, x in zip(curvature, place, strict=True)))
    return losses


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--momentum", type=float, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    losses = train(options.momentum, options.rate, options.seed)
    # The record: `value` for a number (NaN means that the run diverged), or `successes` and `trials` for a proportion.
    # `curve`, the value after each epoch, is optional.
    options.out.write_text(json.dumps({"value": losses[-1], "curve": losses[9::10]}))


if __name__ == "__main__":
    main()
