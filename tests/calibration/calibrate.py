"""How often the tests are wrong when the truth is known: `python -m tests.calibration.calibrate` (minutes).

Simulated studies under the plan's scenarios A to F go through the analysis. Printed are, with Monte Carlo standard
errors in brackets, in per cent: how often a true null is rejected at 5 %, how often intervals hold the truth, and how
often a real effect is found. Then how many studies have any false label at no effect, at the margin, and at its
negative; then the sequential design: false claims at many looks, false labels, and the seeds that it spends. Exit
status 1 if a rate is out of its limits in a scenario where no run collapses.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from study.stats.effects.anova import anova
from study.stats.effects.contrasts import average_part, compare_with_control, fit_cell_means
from study.stats.layout import block_means, outcome_grid
from study.stats.planning.simulate import SCENARIOS, Truth, scenario, simulate
from study.stats.table import RunTable, build_table
from tests.calibration import labels, sequential

ALPHA = 0.05
EFFECTS_PP = (0.1, 0.2)
CONTRAST_LIMITS = (0.035, 0.065)
OMNIBUS_LIMITS = (0.025, 0.065)
CHUNK = 50


@dataclass(frozen=True)
class Rate:
    """A share of simulated studies and its Monte Carlo standard error."""

    value: float
    error: float

    @staticmethod
    def of(outcomes: np.ndarray) -> "Rate":
        """From outcomes (simulations,): each the share of a study's contrasts for which something holds."""
        return Rate(float(outcomes.mean()), float(outcomes.std(ddof=1) / np.sqrt(len(outcomes))))

    def __str__(self) -> str:
        return f"{100 * self.value:5.1f} ({100 * self.error:.1f})"


@dataclass(frozen=True)
class Calibration:
    """What a scenario's simulations showed, at 5 % and 95 %.

    Attributes:
        contrast: share of contrasts rejected (unadjusted p).
        worst_arm: the same of the arm where it is farthest from 5 %.
        familywise: share of studies with any contrast rejected after adjustment.
        coverage: share of single intervals that hold the truth; simultaneous: of studies where all adjusted ones do.
        omnibus: share of studies whose Greenhouse-Geisser test of the factor rejects.
        naive: share of contrasts rejected by a t test that takes every run as independent, for comparison.
    """

    contrast: Rate
    worst_arm: Rate
    familywise: Rate
    coverage: Rate
    simultaneous: Rate
    omnibus: Rate
    naive: Rate


def calibrate(truth: Truth, simulations: int, seed: int, jobs: int = 1) -> Calibration:
    """Simulate `simulations` studies of a truth and count. The result does not depend on `jobs`."""
    chunks = [min(CHUNK, simulations - start) for start in range(0, simulations, CHUNK)]
    seeds = np.random.SeedSequence(seed).spawn(len(chunks))
    if jobs == 1:
        parts = [_studies(truth, size, child) for size, child in zip(chunks, seeds, strict=True)]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            parts = list(pool.map(_studies, [truth] * len(chunks), chunks, seeds))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rejected = found["p"] < ALPHA
    worst = int(np.argmax(np.abs(rejected.mean(axis=0) - ALPHA)))
    return Calibration(
        contrast=Rate.of(rejected.mean(axis=1)),
        worst_arm=Rate.of(rejected[:, worst].astype(float)),
        familywise=Rate.of((found["p_adjusted"] < ALPHA).any(axis=1).astype(float)),
        coverage=Rate.of(found["covered"].mean(axis=1)),
        simultaneous=Rate.of(found["all_covered"].all(axis=1).astype(float)),
        omnibus=Rate.of((found["p_omnibus"] < ALPHA).astype(float)),
        naive=Rate.of((found["p_naive"] < ALPHA).mean(axis=1)),
    )


def power(truth: Truth, effect: float, simulations: int, seed: int) -> Rate:
    """How often the contrast of the first arm is found, adjusted, if it improves by `effect` pp."""
    rng = np.random.default_rng(seed)
    truth = replace(truth, effects={truth.arms[1]: effect})
    found = []
    for _ in range(simulations):
        first = compare_with_control(_table(truth, rng), "log_odds")[0]
        found.append(float(first.p_adjusted is not None and first.p_adjusted < ALPHA))
    return Rate.of(np.array(found))


