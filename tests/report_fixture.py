"""A results directory as a finished study leaves it, from simulated runs: for tests of the report.

The runs are drawn so that they behave as the networks do: a shared quality of each (seed, cell), a small gain of every
normalised arm, and moving statistics that forget their start at the speed of their decay, which decides the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study.analysis.about import About
from study.analysis.files import write as write_analysis
from study.analysis.run import analyse
from study.design.response import AnalysisSpec
from study.files import write_json
from study.stats.sequential.path import paths
from study.stats.table import build_table
from study.trainers.mnist.mechanism import mechanism
from study.trainers.mnist.recovery import advice
from study.words import level_key

TRIALS = 10_000
DEVIATIONS = ["30 of 600 runs were recorded under another plan (ffff, study <i>pilot</i>)."]
VALIDATION_TRIALS = 5_000
STEPS_AN_EPOCH = 275
PLAN: dict[str, Any] = {"alpha": 0.05, "margin": 0.1, "collapse_below": 0.9}
TRUE_VARIANCE = {1: 1e-3, 2: 6e-3}
"""Variance of the two normalised layers' inputs, where the moving variance starts at 1."""


@dataclass(frozen=True)
class Arm:
    """One level of the factor of interest. `decay` None: not normalised; 1.0: statistics that are never updated."""

    level: str
    label: str
    gain: float = 0.0
    decay: float | None = None
    zero_start: bool = False


ARMS = (
    Arm("none", "no BN"),
    Arm("libs", "tutorial (decay 0.9)", gain=0.16, decay=0.9, zero_start=True),
    Arm("contrib", "contrib (decay 0.999)", gain=0.16, decay=0.999),
    Arm("contrib_stale", "contrib, updates forgotten", gain=0.16, decay=1.0),
    Arm("keras", "Keras (momentum 0.99)", gain=0.16, decay=0.99),
)


@dataclass(frozen=True)
class Scenario:
    arms: Sequence[Arm] = ARMS
    seeds: int = 20
    epochs: int = 10
    dropout: Sequence[float] = (0.0, 0.3)
    lr: Sequence[float] = (2e-4, 1e-3, 5e-3)
    diverge: float = 0.0
    """Share of trainings that end in NaN."""
    run_sd: float = 0.06
    seed_sd: float = 0.04
    question: str = "Does batch normalisation improve a small convolutional network on MNIST?"
    title: str = "batch normalisation"
    done: int | None = None
    """Number of seeds that are done; None: all."""
    name: str = "simulated"
    mechanism: bool = True
    looks: Sequence[int] = ()
    """Of a sequential study; its arms have the seeds that they were given."""


def write_results(folder: Path, scenario: Scenario | None = None, *, seed: int = 1) -> Path:
    """Write the results of `scenario` to `folder` and return it."""
    scenario = scenario or Scenario()
    folder.mkdir(parents=True, exist_ok=True)
    runs, curves, gaps = simulate(scenario, np.random.default_rng(seed))
    planned = len(scenario.arms) * len(scenario.dropout) * len(scenario.lr) * scenario.seeds
    write_json(folder / "design.json", _design(scenario, planned))
    write_json(folder / "provenance.json", _provenance(runs, planned))
    names = [factor["name"] for factor in _factors(scenario)]
    control = scenario.arms[0].level
    if scenario.looks:
        whole = build_table(runs, names, control, "seed", "test_correct", "test_trials")
        for path in paths(whole, scenario.looks, margin=PLAN["margin"]):
            runs = runs[(runs["bn"] != path.level) | (runs["seed"] < path.looks[-1].blocks)]
        most = runs.loc[runs["bn"] != control, "seed"].max()
        runs = runs[runs["seed"] <= most].reset_index(drop=True)
        curves, gaps = (table[table["run_id"].isin(runs["run_id"])] for table in (curves, gaps))
        planned = len(runs)
        write_json(folder / "provenance.json", _provenance(runs, planned))
    runs.to_parquet(folder / "runs.parquet")
    runs.drop(columns="correct_bits").to_csv(folder / "runs.csv", index=False)
    curves.to_parquet(folder / "curves.parquet")
    gaps.to_parquet(folder / "statistics_gap.parquet")
    table = build_table(runs, names, control, "seed", "test_correct", "test_trials")
    tune = "lr" if len(scenario.lr) > 1 and runs["seed"].nunique() > 3 else None
    spec = AnalysisSpec(
        table.factors,
        control,
        "seed",
        "test_correct",
        "test_trials",
        name="test accuracy",
        **PLAN,
        tune=tune,
        looks=tuple(scenario.looks),
    )
    about = _about(scenario, len(runs), planned)
    if scenario.mechanism:
        training = {"epochs": scenario.epochs, "batch_size": 200, "train_images": 200 * STEPS_AN_EPOCH}
        found = mechanism(runs, gaps, names, 0.9, training)
        write_json(folder / "mechanism.json", found)
        about = replace(about, advice={arm["level"]: told for arm in found["arms"] if (told := advice(arm))})
    write_analysis(analyse(table, spec, curves, about=about), folder / "analysis")
    return folder


