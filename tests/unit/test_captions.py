"""The captions of Snakemake's own report: valid, and filled in from the configuration."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
import yaml
from docutils.core import publish_string

from study.config.resolve import resolve

FOLDER = Path(__file__).resolve().parents[2]
CAPTIONS = sorted((FOLDER / "report").glob("*.rst"))
TARGETS = "\n\n.. _Verdict: #verdict\n"


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("resolved", [True, False], ids=["resolved", "as written"])
def test_a_caption_is_valid_and_names_the_plan(caption: Path, resolved: bool) -> None:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    if resolved:
        config = resolve(config)
    text = filled_in(caption, config)
    check(text)
    if caption.stem == "page":
        assert f"±{config['plan']['margin_pp']} percentage points" in text.replace("\n", " ")


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_a_caption_tells_of_a_sequential_study(caption: Path) -> None:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    config["design"]["seeds"] = {"start": 5, "step": 4, "max": 60}
    text = filled_in(caption, resolve(config))
    check(text)
    if caption.stem == "workflow":
        assert "5 and then 4 at a time" in text
    if caption.stem == "page":
        assert "whenever the study stops" in text
        assert "CR2" not in text


def filled_in(caption: Path, config: dict) -> str:
    template = jinja2.Template(caption.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined)
    return template.render(snakemake=SimpleNamespace(config=config, wildcards=SimpleNamespace(figure="effects")))


def check(text: str) -> None:
    html = publish_string(text + TARGETS, writer="html5", settings_overrides={"halt_level": 2, "report_level": 2})
    assert b"{" not in html.split(b"<body", 1)[1]
