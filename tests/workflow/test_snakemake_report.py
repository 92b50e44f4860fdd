"""Snakemake's own report of the study: made without a network, with the page, the figures and the tables."""

import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from tests.workflow.conftest import Study

NOWHERE = "http://127.0.0.1:9"


def offline(study: Study, name: str) -> str:
    """`snakemake --report NAME` where no network is: the proxy is not there, nor, if allowed, any interface."""
    command = study.command("--report", name)
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0:
        command = ["unshare", "-rn", *command]
    proxies = {f"{kind}_proxy": NOWHERE for kind in ("http", "https", "all", "HTTP", "HTTPS", "ALL")}
    answer = subprocess.run(
        command,
        env=study.environment() | proxies,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def test_the_zip_holds_the_page_every_figure_and_the_main_tables(finished: Study, tmp_path: Path) -> None:
    said = offline(finished, "report.zip")
    assert "ERROR" not in said
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    files = {path.name: path for path in (tmp_path / "unpacked/report/data").rglob("*") if path.is_file()}
    assert files["report.html"].read_bytes() == finished.result("report.html").read_bytes()
    assert files["runs.csv"].read_bytes() == finished.result("runs.csv").read_bytes()
    figures = {path.name for path in finished.result("figures").glob("*.svg")}
    assert {"effects.svg", "runs.svg", "curves.svg", "scores.svg", "statistics-gap.svg"} <= figures <= set(files)
    assert {"contrasts.csv", "simple_effects.csv", "anova.csv", "cells.csv", "specification.csv"} <= set(files)
    front = (tmp_path / "unpacked/report/report.html").read_text(encoding="utf-8")
    assert not re.search(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:""", front)


def test_the_captions_state_methods_categories_and_labels(finished: Study) -> None:
    offline(finished, "report.html")
    front = (finished.folder / "report.html").read_text(encoding="utf-8")
    for category in ("Verdict", "Figures", "Tables"):
        assert json.dumps(category) in front
    for label in ("the report, one page", "effects-by-cell", "contrasts", "runs"):
        assert json.dumps(label) in front
    # From the captions: what was done, with the numbers of this plan.
    assert "cluster-robust by seed (CR2)" in front
    assert "±0.1 percentage points" in front.replace("\\u00b1", "±")
    assert "decides the label (Schuirmann 1987)" in front


def test_the_page_works_inside_it(finished: Study, browser: Any) -> None:
    offline(finished, "report.html")
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((finished.folder / "report.html").as_uri())
    page.get_by_text("Verdict", exact=True).first.click()
    page.get_by_text("the report, one page").first.wait_for()
    page.locator("a[iconname=eye]").first.click()
    page.frame_locator("iframe").locator("#figure-effects svg").first.wait_for(timeout=120_000)
    page.close()
    assert not [url for url in requests if url.startswith("http")]
