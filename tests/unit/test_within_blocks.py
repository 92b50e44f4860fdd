"""Contrasts of tables with holes against R: lm(y ~ 0 + cell + block) with clubSandwich's CR2 (0.5.8) by block."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.stats.effects.contrasts import average_part, cell_parts, effects, fit_cell_means
from study.stats.table import RunTable, build_table

CASES = json.loads((Path(__file__).parent / "within_blocks.json").read_text())


def table_of(rows: pd.DataFrame) -> RunTable:
    return build_table(rows, ["arm", "other"], "a", "block", response="y")


@pytest.mark.parametrize("name", CASES)
def test_contrasts_of_tables_with_holes_equal_those_of_r(name: str) -> None:
    table = table_of(pd.DataFrame(CASES[name]["rows"]))
    found = effects(table, [average_part(table)]) + effects(table, cell_parts(table))
    ours = {(row.level, row.cell.get("other", "avg")): row for row in found}
    for expected in CASES[name]["contrasts"]:
        row = ours[expected["level"], expected["other"]]
        assert (row.estimate, row.se, row.df) == pytest.approx(
            tuple(expected[key] for key in ("estimate", "se", "df")), rel=1e-9
        )


def test_without_a_hole_the_comparison_within_blocks_is_that_of_cell_means() -> None:
    rng = np.random.default_rng(3)
    rows = [(a, o, s) for a in "abc" for o in "uv" for s in range(7)]
    frame = pd.DataFrame(rows, columns=["arm", "other", "block"])
    frame["y"] = rng.normal(size=len(frame)) + frame["block"]
    table = table_of(frame)
    matrix = np.concatenate([part.matrix for part in cell_parts(table)])
    plain = fit_cell_means(table, "response")
    from study.stats.effects import within_blocks

    y = frame["y"].to_numpy()
    within = within_blocks.fit(y, table.cell_index(), table.block_index(), len(plain.count))
    forced = replace(plain, within=within).estimate(matrix)
    expected = plain.estimate(matrix)
    np.testing.assert_allclose(forced.estimate, expected.estimate, atol=1e-12)
    np.testing.assert_allclose(forced.covariance, expected.covariance, atol=1e-12)
    np.testing.assert_allclose(forced.df, expected.df, rtol=1e-10)


def test_one_missing_run_does_not_undo_the_pairing() -> None:
    """Blocks differ by 100 times the effect: plain means of unequal blocks would drown it."""
    rng = np.random.default_rng(1)
    rows = [(arm, "u", s, 30.0 * s + 0.33 * (arm == "b") + rng.normal(0, 0.05)) for arm in "ab" for s in range(20)]
    frame = pd.DataFrame(rows, columns=["arm", "other", "block", "y"]).drop(index=3)
    (row,) = effects(table_of(frame), [average_part(table_of(frame))])
    assert row.estimate == pytest.approx(0.33, abs=0.06)
    assert row.se < 0.05
    assert (row.pairs, row.blocks) == (19, 20)
    assert row.note == "19 of 20 blocks have runs of both sides and are compared with themselves"


def test_blocks_without_both_sides_compare_unpaired_and_say_so() -> None:
    row = effects(table := table_of(pd.DataFrame(CASES["disjoint"]["rows"])), [average_part(table)])[0]
    assert row.pairs == 0
    assert row.note == "no block has runs of both sides: the comparison is unpaired"


def test_a_large_common_offset_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    rows = [(arm, "u", s, (arm == "b") + rng.normal()) for arm in "ab" for s in range(12)]
    frame = pd.DataFrame(rows, columns=["arm", "other", "block", "y"])
    (near,) = effects(table := table_of(frame), [average_part(table)])
    far_frame = frame.assign(y=frame["y"] + 1e12)
    (far,) = effects(far_table := table_of(far_frame), [average_part(far_table)], margin=0.1)
    assert far.estimate == pytest.approx(near.estimate, abs=1e-3)
    assert far.p == pytest.approx(near.p, abs=1e-3)
