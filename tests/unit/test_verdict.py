"""The verdict's sentences are true for every outcome."""

from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
from study.stats.effects.equivalence import Verdict as Label

from study.files import write_json
from study.report.results import Results, read_results
from study.report.verdict import Verdict, verdict
from study.trainers.mnist.explanation import MnistExplanation

OF_A_RESPONSE = {"successes": None, "trials": None, "response": "k"}
LABELS = {"none": "no BN", "a": "arm A", "b": "arm B"}


def results(folder: Path, contrasts: list[dict[str, Any]], **files: Any) -> Results:
    """The results of a study with these contrasts and further files, by name."""
    levels = ["none", *dict.fromkeys(row["level"] for row in contrasts)]
    design = {
        "name": "trial",
        "question": "Does it help?",
        "factors": [{"name": "bn", "title": "BN", "levels": levels, "labels": [LABELS[level] for level in levels]}],
    }
    counts = all(row["scale"] != "response" for row in contrasts)
    validation = {f"validation_{role}": role for role in ("successes", "trials", "response")}
    analysis = {
        "factors": {"bn": levels},
        "control": {"factor": "bn", "level": "none"},
        "block": "seed",
        "blocks": 9,
        "plan": {"alpha": 0.05, "margin": 0.1, "collapse_below": 0.9, "adjust": "max-t", **validation},
        "outcome": {"successes": "k", "trials": "n", "response": None} if counts else OF_A_RESPONSE,
    }
    analysis["outcome"] |= {"name": "test accuracy", "unit": "", "better": "higher"}
    for name, value in {"design": design, "analysis": analysis, "contrasts": contrasts, **files}.items():
        write_json(folder / f"{name}.json", value)
    pd.DataFrame({"bn": levels, "seed": 1, "k": 98, "n": 100}).to_parquet(folder / "runs.parquet")
    return read_results(folder)


def concluded(study: Results) -> Verdict:
    """The verdict with what the built-in trainer knows."""
    return verdict(study, MnistExplanation(study.folder))


def contrast(level: str, estimate: float | None, low: float | None, high: float | None, label: str) -> dict[str, Any]:
    return {
        "factor": "bn",
        "level": level,
        "control": "none",
        "scale": "pp",
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        "p_adjusted": None if low is None else 0.03,
        "verdict": label,
    }


def collapse(**collapsed: int) -> dict[str, Any]:
    """Counts of collapsed runs of 9, by level."""
    arms = [{"level": k, "runs": 9, "collapsed": v, "diverged": 0, "rate": v / 9} for k, v in collapsed.items()]
    comparisons = [{"level": k, "rate_difference": (v - collapsed["none"]) / 9} for k, v in collapsed.items()]
    return {"threshold": 0.9, "arms": arms, "cells": [], "comparisons": comparisons[1:]}


def mechanism(level: str, collapsed: int, recovered: int, off: float | None) -> dict[str, Any]:
    arm = {
        "level": level,
        "runs": 9,
        "collapsed": collapsed,
        "recovered_by_population": recovered,
        "median_accuracy": {"moving": 30.0, "population": 99.0, "batch": 98.9},
        "gap": [],
        "final_gap_factor": off,
    }
    ranges = {way: {"min": 20.0, "median": 30.0, "max": 60.0} for way in ("moving", "population", "batch")}
    return {"threshold": 0.9, "arms": [arm], "cells": [{"levels": {"bn": level}, "runs": 9, "accuracy": ranges}]}


def words(found: Verdict) -> str:
    return found.line.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_a_gain_beyond_the_margin_is_told_with_effect_interval_and_margin(tmp_path: Path) -> None:
    found = verdict(results(tmp_path, [contrast("a", 0.234, 0.151, 0.317, "better and matters")]))
    assert words(found) == (
        "Better than no BN by enough to matter (margin ±0.1 pp): arm A, +0.23 pp (95 % interval +0.15 to +0.32)."
    )
    assert [(arm.label, arm.kind) for arm in found.arms] == [("better and matters", "good")]


def test_no_effect_is_equivalence_and_not_a_failure_to_find(tmp_path: Path) -> None:
    found = verdict(results(tmp_path, [contrast("a", -0.01, -0.05, 0.03, "equivalent")]))
    assert words(found) == "Equivalent to no BN (within ±0.1 pp): arm A, −0.01 pp (95 % interval −0.05 to +0.03)."
    assert not found.notes


def test_too_few_seeds_are_inconclusive_and_do_not_deny_an_effect(tmp_path: Path) -> None:
    found = verdict(results(tmp_path, [contrast("a", 0.85, -0.19, 1.89, "inconclusive")]))
    assert words(found).startswith("Inconclusive against no BN (margin ±0.1 pp): arm A, +0.85 pp")
    assert "not “no effect”" in found.notes[-1]


def test_an_inconclusive_arm_whose_interval_excludes_zero_is_not_called_undecided(tmp_path: Path) -> None:
    found = verdict(results(tmp_path, [contrast("a", 0.09, 0.02, 0.16, "inconclusive")]))
    assert "better, but perhaps by too little to matter" in words(found)


def test_a_contrast_without_interval_says_so(tmp_path: Path) -> None:
    found = verdict(results(tmp_path, [contrast("a", 0.4, None, None, "inconclusive")]))
    assert "arm A, +0.40 pp (no interval: too few runs)" in words(found)
    assert found.arms[0].interval == ""


def test_a_contrast_without_estimate_is_reported_as_such(tmp_path: Path) -> None:
    found = verdict(results(tmp_path, [contrast("a", None, None, None, "inconclusive")]))
    assert "arm A, no estimate" in words(found)


