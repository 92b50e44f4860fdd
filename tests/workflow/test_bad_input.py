"""A user's mistake ends in one clear line, whichever way it comes in, and leaves nothing half done."""

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from study import cli
from tests.workflow.conftest import Study

TEST_LABELS = "t10k-labels-idx1-ubyte"


def refused(study: Study, *arguments: str, **changes: Any) -> str:
    """The one line of error in all that Snakemake says when it fails."""
    answer = study.run(*arguments, **changes)
    assert answer.returncode != 0, answer.stdout
    assert "Traceback" not in answer.stdout
    lines = {line.strip() for line in answer.stdout.splitlines() if "study: error: " in line}
    assert len(lines) == 1, answer.stdout
    (line,) = lines
    assert line.startswith("study: error: ")
    return line.removeprefix("study: error: ")


PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": (
        {"training": {"epoch": 3}},
        r"configuration: training\.epoch is no known key; allowed here: .*, epochs, .* \(did you mean epochs\?\)",
    ),
    "a wrong type": (
        {"training": {"epochs": "many"}},
        r"configuration: training\.epochs is 'many'; allowed: a whole number",
    ),
    "an empty factor": (
        {"design": {"factors": {"dropout": []}}},
        r"configuration: design\.factors\.dropout is \[\]; allowed: a list of at least 1",
    ),
    "equal seeds": (
        {"design": {"seeds": [1, 1]}},
        r"configuration: design\.seeds is \[1, 1\]; allowed: .* different whole numbers from 0, .*",
    ),
    "a folder that is none": (
        {"data": {"source": "nowhere"}},
        r"data\.source: no folder 'nowhere'; allowed: mnist, keras, or a folder with four IDX files",
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_mistake_in_a_configuration_file_ends_before_anything_is_done(study: Study, name: str) -> None:
    changes, pattern = PLANS[name]
    assert re.fullmatch(pattern, refused(study, "--dry-run", **changes))
    assert not (study.folder / "results").exists()


@pytest.mark.parametrize("name", ["v1.0", "a.b.c", "runs.json", "train"])
def test_a_name_with_a_dot_or_of_a_step_is_planned_as_any_other(study: Study, name: str) -> None:
    assert f"Planning the runs of results/{name}" in study.succeed("--dry-run", study={"name": name})


def test_a_mistake_on_the_command_line_ends_before_anything_is_done(study: Study) -> None:
    line = refused(study, "--dry-run", "--config", "plan={margin_pp: -1}")
    assert line == "configuration: plan.margin_pp is -1; allowed: more than 0"


def test_a_key_that_is_there_twice_in_a_configuration_file_is_refused(study: Study) -> None:
    path = study.folder / "more.yaml"
    path.write_text("plan:\n  alpha: 0.05\n  alpha: 0.01\n")
    line = refused(study, "--dry-run", "--configfile", str(path))
    assert line == f"{path}, line 3: the key 'alpha' is there twice, first in line 2; allowed: once"


def test_an_exponent_on_the_command_line_is_a_number(study: Study) -> None:
    words = study.succeed("--dry-run", "--config", "design={factors: {lr: [2e-4, 1e-3]}}")
    assert "Training bn~shared_dropout~0.3_lr~0.0002, seeds 0-2" in words


def test_settings_that_the_images_cannot_serve_are_refused_by_the_first_step(study: Study) -> None:
    assert refused(study, training={"train_images": 401}) == (
        "configuration: train_images is 401; allowed: 400 or less, the 5400 images without the validation set"
    )
    assert refused(study, training={"batch_size": 401}) == (
        "configuration: batch_size is 401; allowed: 400 or less, the number of training images"
    )
    assert not study.result("design.json").exists()


def damage(folder: Path, how: str) -> Path:
    """Damage the test labels of a folder; returns what the message must name."""
    path = folder / TEST_LABELS
    packed = folder / f"{TEST_LABELS}.gz"
    content = path.read_bytes()
    path.unlink()
    if how == "missing":
        return packed
    if how == "truncated":
        path.write_bytes(content[:-1])
        return path
    if how == "no archive":
        packed.write_text("<html>Not found</html>")
        return packed
    packed.write_bytes(gzip.compress(content[:-1] + b"\x0a"))
    return folder


@pytest.mark.parametrize("how", ["missing", "truncated", "no archive", "a label of 10"])
def test_damaged_images_are_named_and_nothing_is_trained(study: Study, small_images: Path, how: str) -> None:
    folder = Path(shutil.copytree(small_images, study.folder / "images"))
    named = damage(folder, how)
    line = refused(study, data={"source": str(folder)})
    assert str(named.parent) in line
    assert named.name in line
    assert not study.result("design.json").exists()
    assert study.stored() == {}


def test_a_step_by_hand_does_not_train_on_other_images_than_were_planned(
    original: Study, small_images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(small_images, tmp_path / "images"))
    design = tmp_path / "design.json"
    design.write_text(original.result("design.json").read_text().replace(str(small_images), str(folder)))
    labels = bytearray((folder / "train-labels-idx1-ubyte").read_bytes())
    labels[-1] = (labels[-1] + 1) % 10
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    manifest = tmp_path / "manifest.json"
    job = ["--trajectory", "bn~none_dropout~0.3", "--seeds", "0-2"]
    status = cli.main(["train", str(design), *job, "--store", str(tmp_path / "runs"), "--manifest", str(manifest)])
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"study: error: data.source '{folder}': its images changed since the design was written")
    assert "`--forcerun design`" in line
    assert not manifest.exists()
    assert not (tmp_path / "runs").exists()


def test_a_damaged_record_is_named_with_what_mends_it(finished: Study) -> None:
    before = finished.untouched()
    bits = finished.bits()
    (run_id,) = [
        run_id for run_id, cell, seed in finished.planned().runs() if (*cell.levels.values(), seed) == ("keras", 0.3, 1)
    ]
    path = finished.stored()[run_id]
    path.write_bytes(path.read_bytes().replace(b'"seed": 1', b'"seed": 2', 1))

    table = finished.target("runs.parquet")
    line = refused(finished, "--forcerun", "collect", "--", table)
    assert line.startswith(f"{path.relative_to(finished.folder)}: its checksum does not fit its content")
    assert "run your `snakemake` command again with `--forcerun train`" in line

    words = finished.succeed("--forcerun", "train", "--", table)
    assert words.count("[study] ") == 1
    assert finished.result("runs.parquet").exists()
    assert finished.bits() == bits
    del before[run_id]
    assert {name: finished.untouched()[name] for name in before} == before
