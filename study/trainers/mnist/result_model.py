"""What `Record.extra` must look like, whoever wrote it. `MnistTrainer` says what it means."""

from typing import Annotated

from pydantic import Field, model_validator

from study.store.record_model import Count, Name, Number, Part, check_bits


class _Counts(Part):
    moving: Count
    population: Count
    batch: Count


class _Losses(Part):
    moving: Number | None
    population: Number | None
    batch: Number | None


class _Score(Part):
    trials: Annotated[Count, Field(ge=1)]
    correct: _Counts
    loss: _Losses

    @model_validator(mode="after")
    def _check_counts(self) -> "_Score":
        if max(self.correct.moving, self.correct.population, self.correct.batch) > self.trials:
            raise ValueError("more were correct than there are trials")
        return self


class _Gap(Part):
    epoch: list[Count]
    layer: list[Count]
    log_variance_ratio: list[Number | None]
    mean_shift: list[Number | None]

    @model_validator(mode="after")
    def _check_lengths(self) -> "_Gap":
        if len({len(self.epoch), len(self.layer), len(self.log_variance_ratio), len(self.mean_shift)}) > 1:
            raise ValueError("the columns of gap differ in length")
        return self


class _Digests(Part):
    weights: Name
    predictions: Name


class ResultModel(Part):
    test: _Score
    validation: _Score
    gap: _Gap | None
    correct_bits: str
    digests: _Digests

    @model_validator(mode="after")
    def _check_bits(self) -> "ResultModel":
        check_bits(self.correct_bits, self.test.correct.moving, self.test.trials)
        return self
