"""Small configurations, images and records for the tests."""

import base64
import copy
import datetime
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np

from study import trainers
from study.config import resolve as configuration
from study.design.factorial import Cell, Job
from study.design.plan import Plan
from study.store.record import Record, Store
from study.trainers.mnist.version import ENGINE_VERSION

PROJECT = Path(__file__).resolve().parents[1]
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SMALL: dict[str, Any] = {
    "study": {"name": "small"},
    "design": {"factors": {"bn": ["none", "keras"], "dropout": [0.0, 0.3]}, "control": {"bn": "none"}, "seeds": 3},
    "training": {"epochs": 2, "batch_size": 50, "train_images": 400, "lr": 0.001},
}


def overlaid(changes: dict[str, Any], base: dict[str, Any] = SMALL) -> dict[str, Any]:
    """`base` with `changes` laid over it, key by key, as Snakemake overlays configuration files; not yet resolved."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = overlaid(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return result


def resolved(changes: dict[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """The small configuration with changes, resolved."""
    return configuration.resolve(overlaid((changes or {}) | sections))


def planned(config: dict[str, Any], images: str = "d" * 64) -> Plan:
    """The plan of a resolved configuration for the built-in trainer, of images with that digest; a run takes 1 s."""
    if config["execution"]["seconds_per_run"] == "auto":
        config = config | {"execution": config["execution"] | {"seconds_per_run": 1.0}}
    return Plan(config, {"data": images, "engine": ENGINE_VERSION}, trainers.choose(config).shared_levels())


def jobs(config: dict[str, Any]) -> list[Job]:
    return planned(config).jobs()


def copy_of_the_project(target: Path) -> Path:
    """The files that make the project work, in another place."""
    for name in ("study", "workflow", "profiles", "slurm", "report"):
        shutil.copytree(PROJECT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml", "environment.yml"):
        shutil.copy(PROJECT / name, target / name)
    return target


def idx_bytes(values: np.ndarray) -> bytes:
    """IDX as its specification has it: 0, 0, type 8, number of dimensions, big-endian sizes, values."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def provenance(plan: Plan, seed: int) -> dict[str, Any]:
    """Where a run of the plan might come from."""
    return {
        "study": plan.name,
        "plan_digest": plan.digest,
        "commit": None,
        "call": {"started": 1767225500.0, "cores": 2},
        "host": "räknare",
        "processor": "a processor",
        "device": "cpu",
        "versions": {"python": "3.11.0", "tensorflow": "2.21.0", "numpy": "2.4.0"},
        "finished": (START + datetime.timedelta(seconds=seed)).isoformat(),
    }


def record(plan: Plan, cell: Cell, seed: int, shared_by: int = 1, diverged: bool = False, images: int = 12) -> Record:
    """A simulated run: same weights for all BN levels of a seed, and scores that differ with everything."""
    run_id = plan.run_id(cell, seed)
    draw = np.random.default_rng(int(run_id, 16))
    right = draw.random(images) < 0.7
    normalised = cell.settings["bn"] != "none"
    score = {
        "trials": images,
        "correct": {
            "moving": int(right.sum()),
            "population": int(draw.integers(images + 1)) if normalised else int(right.sum()),
            "batch": int(draw.integers(images + 1)) if normalised else int(right.sum()),
        },
        "loss": {"moving": None if diverged else float(draw.random()), "population": 0.25, "batch": 0.5},
    }
    epochs = [1] if diverged else list(range(1, cell.settings["epochs"] + 1))
    layers = [(epoch, layer) for epoch in [0, *epochs] for layer in (1, 2)]
    curve = {
        "epoch": epochs,
        "train_loss": [None if diverged else float(draw.random()) for _ in epochs],
        "validation_correct": [int(draw.integers(images + 1)) for _ in epochs],
        "validation_loss": [None if diverged else float(draw.random()) for _ in epochs],
    }
    gap = {
        "epoch": [epoch for epoch, _ in layers],
        "layer": [layer for _, layer in layers],
        "log_variance_ratio": [None if epoch == 0 else float(draw.normal()) for epoch, _ in layers],
        "mean_shift": [float(draw.random()) for _ in layers],
    }
    return Record(
        id=run_id,
        settings=cell.settings,
        seed=seed,
        status="diverged" if diverged else "ok",
        curve=curve,
        extra={
            "data": plan.origin["data"],
            "engine": ENGINE_VERSION,
            "test": score,
            "validation": score,
            "gap": gap if normalised else None,
            "correct_bits": base64.b64encode(np.packbits(right).tobytes()).decode(),
            "digests": {"weights": f"{seed:063x}f", "predictions": run_id * 4},
        },
        provenance=provenance(plan, seed),
        cost={
            "training_seconds": float(draw.random()),
            "evaluation_seconds": float(draw.random()),
            "images_per_second": 1000.0,
            "shared_by": shared_by,
        },
    )


def fill(store: Store, plan: Plan) -> None:
    """A sound record of every run of the design."""
    for _, cell, seed in plan.runs():
        store.write(record(plan, cell, seed))
