"""What a configuration may hold for the built-in networks, besides the keys of every study."""

from typing import Annotated, Literal

from pydantic import Field

from study.trainers.settings import Flag, Levels, Number, Section, Whole, optional, section

Network = Annotated[
    Literal["asker", "tutorial", "deep_mnist", "conv1d"],
    Field(description="The network, one of those registered in study/trainers/mnist/networks.py."),
]
BN = Annotated[
    Literal["none", "libs", "contrib", "contrib_stale", "keras"],
    Field(
        description="The BN implementation: `none`; `libs`, exponential moving averages with decay 0.9 from 0; "
        "`contrib`, decay 0.999 from mean 0 and variance 1; `contrib_stale`, the same, its updates never run; `keras`, "
        "momentum 0.99 from 0 and 1."
    ),
]
Dropout = Annotated[
    Number, Field(ge=0, lt=1, description="The share of units dropped, where the network has dropout; 0 is none.")
]
LearningRate = Annotated[Number, Field(gt=0, le=10, description="Adam's learning rate.")]
Epochs = Annotated[Whole, Field(ge=1, le=10_000, description="Passes over the training images.")]
BatchSize = Annotated[Whole, Field(ge=2, le=10_000, description="Images a step.")]
TrainImages = Annotated[
    Whole,
    Field(ge=2, description="How many training images to use, from the first; MNIST has 55,000 without validation."),
]
Loss = Annotated[
    Literal["softmax_cross_entropy", "naive_log"],
    Field(
        description="`softmax_cross_entropy`, computed from the logits; or `naive_log`, -sum(y log softmax), which "
        "becomes NaN when a probability underflows to 0. Both are summed over the batch."
    ),
]
Precision = Annotated[
    Literal["float32", "bfloat16"],
    Field(
        description="The precision of the training's matrix products: float32, or bfloat16, which pays only on "
        "processors with AVX512-BF16 or AMX. Weights, statistics and scoring are float32 in both."
    ),
]


class Training(Section):
    """The settings of a training run. A factor of the same name overrides them cell by cell."""

    network: Network = "asker"
    bn: BN = "none"
    dropout: Dropout = 0.0
    lr: LearningRate = 0.0002
    epochs: Epochs = 10
    batch_size: BatchSize = 200
    train_images: TrainImages = 55_000
    loss: Loss = "softmax_cross_entropy"
    precision: Precision = "float32"
    checkpoint_every: Whole = Field(
        0,
        ge=0,
        description="Save a run's state every so many epochs, so that a killed run goes on from there, to the same "
        "bits; 0 is never. A state takes 19 MB for `asker` and is deleted when the record is safe.",
    )


class Data(Section):
    """The images."""

    source: str = Field(
        "mnist",
        min_length=1,
        description="`mnist` (the bundled files), `keras` (Keras's own download of MNIST), or a folder with four IDX "
        "files of the same names, such as Fashion-MNIST or KMNIST.",
    )


class Factors(Section):
    """The factors and their levels; the design crosses all of them. A factor set to null is taken out."""

    bn: Levels[BN] | None = optional()
    dropout: Levels[Dropout] | None = optional()
    lr: Levels[LearningRate] | None = optional()
    network: Levels[Network] | None = optional()
    epochs: Levels[Epochs] | None = optional()
    batch_size: Levels[BatchSize] | None = optional()
    train_images: Levels[TrainImages] | None = optional()
    loss: Levels[Loss] | None = optional()
    precision: Levels[Precision] | None = optional()


class Design(Section):
    factors: Factors = Field(json_schema_extra={"minProperties": 1})


Tunable = Literal["bn", "dropout", "lr", "network", "epochs", "batch_size", "train_images", "loss", "precision"]


class Plan(Section):
    margin_pp: Number = Field(
        0.1, gt=0, le=100, description="The smallest difference of test accuracy that matters, in percentage points."
    )
    tune: Tunable = Field(
        "lr",
        description="The factor whose best level each arm may choose for itself in the tuned comparison, on validation "
        "accuracy with cross-fitting over the seeds. Ignored where the design lacks the factor, or where it is the "
        "factor of interest.",
    )
    collapse_below: Number = Field(
        0.9, ge=0, le=1, description="A run whose test accuracy is below this share counts as collapsed."
    )


class Execution(Section):
    share_trajectories: Flag = Field(
        True,
        description="The BN implementations differ at inference only, so that one training can carry all of them. "
        "`false` trains each on its own, to the same bits.",
    )


class Settings(Section):
    design: Design
    training: Training = section()
    data: Data = section()
    plan: Plan = section()
    execution: Execution = section()
