"""A run keeps its identity, and an identity the weights it trains to: what is finished stays so, and means the same."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from study import cli
from study.store.provenance import processor
from tests.examples import PROJECT, overlaid

STUDIES = {
    # preset: the digest of all its identities, with the levels, the seed and the trajectory of each
    "": "2029d1d423835aec",
    "quick": "6fd6b5c678100463",
    "tutorial": "68c1f954054acdff",
    "conv1d": "020bf32123b9264c",
}
# preset, trajectory, bn, seed: identity
KNOWN = {
    ("", "bn~none_dropout~0.0_lr~0.0002", "none", 0): "c33bcfbf5db9630e",
    ("", "bn~shared_dropout~0.3_lr~0.0002", "contrib", 7): "e8bb99136672c4b3",
    ("", "bn~shared_dropout~0.3_lr~0.005", "keras", 19): "e4b57140409a6018",
    ("tutorial", "bn~shared", "contrib", 17): "f34f07459ec0dd5e",
    ("conv1d", "bn~none_dropout~0.0_lr~0.0002", "none", 0): "0da9d0afffddb71f",
}
# Of the quick study, seed 0: the beginning of the digest of the weights, and right answers on the test images.
TRAINED = {
    "bn~none_dropout~0.3": {"5a12e41b0ed9e367": ("002b6dcc9e293939", 9292)},
    "bn~shared_dropout~0.3": {
        "10efd1f7fd041c8f": ("819c1d96a8614378", 9604),  # libs
        "ac02b93979ada5f4": ("819c1d96a8614378", 7271),  # contrib
        "fe1458802a6de0bb": ("819c1d96a8614378", 9009),  # contrib_stale
        "0b0d0efae22abd1c": ("819c1d96a8614378", 2539),  # keras
    },
}
PROCESSORS = {"AMD EPYC avx2 fma avx512f avx512_bf16 48K 32K 1024K 32768K"}
"""Where they were trained, as `study.store.provenance.processor` names it; others add in another order."""


def designed(preset: str, folder: Path, **changes: Any) -> list[dict[str, str]]:
    """The planned runs of config.yaml with a preset and `changes` over it; design.json lies in the folder then."""
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    if preset:
        config = overlaid(yaml.safe_load((PROJECT / f"presets/{preset}.yaml").read_text(encoding="utf-8")), config)
    assert cli.main(["design", json.dumps(overlaid(changes, config)), "--out", str(folder)]) == 0
    with (folder / "design.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("preset", STUDIES)
def test_every_run_of_a_study_keeps_its_identity(preset: str, tmp_path: Path) -> None:
    rows = designed(preset, tmp_path / "study")
    found = {(preset, row["trajectory"], row["bn"], int(row["seed"])): row["run_id"] for row in rows}
    expected = {key: run_id for key, run_id in KNOWN.items() if key[0] == preset}
    assert {key: found.get(key) for key in expected} == expected
    lines = sorted(" ".join(f"{name}={value}" for name, value in sorted(row.items())) for row in rows)
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == STUDIES[preset]


def test_an_identity_trains_to_the_weights_it_always_had(tmp_path: Path) -> None:
    if processor() not in PROCESSORS:
        pytest.skip(f"the weights are known for another processor than this: {processor()}")
    design, store = tmp_path / "study/design.json", tmp_path / "runs"
    designed("quick", design.parent, execution={"seeds_per_job": 1})
    trainings = []
    for trajectory in TRAINED:
        options = [
            "--trajectory",
            trajectory,
            "--seeds",
            "0-0",
            "--store",
            store,
            "--log",
            tmp_path / f"{trajectory}.log",
        ]
        command = [
            sys.executable,
            "-m",
            "study",
            "train",
            design,
            *options,
            "--manifest",
            tmp_path / f"{trajectory}.json",
        ]
        trainings.append(subprocess.Popen(command, cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)}))
    assert [training.wait() for training in trainings] == [0, 0]
    records = [json.loads(path.read_text(encoding="utf-8")) for path in store.rglob("[!.]*.json")]
    assert {
        record["id"]: (record["digests"]["weights"][:16], record["test"]["correct"]["moving"]) for record in records
    } == {run_id: outcome for runs in TRAINED.values() for run_id, outcome in runs.items()}
