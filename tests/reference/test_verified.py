"""Two runs of the published study, without and with BN, trained again: minutes, so in a file of their own."""

import pytest

from study import cli
from tests.examples import PROJECT

# Decides which two.
RNG_SEED = "3"


def test_two_of_the_published_runs_train_again_to_what_was_published(capsys: pytest.CaptureFixture[str]) -> None:
    reference = str(PROJECT / "reference/bn-on-mnist")
    assert cli.main(["verify", reference, "--sample", "2", "--rng-seed", RNG_SEED]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert "(bn none, seed 11): " in first
    assert "(bn libs, seed 5): " in second
    same = [line.endswith(": the same bits") for line in (first, second)]
    near = ["and no further apart than the lowest and the highest run of its cell" in line for line in (first, second)]
    assert [one or other for one, other in zip(same, near, strict=True)] == [True, True]
    assert last == f"{sum(same)} of 2 runs have the same bits"
