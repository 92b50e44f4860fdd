"""The state of a run between two epochs, on disk, so that a killed run goes on with the same bits."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from study.files import replacing


def save(path: Path, tensors: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        tensors: every variable of the trainer, by name.
        progress: what else the run remembers, as plain values.
    """
    arrays: dict[str, Any] = {"progress": np.array(json.dumps(progress)), **tensors}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Read what `save` wrote; None if there is none or it is damaged (the run then starts again, same bits)."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            tensors = {name: archive[name] for name in archive.files}
            return tensors, json.loads(str(tensors.pop("progress")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
