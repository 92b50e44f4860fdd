"""Write the pages that quote the reference study: every number in them comes from its files, and every claim is held to
them. `make reference` runs it; tests/reference/test_published.py compares what it writes with what is committed.

The templates are Markdown. `given(claim, words)` stands where words say what no number does: it fails if the files do
not bear the claim out.
"""

import base64
import itertools
import json
import re
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from study.config import resolve as configuration
from study.report import format as show
from study.store import packed
from study.store.record import Record, Store

HERE = Path(__file__).parent
PROJECT = HERE.parent
STUDY = HERE / "bn-on-mnist"
# Some of its runs, trained on another type of processor.
ELSEWHERE = HERE / "second-processor"
WIDTH = 120
# What stands between these two lines of the README is written here.
BEGIN, END = "<!-- The answer: written by `make reference`. -->\n", "<!-- The end of the answer. -->\n"


def given(claim: object, words: str) -> str:
    if not claim:
        raise ValueError(f"the reference study does not bear out: {words}")
    return words


def read(name: str) -> Any:
    return json.loads((STUDY / name).read_text(encoding="utf-8"))


def context() -> dict[str, Any]:
    """What the templates may quote."""
    verdicts, design = read("analysis/verdicts.json"), read("design.json")
    labels = dict(zip(design["factors"][0]["levels"], design["factors"][0]["labels"], strict=True))
    level_effects = pd.read_csv(STUDY / "analysis/level_effects.csv", dtype={"dropout": str, "lr": str})
    interactions = pd.read_csv(STUDY / "analysis/interactions.csv", dtype={"dropout": str, "lr": str})
    specification = pd.read_csv(STUDY / "analysis/specification.csv")
    cells = pd.read_csv(STUDY / "analysis/cells.csv", dtype={"dropout": str, "lr": str})
    by_level = {name: {row["level"]: row for row in rows} for name, rows in _rows(verdicts).items()}

    def effect(level: str, factor: str, at: str) -> Any:
        """The difference from no BN at one level of another factor."""
        return level_effects[(level_effects["level"] == level) & (level_effects[factor] == at)].iloc[0]

    def change(level: str, factor: str, levels: str) -> Any:
        """How that difference changes between two levels."""
        return interactions[(interactions["level"] == level) & (interactions[factor] == levels)].iloc[0]

    def methods(level: str, endpoint: str) -> dict[str, Any]:
        """The analyses of a level at an endpoint: how many, how many intervals lie to each side, the estimates."""
        rows = specification[(specification["level"] == level) & (specification["endpoint"] == endpoint)]
        points = rows["scale"] == "pp"
        better = (points & (rows["ci_low"] > 0)) | (~points & (rows["ci_high"] < 0))
        worse = (points & (rows["ci_high"] < 0)) | (~points & (rows["ci_low"] > 0))
        shown = rows[points]["estimate"]
        return {
            "all": len(rows),
            "better": int(better.sum()),
            "worse": int(worse.sum()),
            "low": shown.min(),
            "high": shown.max(),
        }

    def without_a_seed(level: str) -> list[float]:
        """The estimate without each of the seeds, sorted."""
        return sorted(block["estimate"] for block in by_level["influence"][level]["blocks"])

    sound = {"none", *(arm["level"] for arm in verdicts["arms"] if not arm["collapsed"])}
    return {
        "verdicts": verdicts,
        "hardware": _hardware(sound),
        "design": design,
        "label": labels,
        "provenance": read("provenance.json"),
        "mixed": read("analysis/mixed.json"),
        "anova": {row["term"]: row for row in read("analysis/anova.json")},
        "shares": {row["term"]: row for row in read("analysis/luck.json")["variance_shares"]["terms"]},
        "cells": cells,
        "effect": effect,
        "change": change,
        "methods": methods,
        "without_a_seed": without_a_seed,
        "given": given,
        **by_level,
    }