def test_collapse_comes_first_and_its_cause_from_the_scores(tmp_path: Path) -> None:
    rows = [contrast("a", 0.23, 0.15, 0.31, "better and matters"), contrast("b", -60.0, -70.0, -50.0, "worse")]
    study = results(tmp_path, rows, collapse=collapse(none=0, a=0, b=9), mechanism=mechanism("b", 9, 9, 640.0))
    found = concluded(study)
    assert words(found).startswith(
        "1 of the 2 compared with no BN collapses below 90 % accuracy: arm B in 9 of 9 runs, no BN in 0 of 9. Its "
        "training is sound, as 9 of 9 collapsed runs recover with the training set's own statistics; its moving "
        "variance ends 640 times off the true one. Better than no BN"
    )
    assert [arm.label for arm in found.arms] == ["better and matters", "collapses"]
    why = MnistExplanation(tmp_path).section(study)
    assert why is not None
    (cause,) = (text.replace("\N{NARROW NO-BREAK SPACE}", " ") for text in why.text)
    assert cause.startswith("arm B: Scored with")
    assert "the median accuracy is 99.00 % instead of 30.00 %" in cause
    assert "between 20.00 % and 60.00 %" in cause


def test_several_arms_that_collapse_have_a_cause_each(tmp_path: Path) -> None:
    rows = [contrast("a", -60.0, -70.0, -50.0, "worse"), contrast("b", -60.0, -70.0, -50.0, "worse")]
    both = mechanism("a", 9, 0, None)
    both["arms"] += mechanism("b", 8, 5, 2.0)["arms"]
    found = concluded(results(tmp_path, rows, collapse=collapse(none=0, a=9, b=8), mechanism=both))
    assert "arm A: Only 0 of 9 collapsed runs recover with the training set's own statistics." in words(found)
    assert "arm B: Most of its training is sound, as 5 of 8 collapsed runs recover" in words(found)


def test_a_collapse_that_no_statistics_mend_does_not_blame_them(tmp_path: Path) -> None:
    rows = [contrast("b", -60.0, -70.0, -50.0, "worse")]
    study = results(tmp_path, rows, collapse=collapse(none=0, b=9), mechanism=mechanism("b", 9, 1, 640.0))
    text = words(concluded(study))
    assert "sound" not in text
    assert "moving variance" not in text
    assert "Only 1 of 9 collapsed runs recover" in text


def test_right_statistics_are_not_blamed(tmp_path: Path) -> None:
    rows = [contrast("b", -60.0, -70.0, -50.0, "worse")]
    study = results(tmp_path, rows, collapse=collapse(none=0, b=9), mechanism=mechanism("b", 9, 9, 1.02))
    text = words(concluded(study))
    assert "training is sound" in text
    assert "moving variance" not in text


def test_without_an_explanation_no_cause_is_named(tmp_path: Path) -> None:
    rows = [contrast("b", -60.0, -70.0, -50.0, "worse")]
    found = verdict(results(tmp_path, rows, collapse=collapse(none=0, b=9), mechanism=mechanism("b", 9, 9, 640.0)))
    assert words(found) == "What is compared collapses below 90 % accuracy: arm B in 9 of 9 runs, no BN in 0 of 9."


def test_an_arm_that_collapses_no_more_than_the_control_keeps_its_verdict(tmp_path: Path) -> None:
    rows = [contrast("a", 0.23, 0.15, 0.31, "better and matters")]
    found = verdict(results(tmp_path, rows, collapse=collapse(none=3, a=2)))
    assert found.arms[0].label == "better and matters"
    assert any("no BN, collapses too: 3 of 9" in note for note in found.notes)
    assert any("arm A: 2 of 9 runs collapse, no larger share" in note for note in found.notes)


def test_all_runs_diverged_is_no_comparison(tmp_path: Path) -> None:
    runs = {"planned": 18, "done": 18, "ok": 0, "diverged": 18, "missing": 0}
    rows = [contrast("a", 0.0, 0.0, 0.0, "equivalent")]
    found = verdict(results(tmp_path, rows, provenance={"runs": runs}))
    assert words(found) == "Nothing to compare: all 18 runs diverged."
    assert not found.arms


def test_one_level_is_no_comparison(tmp_path: Path) -> None:
    assert words(verdict(results(tmp_path, []))) == "Nothing to compare: BN has one level, no BN."


def test_an_unfinished_study_gets_a_stamp_and_no_verdict(tmp_path: Path) -> None:
    runs = {"planned": 1200, "done": 18, "ok": 18, "diverged": 0, "missing": 1182}
    rows = [contrast("a", 0.23, 0.15, 0.31, "better and matters")]
    found = verdict(results(tmp_path, rows, provenance={"runs": runs}))
    assert found.stamp == "INTERIM 18 of 1,200 runs."
    assert "0.23" not in words(found)
    assert not found.arms


@pytest.mark.parametrize("label", get_args(Label))
def test_every_label_of_the_engine_has_a_sentence(tmp_path: Path, label: str) -> None:
    found = verdict(results(tmp_path, [contrast("a", 0.23, 0.15, 0.31, label)]))
    assert "arm A, +0.23" in words(found)
    assert found.arms[0].kind in {"good", "bad", "even", "unsure"}


def test_a_response_is_told_in_its_own_unit(tmp_path: Path) -> None:
    row = contrast("a", 3.14, 1.0, 5.0, "better and matters") | {"scale": "response"}
    text = words(verdict(results(tmp_path, [row])))
    assert "arm A, +3.14 (95 % interval +1.00 to +5.00)" in text
    assert "pp" not in text
