"""The record of a run and the store that keeps it: written once, whole, and never changed."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from study.errors import MissingFileError, StudyError
from study.files import stay_inside, write_text
from study.reading import MEBIBYTE, parse_json, read_text

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEMA = 1
# A record has some kilobytes: a bit for each image, and a curve.
MOST_RECORD = 64 * MEBIBYTE
Status = Literal["ok", "diverged"]
STATUSES: tuple[Status, ...] = get_args(Status)
# A record that is not sound counts as missing when its job runs again; nothing need be deleted.
HINT = "run your `snakemake` command again with `--forcerun train`: this run will be trained again, no other"


@dataclass(frozen=True)
class Record:
    """One run: what was trained, how it came out, where and at what cost.

    Attributes:
        id: identity of the run (`study.design.factorial.run_id`).
        settings, seed: what was trained.
        status: `ok`, or `diverged`: an outcome like any other, and counted.
        curve: columns of equal length, by epoch from 1; none for a run without a curve.
        provenance: see `study.store.provenance.provenance`.
        cost: `training_seconds`, `evaluation_seconds`, `shared_by` (the number of runs that were recorded from this one
            training), and what else the trainer measures.
        extra: what came out, by names that the trainer chooses; it alone knows what they mean.
    """

    id: str
    settings: dict[str, Any]
    seed: int
    status: str
    curve: dict[str, list[Any]]
    provenance: dict[str, Any]
    cost: dict[str, Any]
    extra: dict[str, Any]

    def result(self) -> tuple[Any, ...]:
        """What a run of the same identity must give again, bit for bit."""
        return self.status, self.curve, self.extra

    def to_json(self) -> str:
        """The record as JSON text: the entries of `extra` are fields like the others; a checksum ends it."""
        body = {"schema": SCHEMA} | {name: getattr(self, name) for name in FIELDS} | self.extra
        return json.dumps(body | {"checksum": _checksum(body)}, ensure_ascii=False, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "Record":
        """Read what `to_json` wrote.

        Raises:
            StudyError: not JSON (truncated), not a record, another schema, a wrong checksum, or impossible values.
        """
        from study.store.record_model import RecordModel, check

        try:
            body = parse_json(text)
        except StudyError as error:
            raise StudyError(f"truncated or damaged: {error}") from None
        if not isinstance(body, dict) or "schema" not in body or "checksum" not in body:
            raise StudyError("not the record of a run")
        if body["schema"] != SCHEMA:
            raise StudyError(f"schema {body['schema']!r}, allowed: {SCHEMA}")
        if body.pop("checksum") != _checksum(body):
            raise StudyError("its checksum does not fit its content, the file was changed")
        del body["schema"]
        if lacking := [name for name in FIELDS if name not in body]:
            raise StudyError(f"the fields {lacking} are missing")
        check(RecordModel, body)
        return Record(**{name: body.pop(name) for name in FIELDS}, extra=body)


# What every record has, in the order in which it is written.
FIELDS = tuple(field.name for field in fields(Record) if field.name != "extra")


class RecordReader(Protocol):
    """What knows the meaning of `Record.extra`: a trainer, see `study.trainers.base.Trainer`."""

    def result_model(self) -> "type[BaseModel]": ...
    def columns(self, record: Record) -> dict[str, Any]: ...
    def curve(self, record: Record) -> dict[str, list[Any]]: ...


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


class Store:
    """The records of all runs, one file each, found by the run's identity."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def path(self, run_id: str) -> Path:
        return self.root / run_id[:2] / f"{run_id}.json"

    def checkpoint(self, run_id: str) -> Path:
        """Where the state of the unfinished training of `run_id` is kept."""
        return self.root / run_id[:2] / f"{run_id}.checkpoint.npz"

    def load(self, run_id: str, reader: RecordReader | None = None) -> Record:
        """Read and check one record.

        Args:
            reader: its trainer; without one, what came out (`Record.extra`) stays unchecked.

        Raises:
            StudyError: no such record, or a damaged one, or one whose content belongs to another run.
        """
        from study.store.record_model import check

        path = self.path(run_id)
        try:
            record = Record.from_json(read_text(path, MOST_RECORD))
            if reader:
                check(reader.result_model(), record.extra)
            if record.id == run_id:
                return record
            flaw = f"holds the record of run {record.id}"
        except MissingFileError:
            flaw = "no such record"
        except StudyError as error:
            flaw = str(error).removeprefix(f"{path}: ")
        raise StudyError(f"{path}: {flaw}; {HINT}")

    def missing(self, run_ids: Iterable[str]) -> list[str]:
        """Those of `run_ids` that have no sound record."""
        found = []
        for run_id in run_ids:
            try:
                self.load(run_id)
            except StudyError:
                found.append(run_id)
        return found

    def recorded(self) -> set[str]:
        """The identities of all runs that have a record; only looks at the names of the files."""
        return {path.stem for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f]*.json")}

    def sample(self, count: int) -> Iterator[Record]:
        """The first sound records of each folder, `count` at most: identities are digests, so the first are any."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.glob("[0-9a-f]*.json"))[:count]:
                with suppress(StudyError):
                    yield self.load(path.stem)

    def write(self, record: Record) -> Path:
        """Write a record: atomically, and flushed to disk before it appears under its name."""
        path = self.path(record.id)
        stay_inside(path.parent, self.root)
        write_text(path, record.to_json())
        return path
