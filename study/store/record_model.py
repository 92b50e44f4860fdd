"""What a record must look like, whoever wrote it: types and ranges."""

import base64
import binascii
import datetime
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from study.errors import StudyError
from study.store.record import Status

Number = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[Number, Field(ge=0, lt=1e10)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Name = Annotated[str, Field(max_length=1000)]
Scalar = bool | int | Number | Name | None


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Call(Part):
    started: Seconds
    cores: Annotated[int, Field(ge=1, lt=2**31)]


def _moment(text: str) -> str:
    if datetime.datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without its zone")
    return text


class _Provenance(Part):
    study: Name
    plan_digest: Name
    commit: Name | None
    call: _Call | None = None
    host: Name
    processor: Name
    device: Name | None = None
    versions: dict[Name, Name]
    finished: Annotated[str, AfterValidator(_moment)]


class _Cost(Part):
    training_seconds: Seconds
    evaluation_seconds: Seconds
    shared_by: Annotated[int, Field(ge=1, lt=2**31)]


class RecordModel(Part):
    """The fields of every record; what the trainer adds it checks itself."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    settings: dict[Name, Scalar]
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    status: Status
    curve: dict[Name, list[Number | int | None]]
    provenance: _Provenance
    cost: _Cost

    @model_validator(mode="after")
    def _check_curve(self) -> "RecordModel":
        if len({len(values) for values in self.curve.values()}) > 1:
            raise ValueError("the columns of its curve differ in length")
        epochs = self.curve.get("epoch", [])
        if epochs != list(range(1, len(epochs) + 1)):
            raise ValueError("its epochs do not count from 1")
        return self


def check_bits(text: str, successes: int | None, trials: int | None) -> None:
    """Hold packed bits, one a trial, against the counts.

    Raises:
        ValueError: they are no base64, too few or too many, or others than `successes` of them are set.
    """
    try:
        bits = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("correct_bits is no base64") from None
    if successes is None or trials is None or len(bits) != (trials + 7) // 8:
        raise ValueError(f"correct_bits has {len(bits)} bytes, which are not those of {trials} trials")
    if int.from_bytes(bits).bit_count() != successes:
        raise ValueError("correct_bits and the number of correct trials contradict each other")


def check(model: type[BaseModel], body: Any) -> None:
    """Hold `body` against a model.

    Raises:
        StudyError: the first thing that does not fit: where it is, what was found, and why it does not fit.
    """
    try:
        model.model_validate(body)
    except ValidationError as errors:
        error = errors.errors(include_url=False)[0]
        where = ".".join(str(part) for part in error["loc"])
        if error["type"] == "literal_error":
            allowed = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
            raise StudyError(f"{where} is {_shown(error['input'])}, allowed: {allowed}") from None
        found = "" if error["type"] in ("missing", "value_error") else f" is {_shown(error['input'])}"
        why = error["msg"].removeprefix("Value error, ")
        raise StudyError(f"{where}{found}: {why}" if where else why) from None


def _shown(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