def _about(scenario: Scenario, done: int, planned: int) -> About:
    factors = _factors(scenario)
    return About(
        study=scenario.name,
        question=scenario.question,
        stamp=f"INTERIM {done} of {planned} runs." if done < planned else "",
        titles={factor["name"]: factor["title"] for factor in factors},
        labels={
            factor["name"]: {
                level_key(level): label for level, label in zip(factor["levels"], factor["labels"], strict=True)
            }
            for factor in factors
        },
        planned=planned,
        deviations=tuple(DEVIATIONS),
    )


def simulate(scenario: Scenario, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The tables runs, curves and statistics_gap of a study."""
    done = scenario.seeds if scenario.done is None else scenario.done
    runs, curves, gaps = [], [], []
    seed_effect = scenario.seed_sd * rng.normal(size=scenario.seeds)
    for dropout, lr, seed in product(scenario.dropout, scenario.lr, range(done)):
        cell = -4.3 + 0.25 * (np.log10(lr) + 3.0) ** 2 - 0.3 * dropout
        diverged = rng.random() < scenario.diverge
        # The normalised arms share one training: the same weights, other inference.
        shared = {normalised: scenario.run_sd * rng.normal() for normalised in (False, True)}
        noise = {normalised: rng.normal(size=scenario.epochs) for normalised in (False, True)}
        width = rng.normal(0.0, 0.1)
        for arm in scenario.arms:
            normalised = arm.decay is not None
            run_id = f"{arm.level[:9]}-{dropout}-{lr}-{seed:03d}"
            keys = {"run_id": run_id, "bn": arm.level, "dropout": dropout, "lr": lr, "seed": seed}
            gain = arm.gain * (1.0 + 0.4 * (np.log10(lr) + 3.0))
            final = cell + seed_effect[seed] + shared[normalised] - gain
            for layer, factor in _gap(arm, 0, width).items():
                # An average that starts at 0 has no ratio yet.
                start = np.log(factor) if factor > 0.0 else float("nan")
                gaps.append(keys | {"epoch": 0, "layer": layer, "log_variance_ratio": start})
            for epoch in range(1, scenario.epochs + 1):
                clean = final + 2.6 * np.exp(-0.55 * (epoch - 1) * (1.4 if normalised else 1.0))
                clean += 0.12 * noise[normalised][epoch - 1] * np.exp(-0.05 * epoch)
                factors = _gap(arm, epoch * STEPS_AN_EPOCH, width)
                moving = _degrade(clean, factors, arm, rng)
                if epoch == scenario.epochs:
                    population = clean
                k = VALIDATION_TRIALS * 0.0986 if diverged else rng.binomial(VALIDATION_TRIALS, _accuracy(moving))
                loss = float("nan") if diverged else float(np.exp(clean / 1.3))
                curves.append(
                    keys
                    | {
                        "epoch": epoch,
                        "train_loss": loss,
                        "validation_correct": int(k),
                        "validation_trials": VALIDATION_TRIALS,
                        "validation_loss": loss * 1.2,
                    }
                )
                for layer, factor in factors.items():
                    ratio = np.log(factor) + 0.05 * rng.normal()
                    gaps.append(keys | {"epoch": epoch, "layer": layer, "log_variance_ratio": ratio})
            plain = _counts(moving, TRIALS, diverged, rng)
            best = _counts(population, TRIALS, diverged, rng) if normalised else plain
            batch = _counts(population + 0.06, TRIALS, diverged, rng) if normalised else plain
            bits = np.zeros(TRIALS, dtype=np.uint8)
            # Hard images are the same for every run: the first ones are right most often.
            order = np.argsort(np.arange(TRIALS) / TRIALS + rng.normal(0, 0.02, TRIALS))
            bits[order[:plain]] = 1
            runs.append(
                keys
                | {
                    "status": "diverged" if diverged else "ok",
                    "test_correct": plain,
                    "test_trials": TRIALS,
                    "validation_correct": int(k),
                    "validation_trials": VALIDATION_TRIALS,
                    "test_correct_population": best,
                    "test_correct_batch": batch,
                    "validation_correct_population": best // 2,
                    "validation_correct_batch": batch // 2,
                    "test_loss": loss,
                    "training_seconds": 31.0 + rng.normal(0, 1.5),
                    "evaluation_seconds": 2.2,
                    "images_per_second": 17_500.0,
                    "weights_digest": f"{rng.integers(2**62):016x}",
                    "predictions_digest": f"{rng.integers(2**62):016x}",
                    "correct_bits": np.packbits(bits).tobytes(),
                    "plan_digest": "3f1c09d2a7b84e55",
                    "host": "node-1",
                    "commit": "0123456789abcdef0123456789abcdef01234567",
                }
            )
    return pd.DataFrame(runs), pd.DataFrame(curves), pd.DataFrame(gaps)


def _gap(arm: Arm, steps: int, width: float) -> dict[int, float]:
    """Moving variance over true variance, by layer."""
    if arm.decay is None:
        return {}
    start = 0.0 if arm.zero_start else 1.0
    left = arm.decay**steps
    return {layer: left * start / (v * np.exp(width)) + (1.0 - left) for layer, v in TRUE_VARIANCE.items()}


def _degrade(clean: float, factors: dict[int, float], arm: Arm, rng: np.random.Generator) -> float:
    """The log odds of error with moving statistics: a wrong scale costs more the more it is wrong."""
    if not factors:
        return clean
    wrong = sum(np.log(np.maximum(f, 1e-12)) for f in factors.values())
    if wrong < 0.5:
        return clean
    chance = 2.2 if wrong < 9 else 0.35
    mix = 1.0 / (1.0 + np.exp(-(wrong - 2.5)))
    return (1.0 - mix) * clean + mix * (chance + 0.35 * rng.normal())


def _accuracy(log_odds: float) -> float:
    return float(np.clip(1.0 / (1.0 + np.exp(log_odds)), 0.0, 1.0))


def _counts(log_odds: float, trials: int, diverged: bool, rng: np.random.Generator) -> int:
    return int(trials * 0.098) if diverged else int(rng.binomial(trials, _accuracy(log_odds)))


def _factors(scenario: Scenario) -> list[dict[str, Any]]:
    """The factors that vary, as design.json holds them."""
    bn = {
        "name": "bn",
        "title": scenario.title,
        "levels": [arm.level for arm in scenario.arms],
        "labels": [arm.label for arm in scenario.arms],
    }
    dropout = [f"{value:g}" if value else "no dropout" for value in scenario.dropout]
    others = [
        {"name": "dropout", "title": "dropout rate", "levels": list(scenario.dropout), "labels": dropout},
        {
            "name": "lr",
            "title": "learning rate",
            "levels": list(scenario.lr),
            "labels": [f"{v:g}" for v in scenario.lr],
        },
    ]
    return [bn, *(factor for factor in others if len(factor["levels"]) > 1)]


def _design(scenario: Scenario, planned: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": scenario.name,
        "question": scenario.question,
        "network": "asker",
        "factors": _factors(scenario),
        "block": "seed",
        "seeds": list(range(scenario.seeds)),
        "control": {"factor": "bn", "level": scenario.arms[0].level},
        "runs_planned": planned,
        "plan": {"alpha": 0.05, "margin_pp": 0.1, "collapse_below": 0.9},
        "plan_digest": "3f1c09d2a7b84e55",
        "epochs": scenario.epochs,
        "batch_size": 200,
        "train_images": 55_000,
        "data": {"name": "MNIST", "digest": "8d4fb7e6c68d591d"},
    }


def _provenance(runs: pd.DataFrame, planned: int) -> dict[str, Any]:
    diverged = int((runs.status == "diverged").sum())
    return {
        "schema": 1,
        "versions": {"python": ["3.11.9"], "tensorflow": ["2.21.0"], "numpy": ["2.4.6"]},
        "commits": ["0123456789abcdef0123456789abcdef01234567"],
        "hosts": ["node-1"],
        "processors": ["a processor, 2 cores"],
        "devices": ["CPU"],
        "data_digest": "8d4fb7e6c68d591d",
        "engine_version": 1,
        "plan_digests": ["3f1c09d2a7b84e55"],
        "runs": {
            "planned": planned,
            "done": len(runs),
            "ok": len(runs) - diverged,
            "diverged": diverged,
            "missing": planned - len(runs),
        },
        "deviations": DEVIATIONS,
        "cost": {
            "trainings": 240,
            "training_seconds": float(runs.training_seconds.sum()),
            "evaluation_seconds": float(runs.evaluation_seconds.sum()),
            "first_record": "2025-11-20T08:00:00+00:00",
            "last_record": "2025-11-20T13:12:00+00:00",
            "use": {"core_seconds": 37440.0, "training": 0.872, "scoring": 0.081},
        },
    }
