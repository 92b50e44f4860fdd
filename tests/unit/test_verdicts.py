"""What is concluded of simulated studies: every way they may come out."""

import json
import re
from typing import Any

import jsonschema
import pandas as pd
import pytest

from study.analysis.answers import QUESTIONS
from study.analysis.run import analyse
from study.stats.effects.contrasts import compare_with_control
from study.stats.table import build_table
from tests.examples import PROJECT
from tests.outcomes import Outcome, outcomes

OUTCOMES = outcomes()
SCHEMA = json.loads((PROJECT / "docs/verdicts.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    return {name: outcome.verdicts() for name, outcome in OUTCOMES.items()}


def by_the_rule(low: float | None, high: float | None, margin: float, better: str) -> str:
    """The label, written down again: the interval's place among -m, 0 and m."""
    if low is None or high is None:
        return "inconclusive"
    if better == "lower":
        low, high = -high, -low
    if low <= 0 <= high:
        return "equivalent" if -margin < low and high < margin else "inconclusive"
    side, near, far = ("better", low, high) if low > 0 else ("worse", -high, -low)
    if not margin:
        return side
    return f"{side} by more than the margin" if near > margin else f"{side} but negligible" if far < margin else side


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_has_six_answers_and_labels_by_the_rule(name: str, found: dict[str, dict[str, Any]]) -> None:
    verdicts = found[name]
    json.dumps(verdicts, allow_nan=False)
    jsonschema.validate(verdicts, SCHEMA)
    assert [row["key"] for row in verdicts["answers"]] == list(QUESTIONS)
    assert all(row["answer"] for row in verdicts["answers"])
    for arm in verdicts["arms"]:
        own = arm["label"].startswith("depends on") or arm["label"] in ("collapses", "diverges")
        decides = verdicts["decides"]
        assert own or arm["label"] == by_the_rule(arm["low"], arm["high"], decides["margin"], decides["better"])
        reasons = 3 if arm["identical"] else len(arm["certainty"]["reasons"])
        assert arm["certainty"]["grade"] == ["high", "moderate", "low", "very low"][min(3, reasons)]


BRIEFS = {
    ("clear", "helps"): r"Yes: “batch”",
    ("harmful", "helps"): r"Worse: “batch”",
    ("equivalent", "helps"): r"No difference that matters: “batch”",
    ("crossover", "helps"): r"It depends: “batch”",
    ("crossover", "size"): r"“batch” −1\.01 pp to \+0\.74 pp by dropout",
    ("crossover", "depends"): r"dropout: turns the effect round",
    ("one level", "depends"): r"dropout: changes its size",
    ("loss", "depends"): r"size: no",
    ("one factor", "depends"): r"Not studied here",
    ("collapse in a level", "depends"): r"dropout: runs fail at some of its levels",
    ("half diverged", "luck"): r"8 of 16 runs of “batch” diverge",
    ("half diverged", "size"): r"“batch” \+0\.17 pp \(runs that finished\)",
    ("equivalent", "luck"): r"One run each is a coin toss: “batch”",
    ("identical", "luck"): r"No run tells “batch” from the control",
    ("too few", "luck"): r"Too few seeds to say",
    ("control collapses", "helps"): r"The control itself fails \(“none”\); ahead of it: “batch”",
    ("control collapses", "now"): r"Mend “none” first",
    ("tuned", "tuned"): r"Undecided: “batch”",
    ("eight", "helps"): r"Yes: .*, \d more; undecided: “a”, “b”",
    ("two collapse", "now"): r"Use it: “a”; mend before use: “b”, “c”",
}


@pytest.mark.parametrize(("name", "key"), BRIEFS)
def test_the_answer_in_a_line(name: str, key: str, found: dict[str, dict[str, Any]]) -> None:
    (row,) = (row for row in found[name]["answers"] if row["key"] == key)
    assert re.fullmatch(BRIEFS[name, key], row["brief"].replace("\u202f", " "))


HEADLINES = {
    "clear": r"Yes: “batch”, 97\.45 % → 98\.10 % \(\+0\.65 pp\)\.",
    "one missing": r"Yes: .* → .* \(\+0\.37 pp in seeds that both have\)\.",
    "tuned": r"Yes: .*\. With the best lr for each, no gain is shown\.",
    "arm collapses": r"Yes: .* Training collapses: “c”, in 40 of 40 runs\.",
    "control collapses": r"The control itself fails \(“none”\)\. Ahead of it: .*",
    "crossover": r"It depends: “batch”, −1\.01 pp to \+0\.74 pp by dropout\.",
    "identical": r"Every run equals the control's: “batch”\.",
}


@pytest.mark.parametrize("name", HEADLINES)
def test_the_headline_has_the_numbers(name: str, found: dict[str, dict[str, Any]]) -> None:
    assert re.fullmatch(HEADLINES[name], found[name]["headline"].replace("\u202f", " "))


LABELS = {
    "clear": ["better by more than the margin"],
    "harmful": ["worse by more than the margin"],
    "null": ["inconclusive"],
    "equivalent": ["equivalent"],
    "negligible": ["better but negligible"],
    "too few": ["inconclusive"],
    "crossover": ["depends on dropout"],
    "one level": ["better by more than the margin"],
    "arm collapses": ["better by more than the margin", "better by more than the margin", "collapses"],
    "collapse in a level": ["collapses"],
    "half diverged": ["diverges"],
    "one run": ["inconclusive"],
    "loss": ["better by more than the margin"],
    "numeric": ["worse by more than the margin"],
    "tuned turned": ["depends on lr"],
    "no margin": ["better"],
}


@pytest.mark.parametrize("name", LABELS)
def test_the_label_is_that_of_what_was_simulated(name: str, found: dict[str, dict[str, Any]]) -> None:
    assert [arm["label"] for arm in found[name]["arms"]] == LABELS[name]


def answer(verdicts: dict[str, Any], key: str) -> str:
    (row,) = (row for row in verdicts["answers"] if row["key"] == key)
    return str(row["answer"]).replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_one_failed_run_is_a_note_and_not_the_headline(found: dict[str, dict[str, Any]]) -> None:
    text = answer(found["one run"], "helps")
    assert "Of “batch”, 1 of 20 runs end below 90 % accuracy; of “none”, none." in text
    assert "collapses" not in text


def test_a_control_that_fails_is_told_first_and_mended_first(found: dict[str, dict[str, Any]]) -> None:
    text = answer(found["control collapses"], "helps")
    assert text.startswith("The control itself fails: 23 of 40 runs end below 90 % accuracy.")
    assert answer(found["control collapses"], "now").startswith("For “batch”: mend “none” first")
    (arm,) = found["control collapses"]["arms"]
    assert "the control fails in 23 of 40 runs" in arm["certainty"]["reasons"]


def test_identical_arms_are_a_warning_and_not_an_equivalence(found: dict[str, dict[str, Any]]) -> None:
    text = answer(found["identical"], "helps")
    assert text == "“batch”: every run equals that of “none”, so norm may never have reached the training."
    assert "check that norm reaches the training" in answer(found["identical"], "now")


def test_where_a_failing_arm_fails_is_told(found: dict[str, dict[str, Any]]) -> None:
    text = answer(found["collapse in a level"], "helps")
    assert "8 of 16 runs end below 90 % accuracy; of “none”, none." in text
    assert "It happens in 8 of 8 runs at dropout 0.3, and in none at dropout 0." in text


def test_divergence_is_not_collapse_and_is_in_no_mean(found: dict[str, dict[str, Any]]) -> None:
    (arm,) = found["half diverged"]["arms"]
    assert (arm["collapsed"], arm["diverged"], arm["runs"]) == (0, 8, 16)
    assert arm["lowest"] > 97
    assert "8 of 16 runs diverge (4 of 8 seeds)" in answer(found["half diverged"], "helps")


def test_success_is_told_before_failure(found: dict[str, dict[str, Any]]) -> None:
    text = answer(found["arm collapses"], "helps")
    assert text.index("Better than “none”") < text.index("With “c”, training collapses")
    head = found["arm collapses"]["headline"]
    assert head.index("Yes: “a”") < head.index("Training collapses: “c”")


def test_the_tuned_comparison_stands_beside_the_average_where_they_differ(found: dict[str, dict[str, Any]]) -> None:
    assert "but at its own best lr inconclusive" in answer(found["tuned"], "helps")
    assert "tune both arms" in answer(found["tuned"], "now")
    (arm,) = found["tuned turned"]["arms"]
    assert arm["estimate"] > 0 > arm["tuned"]["estimate"]


def test_the_chance_of_a_wrong_sign_is_within_cells(found: dict[str, dict[str, Any]]) -> None:
    """In the crossover each cell is clear, though the average effect is small: one run of each hardly misleads."""
    (arm,) = found["crossover"]["arms"]
    assert abs(arm["estimate"]) < 0.3
    assert arm["one_run_each"]["wrong_way"] < 0.001


def test_deviations_from_the_plan_are_in_the_first_answer_and_lower_the_certainty() -> None:
    from dataclasses import replace

    from study.analysis.about import About

    told = "The margin was changed from 0.05 to 0.5 after the runs."
    outcome: Outcome = replace(OUTCOMES["clear"], about=About(deviations=(told,)))
    verdicts = outcome.verdicts()
    assert told in answer(verdicts, "helps")
    assert verdicts["arms"][0]["certainty"]["grade"] == "moderate"


def test_an_inconclusive_arm_is_told_how_many_seeds_would_settle_it(found: dict[str, dict[str, Any]]) -> None:
    (arm,) = found["null"]["arms"]
    assert arm["seeds_to_settle"] > 6
    assert f"about {arm['seeds_to_settle']} seeds would settle it against ±0.1 pp" in answer(found["null"], "now")


def test_an_unfinished_study_concludes_nothing() -> None:
    from dataclasses import replace

    from study.analysis.about import About

    verdicts = replace(OUTCOMES["clear"], about=About(stamp="INTERIM 3 of 80 runs.")).verdicts()
    assert verdicts["arms"] == []
    assert {row["answer"] for row in verdicts["answers"]} == {"INTERIM 3 of 80 runs."}


def test_what_pools_arms_leaves_out_those_that_fail_and_says_so() -> None:
    outcome = OUTCOMES["arm collapses"]
    results = analyse(outcome.table, outcome.plan)
    assert results["analysis"]["pooled"] == ["a", "b"]
    assert [row["level"] for row in results["mixed"]["contrasts"]] == ["a", "b"]
    sound = analyse(outcome.table.only(["none", "a", "b"]), outcome.plan)
    assert results["power"]["main"]["sd_difference"] == sound["power"]["main"]["sd_difference"]
    assert results["mixed"]["components"] == sound["mixed"]["components"]


def test_an_arm_that_does_not_collapse_is_the_same_under_both_handlings_of_collapse() -> None:
    """Though c loses cells, and its levels with them."""
    outcome = OUTCOMES["arm collapses"]
    rows = analyse(outcome.table, outcome.plan)["specification"]
    found = {
        handling: {
            (row["level"], row["scale"], row["method"]): row["estimate"]
            for row in rows
            if row["handling"] == handling
            and row["level"] in "ab"
            and row["method"] in ("CR2", "Wilcoxon", "HC3, no blocks")
        }
        for handling in ("all runs", "not collapsed")
    }
    assert found["all runs"] == pytest.approx(found["not collapsed"], rel=1e-9)
    assert len(found["all runs"]) == 2 * 2 * 3


@pytest.mark.parametrize("name", ["arm collapses", "no block", "identical", "too few", "half diverged"])
def test_where_a_number_is_lacking_a_note_says_why(name: str) -> None:
    outcome = OUTCOMES[name]
    results = analyse(outcome.table, outcome.plan)
    numbers = ("estimate", "se", "df", "statistic", "p", "ci_low", "ci_high")
    for kind in ("contrasts", "simple_effects", "level_effects", "interactions", "specification"):
        for row in results[kind]:
            assert row["note"] or all(row[number] is not None for number in numbers), (kind, row)


def test_an_interval_ends_where_differences_end() -> None:
    rows = [(arm, s, 500 if arm == "x" and s else 9_700) for arm in "cx" for s in range(2)]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "k"]).assign(n=10_000)
    (row,) = compare_with_control(build_table(frame, ["arm"], "c", "seed", "k", "n"))
    assert (row.ci_low, row.ci_high) == (-100.0, 100.0)
    assert row.note == "the interval is cut at what is possible"