def _hardware(sound: set[str]) -> dict[str, Any]:
    """What another type of processor changes, beside what another seed changes.

    Args:
        sound: the arms that do not collapse; the others say nothing of how good the weights are.

    Returns:
        `processor`, the other one; `runs`, those trained on both; of these `same_weights` and `same_answers` (on every
        test image); `other_losses`, and by what share they differ at most; of two seeds of a cell of a sound arm
        `points`, how far they are apart (root mean square, percentage points), and `images`, how many they answer
        differently (mean); `types`, see `_types`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        here, there = Store(f"{scratch}/here"), Store(f"{scratch}/there")
        packed.unpack(STUDY / packed.NAME, here)
        packed.unpack(ELSEWHERE / packed.NAME, there)
        plan = configuration.design(ELSEWHERE / "design.json")
        runs = [(here.load(run_id), there.load(run_id), cell) for run_id, cell, _ in plan.runs()]
    losses = np.array([[run.extra["test"]["loss"]["moving"] for run in pair[:2]] for pair in runs])
    cells: dict[str, list[Record]] = {}
    for mine, _, cell in runs:
        if cell.levels["bn"] in sound:
            cells.setdefault(json.dumps(cell.levels), []).append(mine)
    seeds = [pair for members in cells.values() for pair in itertools.combinations(members, 2)]
    points = [100 * (_accuracy(one) - _accuracy(other)) for one, other in seeds]
    return {
        "processor": runs[0][1].provenance["processor"].partition(" Processor")[0].replace("(R)", ""),
        "runs": len(runs),
        "same_weights": sum(mine.extra["digests"] == other.extra["digests"] for mine, other, _ in runs),
        "same_answers": sum(_correct(mine) == _correct(other) for mine, other, _ in runs),
        "other_losses": int((losses[:, 0] != losses[:, 1]).sum()),
        "loss_share": float((np.abs(np.diff(losses)).ravel() / losses[:, 0]).max()),
        "points": float(np.sqrt(np.mean(np.square(points)))),
        "images": float(np.mean([(_correct(one) ^ _correct(other)).bit_count() for one, other in seeds])),
        "types": _types(),
    }


def _accuracy(run: Record) -> float:
    return run.extra["test"]["correct"]["moving"] / run.extra["test"]["trials"]


def _correct(run: Record) -> int:
    """One bit an image of the test set."""
    return int.from_bytes(base64.b64decode(run.extra["correct_bits"]))


def _types() -> dict[str, Any]:
    """On how many types of processor with AVX-512 a short run's bits are known (`wide`), whether they are all the same,
    and whether those without are others (`apart`)."""
    (bits,) = json.loads((PROJECT / "tests/unit/engine_bits.json").read_text(encoding="utf-8")).values()
    weights = [
        [digests["bn weights"] for name, digests in bits.items() if ("avx512f" in name) == w] for w in (True, False)
    ]
    wide, narrow = weights
    return {"wide": len(wide), "same": len(set(wide)) == 1, "apart": bool(narrow) and not set(wide) & set(narrow)}


def _rows(verdicts: dict[str, Any]) -> dict[str, Any]:
    """Results with a row a level, by the name that the templates give them."""
    return {
        "arm": verdicts["arms"],
        "tuned": read("analysis/tuned.json")["contrasts"],
        "collapse": read("analysis/collapse.json")["arms"],
        "luck": read("analysis/luck.json")["contrasts"],
        "images": read("analysis/images.json")["contrasts"],
        "influence": read("analysis/diagnostics.json")["influence"],
        "mechanism": read("mechanism.json")["arms"],
    }


def pages() -> dict[Path, str]:
    """The text of every page, by its path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "pp": lambda value: f"{show.difference(value)}{show.THIN}pp",
        "interval": lambda row: show.interval(row["ci_low"], row["ci_high"]),
        "percent": show.accuracy,
        "share": show.share,
        "p": lambda value: f"p {show.p_value(value)}" if value < 0.001 else f"p = {show.p_value(value)}",
        "count": lambda value: f"{value:,}",
        "fixed": show.number,
    }
    known = context()
    made = {name: _filled(environment.get_template(name).render(known)) for name in environment.list_templates()}
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    answer = made.pop("answer.md")
    return {
        PROJECT / "README.md": f"{before}{BEGIN}\n{answer}\n{END}{after}",
        **{PROJECT / "docs" / name: text for name, text in made.items()},
    }


def _filled(text: str) -> str:
    """Paragraphs filled to the width; headings, tables and pictures as they are."""
    blocks = re.split(r"\n{2,}", text.strip())
    return "\n\n".join(block if block[0] in "#|!" else _paragraph(block) for block in blocks) + "\n"


def _paragraph(block: str) -> str:
    return textwrap.fill(" ".join(block.split("\n")), WIDTH, break_on_hyphens=False)


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(PROJECT))
