"""The configuration: what is refused and how, what is filled in, and that schema, files and code agree."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from snakemake.utils import update_config

from study.config import resolve as configuration
from study.config import schema
from study.design.factorial import CONVENIENCES
from study.errors import StudyError
from tests.examples import PROJECT, SMALL, overlaid, resolved

SCHEMAS = {name: yaml.safe_load((PROJECT / "workflow/schemas" / name).read_text()) for name in schema.FILES}
SCHEMA, TRAINER_SCHEMA = SCHEMAS["config.schema.yaml"], SCHEMAS["trainer.schema.yaml"]
PRESETS = sorted((PROJECT / "presets").glob("*.yaml"))
EXAMPLES = sorted((PROJECT / "examples").glob("*/config.yaml"))
FACTORS = SCHEMA["properties"]["design"]["properties"]["factors"]["properties"]
SETTINGS = SCHEMA["properties"]["training"]["properties"]
EXTERNAL: dict[str, Any] = {
    "study": {"name": "external"},
    "trainer": {"command": "python train.py --rate {rate} --seed {seed} --out {record}"},
    "response": {"kind": "number", "name": "loss", "better": "lower"},
    "design": {"factors": {"rate": [0.1, 0.2]}, "control": {"rate": 0.1}, "seeds": 3},
    "plan": {"margin": 0.5},
}


def with_trainer(changes: dict[str, Any]) -> dict[str, Any]:
    """The configuration with an external trainer, with changes, resolved."""
    return configuration.resolve(overlaid(changes, EXTERNAL))


def keys(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any], bool]]:
    """(path, sub-schema, required) of every key."""
    for name, sub in schema.get("properties", {}).items():
        yield f"{path}{name}", sub, name in schema.get("required", ())
        yield from keys(sub, f"{path}{name}.")


KEYS = [pytest.param(*key, id=f"{name.split('.')[0]} {key[0]}") for name in SCHEMAS for key in keys(SCHEMAS[name])]
# Left out, these are absent: they have no default.
WITHOUT_DEFAULT = re.compile(
    r"design\.factors\.\w+|trainer\.(command|function|files|timeout)|plan\.(margin|margin_pp|collapse_below|collapse_above)"
)


@pytest.mark.parametrize(("path", "sub", "required"), KEYS)
def test_every_key_is_described_and_has_a_default_or_is_required(
    path: str, sub: dict[str, Any], required: bool
) -> None:
    described = sub["anyOf"][0]["items"] if path.startswith("design.factors.") else sub
    assert described["description"].endswith(".")
    if not WITHOUT_DEFAULT.fullmatch(path):
        assert required != ("default" in sub)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_object_of_the_schema_refuses_unknown_keys(name: str) -> None:
    assert SCHEMAS[name]["additionalProperties"] is False
    objects = [(path, sub) for path, sub, _ in keys(SCHEMAS[name]) if sub.get("type") == "object"]
    assert len(objects) >= 8
    for path, sub in objects:
        assert "additionalProperties" in sub, path


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_the_model_as_the_command_writes_it(name: str) -> None:
    text = (PROJECT / "workflow/schemas" / name).read_text()
    assert text == schema.text(schema.FILES[name]), "run `make schemas`"
    assert text.startswith("# Generated ")
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


def test_any_setting_of_a_training_can_be_a_factor() -> None:
    assert set(FACTORS) == set(SETTINGS) - set(CONVENIENCES)
    assert set(CONVENIENCES) < set(SETTINGS)
    assert list(FACTORS) == SCHEMA["properties"]["plan"]["properties"]["tune"]["enum"]
    for name, sub in FACTORS.items():
        assert sub["anyOf"][0]["items"] == {key: part for key, part in SETTINGS[name].items() if key != "default"}


def test_the_defaults_fit_the_schema() -> None:
    config = configuration.resolve(
        {"study": {"name": "x"}, "design": {"factors": {"lr": [1, 2]}, "control": {"lr": 1}}}
    )
    assert configuration.resolve(config) == config
    assert config["design"]["seeds"] == 20
    assert config["design"]["negative_control"] is False
    assert config["plan"] == {"alpha": 0.05, "margin_pp": 0.1, "tune": "lr", "collapse_below": 0.9}
    assert config["execution"] == {
        "seeds_per_job": 5,
        "runs_per_gpu": 0,
        "job_minutes": 10.0,
        "seconds_per_run": "auto",
        "share_trajectories": True,
    }
    assert config["training"]["loss"] == "softmax_cross_entropy"
    assert config["data"] == {"source": "mnist"}
    assert config["report"] == {"deviations": [], "titles": {}, "labels": {}}


def test_the_shipped_study_is_the_one_that_was_registered() -> None:
    config = configuration.load(PROJECT / "config.yaml")
    assert config["design"]["factors"] == {
        "bn": ["none", "libs", "contrib", "contrib_stale", "keras"],
        "dropout": [0.0, 0.3],
        "lr": [2e-4, 1e-3, 5e-3],
    }
    assert config["design"]["seeds"] == 20
    assert config["design"]["control"] == {"bn": "none"}
    assert {name: config["training"][name] for name in ("network", "epochs", "train_images", "loss")} == {
        "network": "asker",
        "epochs": 10,
        "train_images": 55_000,
        "loss": "softmax_cross_entropy",
    }
    assert config["plan"] == {"alpha": 0.05, "margin_pp": 0.1, "tune": "lr", "collapse_below": 0.9}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_laid_over_the_study_resolves(preset: Path) -> None:
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    update_config(config, yaml.safe_load(preset.read_text()))
    assert configuration.resolve(config)["study"]["name"] == preset.stem.replace("_", "-")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_with_another_question_has_another_heading(preset: Path) -> None:
    study = yaml.safe_load(preset.read_text(encoding="utf-8")).get("study", {})
    assert ("question" in study) == ("short_question" in study)


@pytest.mark.parametrize(
    "path", [PROJECT / "config.yaml", *PRESETS, *EXAMPLES], ids=lambda path: str(path.relative_to(PROJECT))
)
def test_editors_find_the_schema_from_the_first_line_and_it_accepts_the_file(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match
    name = "trainer.schema.yaml" if path in EXAMPLES else "config.schema.yaml"
    assert (path.parent / match[1]).resolve() == PROJECT / "workflow/schemas" / name
    config = yaml.safe_load((PROJECT / "config.yaml").read_text()) if path in PRESETS else {}
    update_config(config, yaml.safe_load(path.read_text()))
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(config)


def test_the_schema_names_what_is_registered() -> None:
    from study.trainers.mnist.implementations import IMPLEMENTATIONS
    from study.trainers.mnist.networks import NETWORKS

    assert SETTINGS["network"]["enum"] == list(NETWORKS)
    assert SETTINGS["bn"]["enum"] == ["none", *IMPLEMENTATIONS]


REFUSED = {
    "an unknown section": ({"trainings": {}}, "trainings is no known key", "training", "did you mean training?"),
    "an unknown key": ({"training": {"learning_rate": 0.1}}, "training.learning_rate is no known key", "network, bn"),
    "a misspelt key": ({"training": {"epoch": 3}}, "training.epoch is no known key", "did you mean epochs?"),
    "an unknown factor": ({"design": {"factors": {"droput": [0.1]}}}, "design.factors.droput", "did you mean dropout?"),
    "a misspelt level": (
        {"design": {"factors": {"bn": ["none", "kears"]}}},
        "design.factors.bn[1]",
        "'kears'",
        "keras",
    ),
    "a level of null": ({"design": {"factors": {"bn": ["none", None]}}}, "design.factors.bn[1]", "None", "contrib"),
    "a missing name": ({"study": {"name": None}}, "study.name", "None", "a text"),
    "a name that is a path": ({"study": {"name": "../up"}}, "study.name", "'../up'", "letters, digits"),
    "the store's name": ({"study": {"name": "runs"}}, "study.name", "'runs'", "any other"),
    "no section at all": ({"training": None}, "training is None", "keys with values"),
    "no factors": ({"design": {"factors": {"bn": None, "dropout": None}}}, "design.factors", "{}", "at least 1"),
    "a factor without levels": ({"design": {"factors": {"dropout": []}}}, "design.factors.dropout", "[]", "at least 1"),
    "a factor that is no list": ({"design": {"factors": {"bn": "keras"}}}, "design.factors.bn", "'keras'", "a list"),
    "equal levels": ({"design": {"factors": {"dropout": [0, 0.0]}}}, "design.factors.dropout", "[0, 0.0]", "twice"),
    "levels equal as numbers": (
        {"design": {"factors": {"lr": ["2e-4", 0.0002]}}},
        "design.factors.lr",
        "['2e-4', 0.0002]",
        "(0.0002 is there twice)",
    ),
    "equal seeds": ({"design": {"seeds": [1, 1]}}, "design.seeds", "[1, 1]", "different whole numbers"),
    "one seed": ({"design": {"seeds": 1}}, "design.seeds", "1", "from 2"),
    "a list of one seed": ({"design": {"seeds": [7]}}, "design.seeds", "[7]", "two or more"),
    "a negative seed": ({"design": {"seeds": [-1, 0]}}, "design.seeds", "[-1, 0]", "from 0"),
    "a seed that is true": ({"design": {"seeds": [True, 0]}}, "design.seeds", "[True, 0]", "whole numbers"),
    "seeds that are true": ({"design": {"seeds": True}}, "design.seeds", "True", "a whole number"),
    "seeds in words": ({"design": {"seeds": "ten"}}, "design.seeds", "'ten'", "a whole number"),
    "a stop of a fixed design": ({"design": {"stop": "settled"}}, "design.stop", "'settled'", "{start: 5"),
    "an unknown stop": (
        {"design": {"seeds": {"start": 5, "step": 5, "max": 60}, "stop": "setled"}},
        "design.stop",
        "'setled'",
        "did you mean settled?",
    ),
    "a sequence without an end": ({"design": {"seeds": {"start": 5, "step": 5}}}, "design.seeds", "{start, step, max}"),
    "a sequence of two seeds": (
        {"design": {"seeds": {"start": 2, "step": 5, "max": 60}}},
        "design.seeds",
        "start from 3",
    ),
    "a sequence that ends before it starts": (
        {"design": {"seeds": {"start": 10, "step": 5, "max": 8}}},
        "design.seeds.start",
        "10",
        "8 or less",
    ),
    "a share of a seed": ({"design": {"seeds": 2.5}}, "design.seeds", "2.5", "a whole number"),
    "dropout of everything": ({"training": {"dropout": 1.0}}, "training.dropout", "1.0", "less than 1"),
    "negative dropout": ({"training": {"dropout": -0.1}}, "training.dropout", "-0.1", "0 or more"),
    "a learning rate of 0": ({"training": {"lr": 0}}, "training.lr", "0", "more than 0"),
    "a negative learning rate": (
        {"design": {"factors": {"lr": [0.1, -0.1]}}},
        "design.factors.lr[1]",
        "-0.1",
        "more than 0",
    ),
    "a learning rate that is NaN": ({"training": {"lr": float("nan")}}, "training.lr", "nan", "a finite number"),
    "a margin that is NaN": ({"plan": {"margin_pp": float("nan")}}, "plan.margin_pp", "nan", "a finite number"),
    "an infinite level": ({"design": {"factors": {"lr": ["1e999"]}}}, "design.factors.lr[0]", "inf", "a finite number"),
    "a batch of one": ({"training": {"batch_size": 1}}, "training.batch_size", "1", "2 or more"),
    "no epochs": ({"training": {"epochs": 0}}, "training.epochs", "0", "1 or more"),
    "epochs that are true": ({"training": {"epochs": True}}, "training.epochs", "True", "a whole number"),
    "a share of an epoch": ({"training": {"epochs": 1.5}}, "training.epochs", "1.5", "a whole number"),
    "dropout that is false": ({"training": {"dropout": False}}, "training.dropout", "False", "a number"),
    "no seeds in a job": (
        {"execution": {"seeds_per_job": 0}},
        "execution.seeds_per_job",
        "0",
        "auto, or a whole number, 1 or more",
    ),
    "no time for a run": (
        {"execution": {"seconds_per_run": "soon"}},
        "execution.seconds_per_run",
        "'soon'",
        "auto, or a number, more than 0",
    ),
    "sharing in words": (
        {"execution": {"share_trajectories": "perhaps"}},
        "share_trajectories",
        "'perhaps'",
        "true or false",
    ),
    "an error rate of a half": ({"plan": {"alpha": 0.5}}, "plan.alpha", "0.5", "less than 0.5"),
    "a margin of 0": ({"plan": {"margin_pp": 0}}, "plan.margin_pp", "0", "more than 0"),
    "a collapse above 1": ({"plan": {"collapse_below": 90}}, "plan.collapse_below", "90", "1 or less"),
    "a factor to tune that is none": ({"plan": {"tune": "epoch"}}, "plan.tune", "'epoch'", "did you mean epochs?"),
    "an unknown loss": ({"training": {"loss": "naive-log"}}, "training.loss", "'naive-log'", "did you mean naive_log?"),
    "an epoch that is true in text": ({"training": {"epochs": "true"}}, "training.epochs", "True", "a whole number"),
    "a number in words": ({"training": {"lr": "[high"}}, "training.lr", "'[high'", "a number"),
    "no data": ({"data": {"source": ""}}, "data.source", "''", "not empty"),
    "a control of no factor": (
        {"design": {"control": {"bn": None, "lr": 0.1}}},
        "design.control",
        "'lr'",
        "bn, dropout",
    ),
    "a control that is no level": (
        {"design": {"control": {"bn": "libs"}}},
        "design.control.bn",
        "'libs'",
        "none, keras",
    ),
    "a control that is false": (
        {"design": {"control": {"bn": None, "dropout": False}}},
        "design.control.dropout",
        "False",
        "0.0, 0.3",
    ),
    "two controls": ({"design": {"control": {"dropout": 0.0}}}, "design.control", "'dropout': 0.0", "at most 1"),
    "no control": ({"design": {"control": {"bn": None}}}, "design.control", "{}", "at least 1"),
    "a factor of interest with one level": (
        {"design": {"factors": {"bn": ["none"]}}},
        "design.factors.bn",
        "'none'",
        "two",
    ),
    "words for no factor": (
        {"report": {"titles": {"droput": "x"}}},
        "report.titles.droput",
        "bn, dropout",
        "mean dropout?",
    ),
    "a label that is a number": ({"report": {"labels": {"bn": {"none": 3}}}}, "report.labels.bn.none", "3", "a text"),
}


EXTERNAL_REFUSED = {
    "two trainers": ({"trainer": {"function": "train:run"}}, "trainer has both command and function", "one of the two"),
    "a trainer of nothing": ({"trainer": {"command": None}}, "trainer.command", "None", "a text"),
    "an empty command": ({"trainer": {"command": ""}}, "trainer.command", "''", "not empty"),
    "a command without the seed": (
        {"trainer": {"command": "run {rate} {record}"}},
        "trainer.command lacks {seed}",
        "the same run",
    ),
    "a command without a factor": (
        {"trainer": {"command": "run {seed} {record}"}},
        "trainer.command lacks {rate}",
        "no difference",
    ),
    "a misspelt factor in the command": (
        {"trainer": {"command": "run {rte} {seed} {record}"}},
        "trainer.command has {rte}; allowed: {rate}, {seed}, {record} (did you mean rate?), and {{ and }} for braces",
    ),
    "a format in the command": (
        {"trainer": {"command": "run {rate:.2f} {seed} {record}"}},
        "trainer.command has {rate:.2f}",
        "{rate}, {seed}",
    ),
    "a brace that does not close": ({"trainer": {"command": "run {rate"}}, "trainer.command", "'{rate'", "for braces"),
    "a quotation that does not end": ({"trainer": {"command": "run 'x"}}, "trainer.command", "split", "run 'x"),
    "a time-out of 0": ({"trainer": {"timeout": 0}}, "trainer.timeout", "0", "more than 0"),
    "files that are one text": ({"trainer": {"files": "train.py"}}, "trainer.files", "'train.py'", "a list"),
    "a file named twice": ({"trainer": {"files": ["a", "a"]}}, "trainer.files", "['a', 'a']", "a is there twice"),
    "an unknown kind": ({"response": {"kind": "numbr"}}, "response.kind", "'numbr'", "did you mean number?"),
    "a unit of a proportion": (
        {"response": {"kind": "proportion", "better": "higher", "unit": "s"}, "plan": {"margin_pp": 1, "margin": 1}},
        "plan.margin does not go with a proportion",
        "plan.margin_pp",
    ),
    "a margin in another unit": ({"plan": {"margin_pp": 1}}, "plan.margin_pp does not go with a number", "plan.margin"),
    "a bound on the wrong side": (
        {"plan": {"collapse_below": 1}},
        "plan.collapse_below does not go with lower being better",
        "plan.collapse_above",
    ),
    "a setting of the networks": ({"training": {"lr": 0.1}}, "training is no known key", "study, design"),
    "a factor that no column can be called": (
        {"design": {"factors": {"a b": [1, 2]}}},
        "design.factors.a b is no possible name",
        "letters, digits",
    ),
    "a factor with the name of a column": (
        {"design": {"factors": {"run_id": [1, 2]}}},
        "design.factors.run_id is no possible name",
        "run_id, seed",
    ),
    "a level of null": ({"design": {"factors": {"rate": [0.1, None]}}}, "design.factors.rate[1]", "None", "a text"),
    "a level that is NaN": (
        {"design": {"factors": {"rate": [0.1, float("nan")]}}},
        "rate[1]",
        "nan",
        "a finite number",
    ),
    "levels that read the same": (
        {"design": {"factors": {"rate": [0.1, "0.1"]}}},
        "design.factors.rate",
        "(0.1 is there twice)",
    ),
    "an unknown block": ({"design": {"block": "sed"}}, "design.block", "'sed'", "did you mean seed?"),
    "a sequence of independent runs": (
        {"design": {"block": None, "seeds": {"start": 5, "step": 5, "max": 60}}},
        "design.seeds is {start, step, max}, but design.block is null",
        "a fixed number",
    ),
}
ALL_REFUSED = {(name, True): case for name, case in EXTERNAL_REFUSED.items()} | {
    (name, False): case for name, case in REFUSED.items()
}


@pytest.mark.parametrize(("name", "external"), ALL_REFUSED)
def test_what_does_not_fit_is_refused_in_one_line_with_path_value_and_what_is_allowed(
    name: str, external: bool
) -> None:
    changes, *parts = ALL_REFUSED[name, external]
    with pytest.raises(StudyError) as caught:
        (with_trainer if external else resolved)(changes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("configuration: ")
    for part in parts:
        assert part in message


# What one key says of another, and NaN, which no bound refuses: no schema can say it.
BEYOND_THE_SCHEMA = (
    *("a stop of a fixed design", "a sequence that ends before it starts", "a sequence of independent runs"),
    *("a learning rate that is NaN", "a margin that is NaN", "a level that is NaN"),
    *("a control that is no level", "a factor of interest with one level", "words for no factor"),
    *("two trainers", "a margin in another unit", "a bound on the wrong side", "a unit of a proportion"),
    *("a factor that no column can be called", "a factor with the name of a column", "levels that read the same"),
    *("a command without the seed", "a command without a factor", "a misspelt factor in the command"),
    *("a format in the command", "a brace that does not close", "a quotation that does not end"),
    # A factor set to null counts for the schema.
    *("no factors", "no control"),
)


@pytest.mark.parametrize(("name", "external"), ALL_REFUSED)
def test_the_schema_refuses_what_the_model_refuses_except_for_what_no_schema_can_say(name: str, external: bool) -> None:
    config = overlaid(ALL_REFUSED[name, external][0], EXTERNAL if external else SMALL)
    accepted = jsonschema.Draft202012Validator(TRAINER_SCHEMA if external else SCHEMA).is_valid(config)
    assert accepted == (name in BEYOND_THE_SCHEMA)


@pytest.mark.parametrize("content", [None, [], 3, "text"])
def test_a_configuration_that_holds_no_keys_is_refused(content: object) -> None:
    with pytest.raises(StudyError, match=r"the file is .*; allowed: keys with values"):
        configuration.resolve(content)


@pytest.mark.parametrize("missing", [("study",), ("design",), ("study", "name"), ("design", "factors")])
def test_what_must_be_set_is_named(missing: tuple[str, ...]) -> None:
    config = copy.deepcopy(SMALL)
    holder = config
    for name in missing[:-1]:
        holder = holder[name]
    del holder[missing[-1]]
    with pytest.raises(StudyError, match=f"^configuration: {re.escape('.'.join(missing))} is missing; set it$"):
        configuration.resolve(config)


def test_a_misspelt_key_is_named_and_not_the_one_that_it_leaves_missing() -> None:
    with pytest.raises(StudyError, match=r"study.nam is no known key; .* \(did you mean name\?\)$"):
        configuration.resolve(SMALL | {"study": {"nam": "x"}})


def test_an_external_trainer_needs_a_response_and_a_margin_in_its_unit() -> None:
    for section in ("response", "plan"):
        with pytest.raises(StudyError, match=f"^configuration: {section} is missing; set it$"):
            configuration.resolve({name: value for name, value in EXTERNAL.items() if name != section})
    with pytest.raises(
        StudyError, match=r"plan.margin is missing; .* difference of the loss that matters, in its unit$"
    ):
        configuration.resolve(EXTERNAL | {"plan": {}})
    with pytest.raises(StudyError, match=r"plan.margin_pp is missing; .* in percentage points$"):
        configuration.resolve(EXTERNAL | {"response": {"kind": "proportion"}, "plan": {}})


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(StudyError) as caught:
        resolved(training={"loss": "x" * 1000})
    assert len(str(caught.value)) < 250


def test_a_sequential_design_stops_when_it_is_settled_and_an_overlay_can_make_it_fixed() -> None:
    sequence = {"start": "5", "step": 5.0, "max": 60}
    design = resolved(design={"seeds": sequence})["design"]
    assert (design["seeds"], design["stop"]) == ({"start": 5, "step": 5, "max": 60}, "settled")
    assert {type(value) for value in design["seeds"].values()} == {int}
    assert resolved(design={"seeds": sequence, "stop": "settled"})["design"] == design
    assert resolved()["design"]["stop"] is None
    assert resolved(design={"seeds": 20, "stop": None})["design"]["seeds"] == 20


def test_a_factor_set_to_null_is_taken_out() -> None:
    config = resolved(design={"factors": {"dropout": None}}, training={"dropout": 0.3})
    assert config["design"]["factors"] == {"bn": ["none", "keras"]}
    assert config["training"]["dropout"] == 0.3


def test_an_overlay_can_move_the_control_to_another_factor() -> None:
    config = resolved(design={"control": {"bn": None, "dropout": 0.3}})
    assert config["design"]["control"] == {"dropout": 0.3}
    assert list(config["design"]["factors"]) == ["dropout", "bn"]


def test_an_exponent_without_a_dot_is_a_number() -> None:
    loaded = yaml.safe_load("{lr: [2e-4, 1E-3, 5.e-3, +1e-2], plain: 0.5}")
    assert loaded["lr"][0] == "2e-4"
    config = resolved(design={"factors": {"lr": loaded["lr"]}})
    assert config["design"]["factors"]["lr"] == [0.0002, 0.001, 0.005, 0.01]


def test_texts_are_numbers_where_no_text_is_wanted() -> None:
    # What Snakemake makes of `--config 'design={...}' ...`.
    texts = {
        "study": {"name": "2026"},
        "design": {"factors": {"bn": "null", "dropout": ["0", "0.3"]}, "control": {"bn": "null", "dropout": "0.3"}},
        "training": {"lr": "5e-3", "epochs": "7"},
        "execution": {"share_trajectories": "false"},
        "report": {"labels": {"dropout": {"0.3": "1e3"}}},
    }
    config = resolved(texts | {"design": texts["design"] | {"seeds": ["0", "1"]}})
    assert config["study"]["name"] == "2026"
    assert config["design"]["factors"] == {"dropout": [0.0, 0.3]}
    assert config["design"]["control"] == {"dropout": 0.3}
    assert config["design"]["seeds"] == [0, 1]
    assert (config["training"]["lr"], config["training"]["epochs"]) == (0.005, 7)
    assert config["execution"]["share_trajectories"] is False
    assert config["report"]["labels"] == {"dropout": {"0.3": "1e3"}}
    assert resolved(design={"seeds": "4"})["design"]["seeds"] == 4


def test_numbers_have_one_type_however_they_are_written() -> None:
    written = resolved(
        {
            "design": {"factors": {"dropout": [0, "3e-1"], "epochs": [2.0, "1e1"]}, "seeds": [0, 1.0]},
            "training": {"lr": 1, "batch_size": 50.0, "train_images": "4e2"},
            "execution": {"seeds_per_job": 2.0},
        }
    )
    plain = resolved(
        {
            "design": {"factors": {"dropout": [0.0, 0.3], "epochs": [2, 10]}, "seeds": [0, 1]},
            "training": {"lr": 1.0, "batch_size": 50, "train_images": 400},
            "execution": {"seeds_per_job": 2},
        }
    )
    # repr tells 1 and 1.0 apart, equality does not.
    assert repr(written) == repr(plain)
    assert repr(resolved(design={"seeds": 3.0})["design"]["seeds"]) == "3"


def test_the_control_is_written_as_its_factor_has_it() -> None:
    config = resolved(design={"control": {"bn": None, "dropout": 0}})
    assert repr(config["design"]["control"]) == "{'dropout': 0.0}"


def test_factors_come_in_one_order_whatever_the_order_of_the_files() -> None:
    forward = resolved(design={"factors": {"dropout": [0.0, 0.3], "epochs": [1, 2], "lr": [0.1, 0.2]}})
    factors = dict(
        reversed(overlaid({"design": {"factors": forward["design"]["factors"]}})["design"]["factors"].items())
    )
    backward = configuration.resolve({**forward, "design": {**forward["design"], "factors": factors}})
    assert list(factors) != list(forward["design"]["factors"])
    assert (
        list(backward["design"]["factors"]) == list(forward["design"]["factors"]) == ["bn", "dropout", "lr", "epochs"]
    )


def test_resolving_changes_neither_the_argument_nor_the_next_result() -> None:
    given = overlaid({"design": {"factors": {"lr": None}}})
    before = copy.deepcopy(given)
    first = configuration.resolve(given)
    assert given == before
    first["report"]["titles"]["bn"] = "changed"
    assert configuration.resolve(given)["report"]["titles"] == {}
    assert configuration.resolve(first) == first


def test_an_external_trainer_keeps_its_levels_as_they_are_written() -> None:
    levels = ["no", "1", 2, 2.5, True, "5e-4"]
    design = with_trainer({"design": {"factors": {"rate": levels}, "control": {"rate": "no"}}})["design"]
    assert repr(design["factors"]["rate"]) == repr([*levels[:5], 0.0005])
    assert design["control"] == {"rate": "no"}
    for control, found in (("1", "1"), (1, "1"), ("2", 2), ("2.50", 2.5), ("true", True), ("yes", True)):
        design = with_trainer({"design": {"factors": {"rate": levels}, "control": {"rate": control}}})["design"]
        assert repr(design["control"]) == repr({"rate": found})
    assert with_trainer({})["plan"] == {"alpha": 0.05, "margin": 0.5}
    assert with_trainer({})["trainer"] == EXTERNAL["trainer"]


def test_labels_of_levels_that_are_no_texts_need_no_quotes() -> None:
    labels = with_trainer({"report": {"labels": {"rate": {0.1: "low", "0.2": "high"}}}})["report"]["labels"]
    assert labels == {"rate": {"0.1": "low", "0.2": "high"}}


DUPLICATES = {
    "a: 1\nb: 2\na: 3\n": "line 3: the key 'a' is there twice, first in line 1",
    "a:\n  b: 1\n  c: {x: 1, y: 2,\n    x: 3}\n": "line 4: the key 'x' is there twice, first in line 3",
    "a: {0.5: 1, '0.5': 2}\n": "line 1: the key '0.5' is there twice, first in line 1",
    '{"a": {"b": 1,\n "b": 2}}': "line 2: the key 'b' is there twice, first in line 1",
}


@pytest.mark.parametrize("text", DUPLICATES)
def test_a_key_that_is_there_twice_is_refused_with_file_and_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    for read in (configuration.load, configuration.read):
        with pytest.raises(StudyError) as caught:
            read(path)
        assert str(caught.value) == f"{path}, {DUPLICATES[text]}; allowed: once"


@pytest.mark.parametrize("text", ["a: &x {b: 1}\nc: {<<: *x, d: *x}\ne: [{b: 1}, {b: 2}]\n", '{\t"a": 1}', ""])
def test_the_check_for_keys_that_are_there_twice_refuses_nothing_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    configuration.read(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, ("no such file",)),
        (b"a: [1", ("cannot be read as YAML", "expected ',' or ']'")),
        (b"\xff\xfe\xfa", ("not text in UTF-8",)),
    ],
)
def test_a_file_that_is_missing_or_no_yaml_is_named_in_one_line(
    tmp_path: Path, content: bytes | None, found: tuple[str, ...]
) -> None:
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError) as caught:
        configuration.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {found[0]}")
    assert found[-1] in message
    assert "\n" not in message