def _studies(truth: Truth, simulations: int, seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    names = ("p", "covered", "p_omnibus", "p_naive", "p_adjusted", "all_covered")
    rows: dict[str, list] = {name: [] for name in names}
    template = _table(truth, rng)
    for study in range(simulations):
        table = replace(template, frame=template.frame.assign(test_correct=simulate(truth, rng)["test_correct"]))
        found = fit_cell_means(table, "log_odds").estimate(average_part(table).matrix)
        expected = np.array([truth.log_odds_effect(level) for level in table.arms])
        rows["p"].append(2 * stats.t.sf(np.abs(found.estimate / found.se), found.df))
        rows["covered"].append(np.abs(found.estimate - expected) <= stats.t.isf(ALPHA / 2, found.df) * found.se)
        rows["p_omnibus"].append(_omnibus(table))
        if study % 5 == 0:  # these would take most of the time
            rows["p_naive"].append(_naive(table))
            effects = compare_with_control(table, "log_odds")
            rows["p_adjusted"].append([e.p_adjusted for e in effects])
            rows["all_covered"].append([e.ci_low <= x <= e.ci_high for e, x in zip(effects, expected, strict=True)])
    return {name: np.array(values, dtype=float) for name, values in rows.items()}


def _table(truth: Truth, rng: np.random.Generator) -> RunTable:
    frame = simulate(truth, rng)
    return build_table(frame, list(truth.design), truth.arms[0], "seed", "test_correct", "test_trials")


def _omnibus(table: RunTable) -> float:
    """Greenhouse-Geisser p of the focus factor. It rests on the blocks' means over the other factors alone, so the
    analysis of these means has the same F and epsilon, and is the faster by the other terms."""
    grid = outcome_grid(table, table.values("log_odds"))
    means = np.array([block_means(arm) for arm in grid.values])
    frame = table.frame[[table.focus, table.block]].drop_duplicates().reset_index(drop=True)
    arm = frame[table.focus].map({level: i for i, level in enumerate(grid.arms)}).to_numpy(dtype=int)
    block = frame[table.block].astype(str).map({name: i for i, name in enumerate(grid.blocks)}).to_numpy(dtype=int)
    frame["mean"] = means[arm, block]
    term = anova(build_table(frame, [table.focus], table.control, table.block, response="mean"), "response")[0]
    return 1.0 if term.p_gg is None else term.p_gg


def _naive(table: RunTable) -> list[float]:
    free = RunTable(table.frame, table.factors, None, table.control, table.successes, table.trials)
    return [e.p if e.p is not None else 1.0 for e in compare_with_control(free, "log_odds")]


def _within(rate: Rate, limits: tuple[float, float]) -> bool:
    return limits[0] <= rate.value <= limits[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2000, help="studies a scenario (default 2000)")
    parser.add_argument("--seed", type=int, default=20, help="of the random numbers (default 20)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    arguments = parser.parse_args()
    started = time.monotonic()
    titles = ["contrast", "worst arm", "any", "covers", "all cover", "omnibus GG", "naive t"]
    titles += [f"finds {effect:g} pp" for effect in EFFECTS_PP]
    print(f"{arguments.simulations} studies a scenario, 20 seeds, 5 x 2 x 3; per cent (Monte Carlo standard error)")
    print("    " + "".join(f"{title:>13}" for title in titles))
    faults = []
    for name in SCENARIOS:
        truth = scenario(name)
        rates = calibrate(truth, arguments.simulations, arguments.seed, arguments.jobs)
        found = [power(truth, effect, max(arguments.simulations // 10, 2), arguments.seed) for effect in EFFECTS_PP]
        shown = [*(getattr(rates, field) for field in rates.__dataclass_fields__), *found]
        print(f"{name:<4}" + "".join(f"{rate!s:>13}" for rate in shown), flush=True)
        if truth.collapse:
            continue
        if not _within(rates.contrast, CONTRAST_LIMITS):
            faults.append(f"{name}: primary contrasts reject {rates.contrast} %, not 3.5 to 6.5 %")
        if not _within(rates.omnibus, OMNIBUS_LIMITS):
            faults.append(f"{name}: the omnibus test rejects {rates.omnibus} %, not 2.5 to 6.5 %")
    faults += labels.report(arguments.simulations, arguments.seed)
    faults += sequential.report(arguments.simulations, arguments.seed)
    print(f"{time.monotonic() - started:.0f} s")
    print("\n".join(faults) if faults else "all rates are within their limits wherever no run collapses")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
