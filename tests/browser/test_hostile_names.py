"""Twenty names that try to become something else, through every command and into the page: none of them does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.browser.test_page import Opened
from tests.workflow.test_own_trainers import succeed

NAMES = (
    "plain",
    "; touch hacked",
    "$(touch hacked)",
    "`touch hacked`",
    "| tee hacked",
    "> hacked",
    "&& touch hacked",
    "../../hacked",
    "/tmp/hacked",
    "--out=hacked",
    "'\"",
    "{record} {seed} {0}",
    "${HOME} %s %(x)s \\n",
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "</script><svg onload=window.hacked=3>",
    "[bold red]x[/] [/]",
    '=HYPERLINK("http://hacked")',
    "\u202eevil\u2028name\u200b",
    "javascript:window.hacked=4//",
)
# The arms differ, and so do the seeds; what it was called with is kept to be looked at.
TRAIN = """
import json, pathlib, random, sys
name, seed, record = sys.argv[1].removeprefix("--arm="), *sys.argv[2:]
value = random.Random(f"{len(name)} {seed}").gauss(0, 1)
pathlib.Path(record).write_text(json.dumps({"value": value, "curve": [value + 1, value]}))
"""


def _study(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", "study", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study with these names for levels."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "train.py").write_text(TRAIN)
    config = {
        "study": {"name": "names", "question": NAMES[13], "short_question": NAMES[14]},
        "trainer": {"command": "python train.py --arm={arm} {seed} {record}"},
        "response": {"kind": "number", "name": NAMES[15], "unit": NAMES[16], "better": "lower"},
        "design": {"factors": {"arm": list(NAMES)}, "control": {"arm": NAMES[0]}, "seeds": 3},
        "plan": {"margin": 0.5},
        "execution": {"seeds_per_job": 3},
        "report": {"titles": {"arm": NAMES[13]}, "deviations": [NAMES[14]]},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    succeed(folder, "--configfile", "config.yaml")
    return folder


def test_no_name_leaves_its_place_in_any_command(folder: Path) -> None:
    study = folder / "results/names"
    runs = pd.read_parquet(study / "runs.parquet")
    assert set(runs["arm"]) == set(NAMES)
    assert len(runs) == 60
    # What was run is what was meant: the outcome depends on the name.
    assert runs.groupby(["seed", runs["arm"].str.len()])["response"].nunique().max() == 1
    config = folder / "plain.json"
    config.write_text(json.dumps(json.loads((study / "design.json").read_text())["config"]))
    out = str(folder / "again")
    table = ["--response", "response", "--factor", "arm", "--block", "seed", "--control", f"arm={NAMES[0]}"]
    table += ["--margin", "0.5"]
    for line in (
        ["status", str(study)],
        ["verdict", str(study)],
        ["report", str(study), "--figures", f"{out}/figures"],
        ["verify", str(study), "--sample", "2"],
        ["publish", str(study), "--out", f"{out}/published"],
        ["unpack", f"{out}/published", "--store", f"{out}/runs"],
        ["interim", str(config), "--store", "results/runs", "--out", f"{out}/interim"],
        ["design", str(config), "--out", f"{out}/design"],
        ["analyze", str(study / "runs.csv"), *table, "--out", f"{out}/table"],
        ["report", f"{out}/table"],
        ["power", "--pilot", str(study / "runs.csv"), *table],
    ):
        said = _study(folder, *line)
        if line[0] == "status":
            assert "[bold red]x[/] [/]" in said
    found = {path.name for path in folder.rglob("*")} | {path.name for path in folder.parent.iterdir()}
    assert not {name for name in found if name == "hacked"}
    assert not Path("/tmp/hacked").exists()
    # Nothing was written but where the commands were told to.
    assert {path.name for path in folder.iterdir()} <= {
        *("train.py", "config.yaml", "plain.json", "results", "again", "cache", ".snakemake", "__pycache__")
    }


def test_no_name_becomes_code_on_a_page(browser: Any, folder: Path) -> None:
    for page in (folder / "results/names/report.html", *(folder / "again").rglob("report.html")):
        with Opened(browser, page) as found:
            assert found.page.evaluate("window.hacked") is None
            assert found.requests == [page.as_uri()]
            assert found.messages == []
            text = found.page.locator("main").inner_text()
            for name in NAMES[:-2]:
                assert " ".join(name.split()) in " ".join(text.split()), name
            hrefs = found.page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
            assert not [href for href in hrefs if href.startswith("javascript:")]
