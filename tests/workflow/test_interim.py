"""`snakemake interim` beside a Snakemake that trains."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import Study

PATIENCE = 300
"""Seconds after which a training that shows nothing has failed."""


def test_before_the_first_record_it_says_so_in_one_line(study: Study) -> None:
    answer = study.run("--", "interim")
    assert answer.returncode != 0
    assert "none of the 12 planned runs has a record yet" in answer.stdout
    assert "Traceback" not in answer.stdout
    assert not study.result("interim/report.html").exists()
    assert not study.result("design.json").exists()


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_it_reports_the_runs_so_far_while_others_train(study: Study) -> None:
    words = study.folder / "words.log"
    with words.open("w") as stream:
        training = subprocess.Popen(
            study.command(cores=1, execution={"seeds_per_job": 1}),
            env=study.environment(),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while len(study.stored()) < 2 and training.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        # Held in mid training, with its lock, so that the count stands still.
        os.killpg(training.pid, signal.SIGSTOP)
        assert training.poll() is None, words.read_text()
        count = len(study.stored())
        before = everything(study)
        said = study.succeed("--", "interim", execution={"seeds_per_job": 1})
        assert f"INTERIM {count} of 12 runs." in said
        assert f"INTERIM {count} of 12 runs." in study.result("interim/report.html").read_text()
        assert {name: seen for name, seen in everything(study).items() if name in before} == before
        assert not study.result("report.html").exists()
    finally:
        os.killpg(training.pid, signal.SIGCONT)
    assert training.wait(timeout=2 * PATIENCE) == 0, words.read_text()
    assert "INTERIM" not in study.result("report.html").read_text()
    # The final results are the same whether someone has looked in between.
    assert len(study.stored()) == 12


def test_asked_when_all_is_done_it_is_the_report_without_a_stamp(finished: Study) -> None:
    before = everything(finished)
    said = finished.succeed("--", "interim")
    assert "INTERIM" not in said
    assert finished.result("interim/report.html").is_file()
    assert {name: seen for name, seen in everything(finished).items() if name in before} == before
    assert (finished.result("interim/runs.csv")).read_text() == finished.result("runs.csv").read_text()


def everything(study: Study) -> dict[Path, tuple[int, bytes]]:
    """All results and records, without what is the interim report's own and without logs."""
    files = [path for path in (study.folder / "results").rglob("*") if path.is_file()]
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in files
        if not {"interim", "logs", "benchmarks"} & set(path.parts)
    }
