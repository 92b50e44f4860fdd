"""The training engine: one network, one trajectory, from initial weights to scores."""

import hashlib
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from study.trainers.mnist.checkpoint import load, save
from study.trainers.mnist.data import CLASSES, Dataset
from study.trainers.mnist.keys import key
from study.trainers.mnist.layers import Convolve, Layers, Parameters
from study.trainers.mnist.networks import NETWORKS
from study.trainers.mnist.normalization import MovingStatisticsBank, fold, normalise_batch

# TF 1's defaults; its epsilon stands outside the bias correction ("epsilon hat" in Kingma and Ba 2015, section 2).
BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
# Batches over which the true variance is estimated at the end of an epoch: 10 x 200 images x 49 positions or more.
GAP_BATCHES = 10

Statistics = list[tuple[tf.Tensor, tf.Tensor]]


@dataclass
class Outcome:
    """What one trajectory gave for one BN implementation.

    Attributes:
        curve: columns `epoch`, `train_loss`, `validation_correct`, `validation_loss`.
        gap: columns `epoch`, `layer`, `log_variance_ratio`, `mean_shift`; empty without batch normalisation.
        predictions: by set (`test`, `validation`) and way of scoring (`moving`, `population`, `batch`), uint8, (n,).
        losses: mean cross entropy per image (nats), likewise.
    """

    curve: dict[str, list[Any]] = field(default_factory=dict)
    gap: dict[str, list[Any]] = field(default_factory=dict)
    predictions: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    losses: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, set_name: str, scoring: str, predictions: tf.Tensor, loss: tf.Tensor) -> None:
        self.predictions[set_name, scoring] = predictions.numpy().astype(np.uint8)
        self.losses[set_name, scoring] = float(loss)


@dataclass
class Result:
    """A trajectory, as far as it is trained: one outcome for every BN implementation that it carries.

    Attributes:
        epoch: how many are finished.
        training_seconds, seconds: what training took, and training and scoring together.
        weights_digest: of the final weights.
    """

    outcomes: dict[str, Outcome]
    epoch: int = 0
    diverged: bool = False
    training_seconds: float = 0.0
    seconds: float = 0.0
    weights_digest: str = ""

    def noted(self) -> dict[str, Any]:
        """What a checkpoint must remember of it besides the variables, as plain values."""
        outcomes = {name: {"curve": outcome.curve, "gap": outcome.gap} for name, outcome in self.outcomes.items()}
        return vars(self) | {"outcomes": outcomes}


