"""`study design` says before anything is trained what the planned seeds can show."""

from pathlib import Path

from study import cli
from tests.examples import PROJECT


def test_what_the_seeds_can_show_is_printed_before_the_study_starts(tmp_path: Path, capsys) -> None:
    """By noncentral t tests, 19 seeds find 0.1 pp averaged over 6 cells, and 94 in one cell."""
    assert cli.main(["design", str(PROJECT / "config.yaml"), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("600 runs are planned.")
    rows = {tuple(line.split()[-2:]) for line in said.splitlines() if line.startswith("seeds for an effect")}
    assert {("64", "365"), ("19", "94"), ("8", "26"), ("5", "14")} == rows
