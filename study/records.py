"""The record of a run and the store that keeps it: written once, whole, and never changed."""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from study.errors import StudyError
from study.files import write_text

SCHEMA = 1
STATUSES = ("ok", "diverged")
SCORINGS = ("moving", "population", "batch")
# A record that is not sound counts as missing when its job runs again; nothing need be deleted.
MEND = "run your `snakemake` command again with `--forcerun train`: this run will be trained anew, no other"


@dataclass(frozen=True)
class Score:
    """How a trained network did on one set of images.

    Attributes:
        trials: number of images.
        correct: how many were classified correctly, by way of scoring: with the `moving` statistics (what a user gets),
            with `population` statistics computed after training (Ioffe and Szegedy 2015, Algorithm 2), and with the
            statistics of the test `batch` itself. Without batch normalisation all three are the same number.
        loss: mean cross entropy per image (nats), by way of scoring; None where it is not finite.
    """

    trials: int
    correct: dict[str, int]
    loss: dict[str, float | None]


@dataclass(frozen=True)
class Record:
    """One run: what was trained, how it came out, where and at what cost.

    Attributes:
        id: identity of the run (`study.design.run_id`).
        settings, seed, data, engine: what the identity is made of.
        status: `ok`, or `diverged` if the loss or a weight was not finite at the end of an epoch.
        test, validation: scores after the last epoch.
        curve: by epoch from 1: `epoch`, `train_loss` (mean per image, nats), `validation_correct`, `validation_loss`,
            both with the moving statistics. It ends with the epoch in which the run diverged.
        gap: by epoch from 0 (before the first step) and layer of batch normalisation, mean over the channels:
            `log_variance_ratio`, ln(moving variance / true variance), and `mean_shift`, |moving mean - true mean| in
            true standard deviations; None without batch normalisation.
        correct_bits: one bit an image of the test set, scored with the moving statistics, packed, base64.
        digests: SHA-256 of the final `weights` and of the test `predictions`.
        provenance: study, plan digest, commit, the call of Snakemake (`study.progress.call`), host, processor, device,
            versions, time of the end.
        cost: `training_seconds`, `evaluation_seconds`, `images_per_second`, `shared_by` (the number of runs that were
            recorded from this one training).
    """

    id: str
    settings: dict[str, Any]
    seed: int
    data: str
    engine: int
    status: str
    test: Score
    validation: Score
    curve: dict[str, list[Any]]
    gap: dict[str, list[Any]] | None
    correct_bits: str
    digests: dict[str, str]
    provenance: dict[str, Any]
    cost: dict[str, Any]

    def bits(self) -> np.ndarray:
        """Correctness of every test image, packed, uint8, shape (ceil(trials / 8),)."""
        return np.frombuffer(base64.b64decode(self.correct_bits), dtype=np.uint8)

    def to_json(self) -> str:
        """The record as JSON text that ends in a checksum over everything before it."""
        body = {"schema": SCHEMA} | asdict(self)
        return json.dumps(body | {"checksum": _checksum(body)}, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: Path | str) -> "Record":
        """Read what `to_json` wrote.

        Raises:
            StudyError: not JSON (truncated), not a record, another schema, a wrong checksum, or impossible values.
        """
        try:
            body = json.loads(text)
        except ValueError:
            raise StudyError(f"{source}: truncated or not JSON; {MEND}") from None
        if not isinstance(body, dict) or "schema" not in body or "checksum" not in body:
            raise StudyError(f"{source}: not the record of a run; {MEND}")
        if body["schema"] != SCHEMA:
            raise StudyError(f"{source}: schema {body['schema']!r}, allowed: {SCHEMA}; {MEND}")
        checksum = body.pop("checksum")
        if checksum != _checksum(body):
            raise StudyError(f"{source}: its checksum does not fit its content, the file was changed; {MEND}")
        del body["schema"]
        names = {field.name for field in fields(cls)}
        if set(body) != names:
            raise StudyError(f"{source}: fields {sorted(set(body) ^ names)} are missing or unknown; {MEND}")
        record = cls(**body | {"test": Score(**body["test"]), "validation": Score(**body["validation"])})
        problem = record.problem()
        if problem:
            raise StudyError(f"{source}: {problem}; {MEND}")
        return record

    def problem(self) -> str | None:
        """What is impossible about the record, in words; None if nothing is."""
        if self.status not in STATUSES:
            return f"status is {self.status!r}, allowed: {', '.join(STATUSES)}"
        for name, score in (("test", self.test), ("validation", self.validation)):
            if set(score.correct) != set(SCORINGS):
                return f"{name}.correct has {sorted(score.correct)}, needed: {', '.join(SCORINGS)}"
            for scoring, correct in score.correct.items():
                if not 0 <= correct <= score.trials:
                    return f"{name}.correct.{scoring} is {correct}, allowed: 0 to {score.trials}"
        if len({len(values) for values in self.curve.values()}) != 1:
            return "the columns of its curve differ in length"
        return None


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

    def load(self, run_id: str) -> Record:
        """Read and check one record.

        Raises:
            StudyError: no such record, or a damaged one, or one whose content belongs to another run.
        """
        path = self.path(run_id)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise StudyError(f"{path}: no such record; {MEND}") from None
        except UnicodeDecodeError:
            raise StudyError(f"{path}: not text, the file is damaged; {MEND}") from None
        record = Record.from_json(text, path)
        if record.id != run_id:
            raise StudyError(f"{path}: holds the record of run {record.id}; {MEND}")
        return record

    def missing(self, run_ids: Iterable[str]) -> list[str]:
        """Those of `run_ids` that have no sound record."""
        return [run_id for run_id in run_ids if not self._is_sound(run_id)]

    def recorded(self) -> set[str]:
        """The identities of all runs that have a record; only looks at the names of the files."""
        return {path.stem for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f]*.json")}

    def count(self, run_ids: Iterable[str]) -> int:
        """How many of `run_ids` have a record; only looks for the files."""
        return sum(self.path(run_id).exists() for run_id in run_ids)

    def write(self, record: Record) -> Path:
        """Write a record: atomically, and flushed to disk before it appears under its name."""
        path = self.path(record.id)
        write_text(path, record.to_json())
        return path

    def _is_sound(self, run_id: str) -> bool:
        try:
            self.load(run_id)
        except StudyError:
            return False
        return True
