"""The verdict as the page and the terminal show it."""

import json
from pathlib import Path

import pytest

from study.cli import main
from study.report.results import read_results
from study.report.verdict import label_words, verdict
from tests.report_fixture import Scenario, write_results

SMALL = Scenario(seeds=5, epochs=2, dropout=(0.0, 0.3), lr=(1e-3,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results") / "small", SMALL)


def test_the_terminal_prints_the_six_answers_of_verdicts_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict", str(folder)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == str(folder / "report.html")
    found = json.loads((folder / "analysis/verdicts.json").read_text(encoding="utf-8"))
    assert lines == [f"{row['question']} {row['answer']}" for row in found["answers"]]
    assert len(lines) == 6


def test_json_is_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "analysis/verdicts.json").read_text())


def test_an_unfinished_study_prints_its_stamp_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    folder = write_results(tmp_path / "interim", replace(SMALL, done=3))
    assert main(["verdict", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["INTERIM 30 of 50 runs."]
    assert verdict(read_results(folder)).arms == ()


def test_a_label_names_a_factor_in_its_words(folder: Path) -> None:
    results = read_results(folder)
    assert label_words(results, "depends on dropout") == "depends on dropout rate"
    assert label_words(results, "better") == "better"


def test_without_verdicts_the_reader_says_what_to_do(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "small", Scenario(seeds=4, epochs=1, dropout=(0.0,), lr=(1e-3,), mechanism=False))
    (folder / "analysis/verdicts.json").unlink()
    assert main(["verdict", str(folder)]) == 2