class Engine:
    """Trains one trajectory, for one seed after another.

    Args:
        settings: a run's settings, as in `study.design.factorial.Cell`; `bn` is not read.
        implementations: the BN implementations to carry; empty for the network without batch normalisation.
        data: the images.
        checkpoint_every: save the state every so many epochs; 0 is never.
    """

    def __init__(
        self, settings: dict[str, Any], implementations: tuple[str, ...], data: Dataset, checkpoint_every: int = 0
    ) -> None:
        self.settings = settings
        self._saved_epochs = range(checkpoint_every, settings["epochs"], checkpoint_every) if checkpoint_every else ()
        self.data = data
        self.batch = settings["batch_size"]
        self.steps = settings["train_images"] // self.batch
        self.images_per_epoch = self.steps * self.batch
        # All images in one tensor; a set is a range of it, so that one traced function serves every set.
        splits = {"train": data.train, "validation": data.validation, "test": data.test}
        self._images = tf.constant(np.concatenate([split.images for split in splits.values()])[..., None])
        self._labels = tf.constant(np.concatenate([split.labels for split in splits.values()]).astype(np.int32))
        bounds = np.cumsum([0, *map(len, splits.values())])
        self._ranges = {
            name: (tf.constant(first, tf.int32), tf.constant(last, tf.int32))
            for name, first, last in zip(splits, bounds[:-1], bounds[1:], strict=True)
        }
        self._shape = (*data.test.images.shape[1:], 1)
        self._network = NETWORKS[settings["network"]]
        # Training may use half precision; weights, moving statistics and all scoring are float32.
        self._precision = tf.as_dtype(settings["precision"])
        self._normalised = bool(implementations)
        self._parameters = Parameters()
        shapes = self._create_parameters()
        self._values_per_channel = [self.batch * height * width for height, width, _ in shapes]
        self._bank = MovingStatisticsBank(implementations, [channels for _, _, channels in shapes])
        self._implementations = implementations or ("none",)
        variables = list(self._parameters.variables.values())
        self._adam = {
            "first": [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables],
            "second": [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables],
            "power": [tf.Variable(BETA1, trainable=False), tf.Variable(BETA2, trainable=False)],
        }

    def run(self, seed: int, checkpoint: Path | None = None) -> Result:
        """Train from the seed's initial weights for all epochs, or until the loss or a weight is not finite.

        Args:
            checkpoint: the file that keeps the run's state between epochs, every `checkpoint_every` of them; a run that
                finds one goes on from it. The caller deletes it when the result is safe.
        """
        started = time.perf_counter()
        result = self._begin(seed, load(checkpoint) if checkpoint is not None else None)
        started -= result.seconds
        for epoch in range(result.epoch + 1, self.settings["epochs"] + 1):
            before = time.perf_counter()
            loss = float(self._epoch(self._order(seed, epoch), key(seed, "dropout", epoch)))
            result.training_seconds += time.perf_counter() - before
            result.epoch = epoch
            weights = self._parameters.variables.values()
            result.diverged = not all(np.all(np.isfinite(values)) for values in (loss, *weights))
            self._note_epoch(result.outcomes, epoch, loss / self.images_per_epoch)
            if result.diverged:
                break
            if checkpoint is not None and epoch in self._saved_epochs:
                result.seconds = time.perf_counter() - started
                tensors = {name: variable.numpy() for name, variable in self._variables().items()}
                save(checkpoint, tensors, result.noted())
        self._score(result.outcomes)
        result.weights_digest = self._weights_digest()
        result.seconds = time.perf_counter() - started
        return result

    # -- between epochs

    def _begin(self, seed: int, found: tuple[dict[str, np.ndarray], dict[str, Any]] | None) -> Result:
        """From the state that was found, if it carries the same implementations; else from the seed's first weights."""
        if found is not None:
            tensors, noted = found
            variables = self._variables()
            if set(tensors) == set(variables) and set(noted["outcomes"]) == set(self._implementations):
                for name, variable in variables.items():
                    variable.assign(tensors[name])
                outcomes = {name: Outcome(**noted["outcomes"][name]) for name in self._implementations}
                return Result(**noted | {"outcomes": outcomes})
        self._reset(seed)
        result = Result({name: Outcome() for name in self._implementations})
        self._note_gap(result.outcomes, epoch=0)
        return result

    def _variables(self) -> dict[str, tf.Variable]:
        """All that changes from step to step, by name."""
        parts = self._adam | {"statistics": self._bank.layers}
        numbered = {f"{part}{i}": variable for part, group in parts.items() for i, variable in enumerate(group)}
        return self._parameters.variables | numbered

    # -- before the first step

    def _create_parameters(self) -> list[tuple[int, ...]]:
        """Create the variables by one pass over a blank image; returns what shape each normalised layer has for it."""
        shapes = []

        def note_shape(layer: int, convolve: Convolve, kernel: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
            x = convolve(kernel)
            shapes.append(tuple(x.shape[1:]))
            return x

        self._network(Layers(self._parameters, note_shape if self._normalised else None), tf.zeros((1, *self._shape)))
        return shapes

    def _reset(self, seed: int) -> None:
        self._parameters.initialise(seed)
        self._bank.reset()
        for moment in (*self._adam["first"], *self._adam["second"]):
            moment.assign(tf.zeros_like(moment))
        for power, beta in zip(self._adam["power"], (BETA1, BETA2), strict=True):
            power.assign(beta)

    def _order(self, seed: int, epoch: int) -> tf.Tensor:
        """The order of the images in an epoch. A remainder smaller than a batch is left out, other images each time."""
        order = tf.random.experimental.stateless_shuffle(
            tf.range(self.settings["train_images"]), key(seed, "order", epoch)
        )
        return tf.reshape(order[: self.images_per_epoch], (self.steps, self.batch))

    # -- training

    @tf.function
    def _epoch(self, order: tf.Tensor, dropout_key: tf.Tensor) -> tf.Tensor:
        """One pass over the training images; returns the sum of the losses."""
        total = tf.constant(0.0)
        for step in tf.range(self.steps):
            total += self._step(tf.ensure_shape(order[step], (self.batch,)), tf.random.fold_in(dropout_key, step))
        return total

    def _step(self, indices: tf.Tensor, dropout_key: tf.Tensor) -> tf.Tensor:
        moments: Statistics = []
        images = tf.cast(_unit(tf.gather(self._images, indices)), self._precision)
        with tf.GradientTape() as tape:
            logits = self._training_pass(images, moments, dropout_key)
            loss = self._loss(logits, tf.gather(self._labels, indices))
        variables = list(self._parameters.variables.values())
        gradients = tape.gradient(loss, variables)
        powers = self._adam["power"]
        for variable, first, second, gradient in zip(
            variables, self._adam["first"], self._adam["second"], gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=self.settings["lr"],
                beta1=BETA1,
                beta2=BETA2,
                epsilon=ADAM_EPSILON,
                grad=gradient,
            )
        for power, beta in zip(powers, (BETA1, BETA2), strict=True):
            power.assign(power * beta)
        if self._normalised:
            self._bank.update(moments)
        return loss

    def _training_pass(self, images: tf.Tensor, moments: Statistics, dropout_key: tf.Tensor | None) -> tf.Tensor:
        """Logits with the batch's own statistics, which are appended to `moments`; dropout only with a key."""

        def normalise(layer: int, convolve: Convolve, kernel: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
            y, mean, variance = normalise_batch(convolve(kernel), *parameters)
            moments.append((mean, variance))
            return y

        def drop(layer: int, x: tf.Tensor) -> tf.Tensor:
            rate = self.settings["dropout"]
            uniform = tf.random.stateless_uniform(tf.shape(x), tf.random.fold_in(dropout_key, layer))
            return x * tf.cast(uniform >= rate, x.dtype) / (1.0 - rate)

        layers = Layers(self._parameters, normalise if self._normalised else None)
        if dropout_key is not None and self.settings["dropout"] > 0:
            layers.drop = drop
        return tf.cast(self._network(layers, images), tf.float32)

    def _loss(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Cross entropy summed over the batch."""
        if self.settings["loss"] == "naive_log":
            # The practitioner's own: 0 * log 0 is NaN as soon as a probability underflows.
            return -tf.reduce_sum(tf.one_hot(labels, CLASSES) * tf.math.log(tf.nn.softmax(logits)))
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    # -- scoring

    def _note_epoch(self, outcomes: dict[str, Outcome], epoch: int, train_loss: float) -> None:
        labels = self.data.validation.labels
        for name, outcome in outcomes.items():
            outcome.note("validation", "moving", *self._infer("validation", self._moving(name)))
            right = int((outcome.predictions["validation", "moving"] == labels).sum())
            _append(
                outcome.curve,
                epoch=epoch,
                train_loss=train_loss,
                validation_correct=right,
                validation_loss=outcome.losses["validation", "moving"],
            )
        self._note_gap(outcomes, epoch)

    def _score(self, outcomes: dict[str, Outcome]) -> None:
        """Score the final weights in every way; the validation set was scored with the moving statistics already."""
        for name, outcome in outcomes.items():
            outcome.note("test", "moving", *self._infer("test", self._moving(name)))
        if not self._normalised:
            # There are no statistics to choose: all ways are one.
            (outcome,) = outcomes.values()
            for set_name, scoring in itertools.product(("validation", "test"), ("population", "batch")):
                outcome.predictions[set_name, scoring] = outcome.predictions[set_name, "moving"]
                outcome.losses[set_name, scoring] = outcome.losses[set_name, "moving"]
            return
        population = self._population(tf.constant(self.steps))
        for set_name in ("validation", "test"):
            by_population = self._infer(set_name, population)
            by_batch = self._infer(set_name, None)
            for outcome in outcomes.values():
                outcome.note(set_name, "population", *by_population)
                outcome.note(set_name, "batch", *by_batch)

    def _moving(self, name: str) -> Statistics:
        return self._bank.statistics(name) if self._normalised else []

    def _note_gap(self, outcomes: dict[str, Outcome], epoch: int) -> None:
        if not self._normalised:
            return
        truth = self._population(tf.constant(min(GAP_BATCHES, self.steps)))
        for name, outcome in outcomes.items():
            for layer, (moving, true) in enumerate(zip(self._bank.statistics(name), truth, strict=True), start=1):
                (moving_mean, moving_variance), (true_mean, true_variance) = moving, true
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = np.log(moving_variance) - np.log(true_variance)
                    shift = np.abs(moving_mean - true_mean) / np.sqrt(true_variance)
                means = {"log_variance_ratio": _finite_mean(ratio), "mean_shift": _finite_mean(shift)}
                _append(outcome.gap, epoch=epoch, layer=layer, **means)

    @tf.function
    def _population(self, batches: tf.Tensor) -> Statistics:
        """Population statistics over the first batches of the training images (Ioffe and Szegedy 2015, Algorithm 2).

        The mean of the batches' means and of their unbiased variances, with the present weights and without dropout, in
        one streaming pass.
        """
        totals = [tf.zeros_like(layer[0]) for layer in self._bank.layers]
        for i in tf.range(batches):
            moments: Statistics = []
            images = tf.ensure_shape(self._images[i * self.batch : (i + 1) * self.batch], (self.batch, *self._shape))
            self._training_pass(_unit(images), moments, None)
            totals = [total + tf.stack(batch) for total, batch in zip(totals, moments, strict=True)]
        means = [total / tf.cast(batches, tf.float32) for total in totals]
        return [(mean[0], mean[1] * (n / (n - 1.0))) for mean, n in zip(means, self._values_per_channel, strict=True)]

    def _infer(self, set_name: str, statistics: Statistics | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Predictions and mean loss of a set, normalised with `statistics`; None for those of each batch itself."""
        return self._infer_range(*self._ranges[set_name], statistics)

    @tf.function
    def _infer_range(
        self, first: tf.Tensor, last: tf.Tensor, statistics: Statistics | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        predictions = tf.TensorArray(tf.int32, size=0, dynamic_size=True, infer_shape=False, element_shape=(None,))
        total = tf.constant(0.0)
        for start in tf.range(first, last, self.batch):
            stop = tf.minimum(start + self.batch, last)
            images = _unit(self._images[start:stop])
            if statistics is None:
                logits = self._training_pass(images, [], None)
            else:
                logits = self._inference_pass(images, statistics)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(self._labels[start:stop], logits)
            total += tf.reduce_sum(losses)
            predictions = predictions.write(predictions.size(), tf.argmax(logits, axis=1, output_type=tf.int32))
        return predictions.concat(), total / tf.cast(last - first, tf.float32)

    def _inference_pass(self, images: tf.Tensor, statistics: Statistics) -> tf.Tensor:
        def normalise(
            layer: int, convolve: Convolve, kernel: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
        ) -> tf.Tensor:
            kernel, bias = fold(kernel, bias, gamma, beta, *statistics[layer])
            return tf.nn.bias_add(convolve(kernel), bias)

        return self._network(Layers(self._parameters, normalise if self._normalised else None), images)

    def _weights_digest(self) -> str:
        """SHA-256 of all weights, in the order of the layers."""
        parts = [name.encode() + variable.numpy().tobytes() for name, variable in self._parameters.variables.items()]
        return hashlib.sha256(b"".join(parts)).hexdigest()


def _append(columns: dict[str, list[Any]], **row: Any) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


def _unit(pixels: tf.Tensor) -> tf.Tensor:
    """Bytes to values in [0, 1]."""
    return tf.cast(pixels, tf.float32) / 255.0


def _finite_mean(values: np.ndarray) -> float | None:
    """The mean over the finite values: a channel that is constant, or not yet measured, has no ratio."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None
