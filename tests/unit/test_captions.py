"""The captions of Snakemake's own report: valid, and true of the study whose configuration they are filled in from."""

import re
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml
from docutils.core import publish_string

from study import trainers
from study.config.resolve import resolve
from tests.examples import PROJECT, overlaid, resolved

CAPTIONS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "report").glob("*.rst"))}
# As Snakemake fills them in, but for names that do not exist.
JINJA = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
TARGETS = "\n\n.. _Verdict: #verdict\n"
NETWORKS = {"network", "epochs", "accuracy", "bn", "images", "scoring"}
PROPORTION = {"percentage", "odds"}


def study(name: str, **changes: Any) -> dict[str, Any]:
    return resolve(overlaid(changes, yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))))


STUDIES = {
    "built in": study("config.yaml"),
    "sequential": study("config.yaml", design={"seeds": {"start": 5, "step": 4, "max": 60}}),
    "proportion": study("examples/digits/config.yaml", response={"name": "conversion rate"}),
    "number": study("examples/spirals/config.yaml"),
    "number without a unit": study("examples/spirals/config.yaml", response={"unit": ""}),
    "no block": study("examples/spirals/config.yaml", design={"block": None}),
}
# What the captions of a study must say, and the words that would be wrong of it.
SAID = {
    "built in": (
        [
            *("±0.1 percentage points", "cluster-robust by seed (CR2)", "20 seeds; all cells share them"),
            *("the built-in network asker for 10 epochs", "diverged or ended below a test accuracy of 0.9"),
        ],
        {"sequential", "nats", "Welch"},
    ),
    "sequential": (
        ["5 seeds and then 4 at a time until its comparison is settled, 60 at most", "whenever the study stops"],
        {"CR2", "Welch", "T"},
    ),
    "proportion": (
        ["conversion rate", "±0.5 percentage points", "examples.digits.train:run", "collapsed if it diverged."],
        NETWORKS | {"below", "Welch", "sequential"},
    ),
    "number": (
        ["test loss", "±0.05 nats", "in nats", "train.py --init", "diverged or ended above a test loss of 1.05"],
        NETWORKS | PROPORTION | {"below", "Welch", "sequential"},
    ),
    "number without a unit": (
        ["±0.05.", "the margin ±0.05.", "margin of ±0.05, inside", "Differences are from init = small, with"],
        NETWORKS | PROPORTION | {"nats"},
    ),
    "no block": (
        ["10 seeds; no two cells share one.", "each cell has a variance of its own (Welch 1947)"],
        NETWORKS | PROPORTION | {"CR2", "robust"},
    ),
}


def filled_in(caption: str, config: dict[str, Any]) -> str:
    """The text that a reader sees.

    Raises:
        SystemMessage: the caption is no valid reStructuredText.
    """
    wildcards = SimpleNamespace(figure="effects", table="contrasts")
    text = JINJA.from_string(caption).render(snakemake=SimpleNamespace(config=config, wildcards=wildcards))
    settings = {"halt_level": 2, "report_level": 2, "output_encoding": "unicode"}
    page = publish_string(text + TARGETS, writer="html5", settings_overrides=settings)
    return " ".join(re.sub(r"<[^>]+>", "", page.split("<body", 1)[1].split(">", 1)[1]).split())


@pytest.mark.parametrize("name", STUDIES)
def test_the_captions_say_what_is_true_of_a_study_and_nothing_else(name: str) -> None:
    wanted, wrong = SAID[name]
    texts = {caption: filled_in(text, STUDIES[name]) for caption, text in CAPTIONS.items()}
    said = " ".join(texts.values())
    for phrase in wanted:
        assert phrase in said
    # Its question is the study's own.
    own = said.replace(STUDIES[name]["study"]["question"], "")
    assert wrong & set(re.findall(r"[\w']+", own)) == set()
    for text in texts.values():
        # Neither a gap where something is missing nor two words run into one.
        assert not re.search(r" [.,;)]|[,;)][A-Za-z]|\( ", text)


def test_the_captions_call_the_response_of_the_built_in_networks_as_the_page_does() -> None:
    name = trainers.choose(resolved()).response().name
    assert all(f'"name": "{name}"' in text for caption, text in CAPTIONS.items() if caption != "runs")
