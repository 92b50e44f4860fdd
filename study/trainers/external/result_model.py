"""What `Record.extra` must look like, whoever wrote it. `study.trainers.external.result_file` says what it means."""

from typing import Annotated

from pydantic import Field, model_validator

from study.store.record_model import Count, Number, Part, check_bits


class Measurement(Part):
    response: Number | None
    successes: None
    trials: None
    correct_bits: None


class Proportion(Part):
    response: None
    successes: Count
    trials: Annotated[Count, Field(ge=1)]
    correct_bits: str | None

    @model_validator(mode="after")
    def _check_counts(self) -> "Proportion":
        if self.successes > self.trials:
            raise ValueError("more succeeded than there are trials")
        if self.correct_bits is not None:
            check_bits(self.correct_bits, self.successes, self.trials)
        return self
