"""The tuned comparison: no winner's curse, and the right choices."""

import numpy as np
import pandas as pd
import pytest

from study.errors import StudyError
from study.stats.effects.contrasts import compare_with_control
from study.stats.effects.tuned import tuned
from study.stats.table import RunTable, build_table

RNG = np.random.default_rng
LEVELS = {"norm": ["without", "batch"], "width": ["thin", "wide"], "rate": ["low", "mid", "high"]}


def simulate(rng: np.random.Generator, best: dict[str, str], sd: float = 0.3, seeds: int = 12) -> pd.DataFrame:
    """Scores of 0, plus 1 where an arm has its best rate; validation and score share the run's luck."""
    rows = []
    for norm in LEVELS["norm"]:
        for width in LEVELS["width"]:
            for rate in LEVELS["rate"]:
                for seed in range(seeds):
                    value = float(best.get(norm) == rate) + rng.normal(scale=sd)
                    rows.append((norm, width, rate, seed, value, value + rng.normal(scale=sd / 3)))
    return pd.DataFrame(rows, columns=["norm", "width", "rate", "seed", "score", "validation"])


def table_of(frame: pd.DataFrame, block: str | None = "seed") -> RunTable:
    return build_table(frame, ["norm", "width", "rate"], "without", block, response="score")


def test_each_arm_is_judged_at_its_own_best_level() -> None:
    frame = simulate(RNG(0), {"without": "low", "batch": "high"}, sd=0.05)
    found = tuned(table_of(frame), "rate", frame["validation"].to_numpy(), RNG(1))
    # With a clear choice it is the comparison of the best levels, no more.
    kept = frame[
        ((frame["norm"] == "without") & (frame["rate"] == "low"))
        | ((frame["norm"] == "batch") & (frame["rate"] == "high"))
    ]
    plain = build_table(kept, ["norm", "width"], "without", "seed", response="score")
    expected = compare_with_control(plain, "response")[0]
    assert found.contrasts[0].estimate == pytest.approx(expected.estimate)
    assert found.contrasts[0].se == pytest.approx(expected.se)
    assert [(choice.arm, choice.cell["width"], choice.best) for choice in found.choices] == [
        ("without", "thin", "low"),
        ("without", "wide", "low"),
        ("batch", "thin", "high"),
        ("batch", "wide", "high"),
    ]
    assert all(choice.shares[choice.best] == 1.0 for choice in found.choices)


def test_there_is_no_winners_curse() -> None:
    """Only noise, but one arm has three levels to choose from and the other's are equal by force."""
    rng = RNG(2)
    estimates, naive = [], []
    for _ in range(60):
        frame = simulate(rng, {})
        control = frame["norm"] == "without"
        frame.loc[control, "score"] = frame.loc[control].groupby(["width", "seed"])["score"].transform("first")
        frame.loc[control, "validation"] = frame.loc[control, "score"]
        found = tuned(table_of(frame), "rate", frame["validation"].to_numpy(), rng)
        estimates.append(found.contrasts[0].estimate)
        means = frame.groupby(["norm", "width", "rate"])["score"].mean().groupby(["norm", "width"]).max()
        naive.append(means["batch"].mean() - means["without"].mean())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates)) < 3 * error
    assert np.mean(naive) > 5 * error  # what choosing and judging on the same seeds would have claimed


def test_the_draws_decide_nothing_but_the_splits() -> None:
    frame = simulate(RNG(3), {"batch": "mid"})
    one, other = (tuned(table_of(frame), "rate", frame["validation"].to_numpy(), RNG(5)) for _ in range(2))
    assert one == other


def test_counts_are_compared_in_percentage_points_against_the_margin() -> None:
    frame = simulate(RNG(4), {"batch": "mid", "without": "mid"}, sd=0.2)
    frame["right"] = (9_700 + 50 * frame["score"]).round().astype(int)
    frame["images"] = 10_000
    table = build_table(frame, ["norm", "width", "rate"], "without", "seed", "right", "images")
    found = tuned(table, "rate", frame["validation"].to_numpy(), RNG(0), margin=0.1)
    (effect,) = found.contrasts
    as_numbers = build_table(
        frame.assign(pp=frame["right"] / 100), ["norm", "width", "rate"], "without", "seed", response="pp"
    )
    again = tuned(as_numbers, "rate", frame["validation"].to_numpy(), RNG(0), margin=0.1).contrasts[0]
    assert (effect.estimate, effect.se, effect.label) == (
        pytest.approx(again.estimate),
        pytest.approx(again.se),
        again.label,
    )


def test_a_level_without_runs_in_a_half_is_not_chosen() -> None:
    frame = simulate(RNG(5), {"batch": "mid"})
    frame = frame.drop(index=frame.index[(frame["norm"] == "batch") & (frame["rate"] == "low") & (frame["seed"] > 0)])
    found = tuned(table_of(frame), "rate", frame["validation"].to_numpy(), RNG(0))
    assert found.contrasts[0].p is not None


@pytest.mark.parametrize(
    ("factor", "block", "seeds", "words"),
    [
        ("norm", "seed", 12, "is not one of the other factors"),
        ("depth", "seed", 12, "width, rate"),
        ("rate", None, 12, "block"),
        ("rate", "seed", 3, "four"),
    ],
)
def test_a_plan_that_cannot_be_tuned_is_told(factor: str, block: str | None, seeds: int, words: str) -> None:
    frame = simulate(RNG(0), {}, seeds=seeds)
    with pytest.raises(StudyError, match=words):
        tuned(table_of(frame, block), factor, frame["validation"].to_numpy(), RNG(0))
