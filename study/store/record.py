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
    """One run: what was trained, how it came out, where and at what cost. What came out is in the subclasses.

    Attributes:
        id: identity of the run (`study.design.factorial.run_id`).
        settings, seed: what was trained.
        status: `ok`, or `diverged`: an outcome like any other, and counted.
        curve: columns of equal length, by epoch from 1; none for a run without a curve.
        provenance: study, plan digest, commit, the call of Snakemake (`study.monitor.progress.call`), host, processor,
            device, versions, time of the end.
        cost: `training_seconds`, `evaluation_seconds`, `shared_by` (the number of runs that were recorded from this one
            training), and for networks `images_per_second`.
    """

    id: str
    settings: dict[str, Any]
    seed: int
    status: str
    curve: dict[str, list[Any]]
    provenance: dict[str, Any]
    cost: dict[str, Any]

    def result(self) -> tuple[Any, ...]:
        """What a run of the same identity must give again, bit for bit."""
        raise NotImplementedError

    def in_words(self) -> str:
        """How the run came out, in a few words for a terminal."""
        raise NotImplementedError

    def to_json(self) -> str:
        """The record as JSON text that ends in a checksum over everything before it."""
        body = {"schema": SCHEMA} | asdict(self)
        return json.dumps(body | {"checksum": _checksum(body)}, ensure_ascii=False, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str, source: Path | str) -> "Record":
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
        kind = OwnRecord if "trainer" in body else NetworkRecord
        names = {field.name for field in fields(kind)}
        if set(body) != names:
            raise StudyError(f"{source}: fields {sorted(set(body) ^ names)} are missing or unknown; {MEND}")
        scores = {name: Score(**body[name]) for name in ("test", "validation") if name in body}
        record = kind(**body | scores)
        problem = record.problem()
        if problem:
            raise StudyError(f"{source}: {problem}; {MEND}")
        return record

    def problem(self) -> str | None:
        """What is impossible about the record, in words; None if nothing is."""
        if self.status not in STATUSES:
            return f"status is {self.status!r}, allowed: {', '.join(STATUSES)}"
        if len({len(values) for values in self.curve.values()}) > 1:
            return "the columns of its curve differ in length"
        return None


@dataclass(frozen=True)
class NetworkRecord(Record):
    """A run of the built-in trainer.

    Attributes:
        status: `diverged` if the loss or a weight was not finite at the end of an epoch.
        curve: `epoch`, `train_loss` (mean per image, nats), `validation_correct`, `validation_loss`, both with the
            moving statistics. It ends with the epoch in which the run diverged.
        data, engine: what the identity is made of beside settings and seed.
        test, validation: scores after the last epoch.
        gap: by epoch from 0 (before the first step) and layer of batch normalisation, mean over the channels:
            `log_variance_ratio`, ln(moving variance / true variance), and `mean_shift`, |moving mean - true mean| in
            true standard deviations; None without batch normalisation.
        correct_bits: one bit an image of the test set, scored with the moving statistics, packed, base64.
        digests: SHA-256 of the final `weights` and of the test `predictions`.
    """

    data: str
    engine: int
    test: Score
    validation: Score
    gap: dict[str, list[Any]] | None
    correct_bits: str
    digests: dict[str, str]

    def bits(self) -> np.ndarray:
        """Correctness of every test image, packed, uint8, shape (ceil(trials / 8),)."""
        return np.frombuffer(base64.b64decode(self.correct_bits), dtype=np.uint8)

    def result(self) -> tuple[Any, ...]:
        return self.digests, self.correct_bits, self.curve, self.status

    def in_words(self) -> str:
        correct = self.test.correct["moving"]
        return "diverged" if self.status == "diverged" else f"{100 * correct / self.test.trials:.1f} %"

    def problem(self) -> str | None:
        for name, score in (("test", self.test), ("validation", self.validation)):
            if set(score.correct) != set(SCORINGS):
                return f"{name}.correct has {sorted(score.correct)}, needed: {', '.join(SCORINGS)}"
            for scoring, correct in score.correct.items():
                if not 0 <= correct <= score.trials:
                    return f"{name}.correct.{scoring} is {correct}, allowed: 0 to {score.trials}"
        return super().problem()


@dataclass(frozen=True)
class OwnRecord(Record):
    """A run of a trainer of the study's own: successes of trials, or a number.

    Attributes:
        status: `diverged` if the trainer said so, or if what it measured is no finite number.
        curve: `epoch`, and `successes` and `trials` or `response`; None where an epoch has no finite number.
        trainer: what the identity is made of beside settings and seed.
        successes, trials: the counts; None if the response is a number.
        response: the number; None if there are counts, and where a diverged run has none.
        correct_bits: one bit a trial, packed, base64; None if the trainer did not tell.
    """

    trainer: dict[str, Any]
    successes: int | None
    trials: int | None
    response: float | None
    correct_bits: str | None

    def result(self) -> tuple[Any, ...]:
        return self.status, self.successes, self.trials, self.response, self.correct_bits, self.curve

    def in_words(self) -> str:
        if self.status == "diverged":
            return "diverged"
        if self.successes is not None and self.trials:
            return f"{100 * self.successes / self.trials:.1f} %"
        return f"{self.response:.6g}"

    def problem(self) -> str | None:
        if self.trials is not None and not 0 <= (self.successes if self.successes is not None else -1) <= self.trials:
            return f"successes is {self.successes}, allowed: 0 to {self.trials}"
        if self.trials is None and self.response is None and self.status != "diverged":
            return "it has neither counts nor a number"
        return super().problem()


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
