"""Two minutes of `tests/soak.py`, which has all kinds of death: other ones every day, and `make soak` for longer."""

import datetime

import pytest

from tests.soak import KINDS, soak

MINUTES = 2


def test_studies_that_die_at_random_come_to_the_same_end(capsys: pytest.CaptureFixture[str]) -> None:
    seed = datetime.datetime.now(datetime.UTC).date().toordinal()
    counts = soak(MINUTES, seed)
    with capsys.disabled():
        print(f"\nsoak: seed {seed}: {dict(counts)}")
    assert counts["rounds"] == sum(counts[kind] for kind in KINDS) > 0
    assert counts["records lost"] == 0
