"""The factorial design: its cells, the identity of a run, and how runs are packed into jobs."""

import hashlib
import json
import math
from typing import Any

import pytest

from study import trainers
from study.config import resolve as configuration
from study.design import factorial
from study.trainers.mnist.trainer import MnistTrainer
from study.trainers.mnist.version import ENGINE_VERSION
from tests.examples import PROJECT, SMALL, jobs, planned, resolved

SETTINGS: dict[str, Any] = {
    "precision": "float32",
    "network": "asker",
    "bn": "keras",
    "dropout": 0.3,
    "lr": 0.0002,
    "epochs": 10,
    "batch_size": 200,
    "train_images": 55000,
    "loss": "softmax_cross_entropy",
}
FULL = configuration.load(PROJECT / "config.yaml")


def origin(images: str, engine: int = ENGINE_VERSION) -> dict[str, Any]:
    return {"data": images, "engine": engine}


def cells(config: dict[str, Any]) -> list[factorial.Cell]:
    return planned(config).cells()


def run_ids(config: dict[str, Any]) -> list[str]:
    return [run_id for run_id, _, _ in planned(config, "d").runs()]


def runs_of(found: list[factorial.Job]) -> list[tuple[str, int]]:
    return [
        (json.dumps(cell.settings, sort_keys=True), seed) for job in found for cell in job.cells for seed in job.seeds
    ]


def test_all_levels_are_crossed_the_last_factor_fastest() -> None:
    crossed = cells(resolved(design={"factors": {"bn": ["none", "libs", "keras"]}}))
    assert [tuple(cell.levels.values()) for cell in crossed] == [
        ("none", 0.0),
        ("none", 0.3),
        ("libs", 0.0),
        ("libs", 0.3),
        ("keras", 0.0),
        ("keras", 0.3),
    ]
    assert all(list(cell.levels) == ["bn", "dropout"] for cell in crossed)


def test_a_cell_has_all_settings_its_levels_over_those_of_the_configuration() -> None:
    config = resolved(training={"dropout": 0.9, "checkpoint_every": 1})
    expected = config["training"] | {"bn": "keras", "dropout": 0.3}
    del expected["checkpoint_every"]
    assert cells(config)[3].settings == expected
    assert expected["lr"] == 0.001


def test_the_registered_study_has_600_runs_in_240_trainings() -> None:
    assert len(set(run_ids(FULL))) == 5 * 2 * 3 * 20 == 600
    trainings = {(cell.trajectory, seed) for cell in cells(FULL) for seed in factorial.seeds(FULL)}
    assert len(trainings) == 2 * 2 * 3 * 20 == 240


def test_the_order_of_the_factors_in_the_files_changes_nothing() -> None:
    forward = resolved(design={"factors": {"lr": [0.1, 0.2], "epochs": [1, 2]}})
    turned = dict(reversed(forward["design"]["factors"].items()))
    backward = configuration.resolve(forward | {"design": forward["design"] | {"factors": turned}})
    assert cells(forward) == cells(backward)
    assert jobs(forward) == jobs(backward)
    assert run_ids(forward) == run_ids(backward)
    assert factorial.plan_digest(forward) == factorial.plan_digest(backward)


# -- the identity of a run


def test_a_run_id_is_the_sha256_of_the_sorted_json_of_what_decides_its_result() -> None:
    text = (
        '{"data":"abc","engine":ENGINE,"seed":7,"settings":{"batch_size":200,"bn":"keras","dropout":0.3,"epochs":10,'
        '"loss":"softmax_cross_entropy","lr":0.0002,"network":"asker","precision":"float32","train_images":55000}}'
    ).replace("ENGINE", str(ENGINE_VERSION))
    assert factorial.run_id(SETTINGS, 7, origin("abc")) == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_id_differs_with_every_setting(name: str) -> None:
    value = SETTINGS[name]
    other = f"{value}_2" if isinstance(value, str) else 2 * value
    assert factorial.run_id(SETTINGS | {name: other}, 7, origin("abc")) != factorial.run_id(SETTINGS, 7, origin("abc"))


def test_a_run_id_differs_with_the_last_bit_of_a_number() -> None:
    assert math.nextafter(0.0002, 1) != 0.0002
    next_lr = SETTINGS | {"lr": math.nextafter(0.0002, 1)}
    assert factorial.run_id(next_lr, 7, origin("abc")) != factorial.run_id(SETTINGS, 7, origin("abc"))


def test_a_run_id_is_made_of_every_setting_of_a_training() -> None:
    assert set(SETTINGS) == set(cells(FULL)[0].settings)


def test_a_run_id_differs_with_the_seed_the_data_and_the_engine() -> None:
    ids = [
        factorial.run_id(SETTINGS, 7, origin("abc")),
        factorial.run_id(SETTINGS, 8, origin("abc")),
        factorial.run_id(SETTINGS, 7, origin("abd")),
        factorial.run_id(SETTINGS, 7, origin("abc", ENGINE_VERSION + 1)),
    ]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"study": {"name": "other", "question": "?"}},
        {"execution": {"seeds_per_job": 1}},
        {"execution": {"share_trajectories": False}},
        {"training": {"checkpoint_every": 3}},
        {"plan": {"margin_pp": 0.5, "alpha": 0.01, "collapse_below": 0.5}},
        {"report": {"titles": {"bn": "BN"}}},
        {"design": {"seeds": 2}},
        {"design": {"seeds": 30}},
        {"design": {"seeds": [5, 1, 2, 0]}},
        {"design": {"factors": {"bn": ["none", "libs", "contrib"]}, "control": {"bn": "libs"}}},
        {"design": {"factors": {"dropout": [0.3, 0.5]}}},
        {"design": {"factors": {"dropout": None}}, "training": {"dropout": 0.3}},
        {"design": {"factors": {"dropout": None, "lr": [0.1, 0.001]}}, "training": {"dropout": 0.3, "lr": 7}},
        {"design": {"factors": {"bn": None}, "control": {"bn": None, "dropout": 0.3}}, "training": {"bn": "none"}},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_a_run_keeps_its_id_whatever_else_the_study_holds(changes: dict[str, Any]) -> None:
    run = run_ids(resolved())[4]
    assert run == factorial.run_id(SETTINGS | SMALL["training"] | {"bn": "none", "dropout": 0.3}, 1, origin("d"))
    assert run in run_ids(resolved(changes))


def test_the_number_of_threads_is_no_setting() -> None:
    assert not any("thread" in name for name in FULL["training"])


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"plan": {"margin_pp": 0.2}}, True),
        ({"plan": {"alpha": 0.01}}, True),
        ({"plan": {"collapse_below": 0.5}}, True),
        ({"design": {"factors": {"dropout": [0.0, 0.5]}}}, True),
        ({"design": {"control": {"bn": "keras"}}}, True),
        ({"design": {"seeds": 40}}, False),
        ({"execution": {"seeds_per_job": 1, "share_trajectories": False}}, False),
        ({"study": {"name": "other"}}, False),
        ({"report": {"titles": {"bn": "BN"}}}, False),
        ({"design": {"control": {"bn": "none"}}}, False),
    ],
)
def test_the_plan_digest_tells_a_changed_plan_and_nothing_else(changes: dict[str, Any], differs: bool) -> None:
    assert (factorial.plan_digest(resolved(changes)) != factorial.plan_digest(resolved())) == differs


# -- jobs


@pytest.mark.parametrize("seeds_per_job", [1, 2, 3, 20])
@pytest.mark.parametrize("share", [True, False])
def test_jobs_hold_every_run_once_however_they_are_packed(seeds_per_job: int, share: bool) -> None:
    config = FULL | {"execution": FULL["execution"] | {"seeds_per_job": seeds_per_job, "share_trajectories": share}}
    packed = jobs(config)
    wanted = [(json.dumps(cell.settings, sort_keys=True), seed) for cell in cells(FULL) for seed in range(20)]
    assert sorted(runs_of(packed)) == sorted(wanted)
    names = [(job.trajectory, job.block) for job in packed]
    assert len(set(names)) == len(names)
    assert all(len(job.seeds) <= seeds_per_job for job in packed)


def test_a_shared_training_carries_all_implementations_and_never_the_network_without_bn() -> None:
    for job in jobs(FULL):
        implementations = [cell.levels["bn"] for cell in job.cells]
        assert implementations in (["none"], ["libs", "contrib", "contrib_stale", "keras"])
        for name in ("dropout", "lr"):
            assert len({cell.levels[name] for cell in job.cells}) == 1


def test_without_sharing_every_job_trains_one_cell() -> None:
    execution = FULL["execution"] | {"seeds_per_job": 20, "share_trajectories": False}
    assert [len(job.cells) for job in jobs(FULL | {"execution": execution})] == [1] * 30


def test_more_seeds_are_more_jobs_and_not_other_jobs() -> None:
    def packed(seeds: int) -> list[factorial.Job]:
        return jobs(resolved(design={"seeds": seeds}, execution={"seeds_per_job": 5}))

    assert all(job in packed(40) for job in packed(20))
    # Only a last, shorter block is replaced.
    kept = [job for job in packed(7) if job in packed(20)]
    assert {job.block for job in kept} == {"0-4"}
    assert {job.block for job in packed(7)} == {"0-4", "5-6"}
    assert {job.block for job in packed(20)} == {"0-4", "5-9", "10-14", "15-19"}


def test_the_key_of_a_job_changes_with_all_that_decides_its_runs_and_with_nothing_else() -> None:
    def keys(changes: dict[str, Any], images: str = "d") -> dict[str, str]:
        """The keys of the jobs with dropout 0.3 and the first seeds, by trajectory."""
        packed = jobs(resolved(changes))
        return {job.trajectory: job.key(images) for job in packed if job.trajectory.endswith("0.3") and 0 in job.seeds}

    usual = keys({})
    assert list(usual) == ["bn~none_dropout~0.3", "bn~shared_dropout~0.3"]
    assert len(set(usual.values())) == 2
    for same in (
        {"design": {"factors": {"dropout": [0.3, 0.9]}}},
        {"plan": {"margin_pp": 0.5}},
        {"report": {"titles": {"bn": "BN"}}},
        {"study": {"name": "other"}},
        {"training": {"checkpoint_every": 1}},
        {"training": {"dropout": 0.5}},
    ):
        assert keys(same) == usual
    # Three seeds a job, and then more of them, in other jobs.
    three = {"execution": {"seeds_per_job": 3}}
    assert keys(three | {"design": {"seeds": 9}}) == usual
    # A level more concerns only the jobs that train it.
    more = keys({"design": {"factors": {"bn": ["none", "libs", "keras"]}}})
    assert [more[name] == usual[name] for name in usual] == [True, False]
    others = [
        keys({"training": {"lr": 0.002}}),
        keys({"training": {"epochs": 3}}),
        keys({"training": {"loss": "naive_log"}}),
        keys({"design": {"seeds": 2}}),
        keys({"design": {"seeds": [0, 1, 3]}}),
        keys({}, images="e"),
    ]
    assert len({key for found in [usual, *others] for key in found.values()}) == 2 * 7


def test_the_fingerprint_of_the_built_in_trainer_changes_with_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = trainers.choose(resolved()).fingerprint()
    monkeypatch.setattr(MnistTrainer, "version", ENGINE_VERSION + 1)
    assert trainers.choose(resolved()).fingerprint() != before


def test_the_first_seeds_of_all_cells_come_before_the_next_seeds() -> None:
    packed = jobs(resolved(design={"seeds": 4}, execution={"seeds_per_job": 2}))
    assert [job.block for job in packed] == ["0-1"] * 4 + ["2-3"] * 4


def test_a_number_of_seeds_counts_from_0_and_a_list_names_them() -> None:
    assert factorial.seeds(resolved(design={"seeds": 3})) == [0, 1, 2]
    assert factorial.seeds(resolved(design={"seeds": [9, 4]})) == [9, 4]


@pytest.mark.parametrize("changes", [{}, {"training": {"lr": 1e-5}}, {"design": {"factors": {"lr": [1e-5, 10]}}}])
def test_trajectories_are_plain_names_for_files(changes: dict[str, Any]) -> None:
    for cell in cells(resolved(changes)):
        assert set(cell.trajectory) <= set("abcdefghijklmnopqrstuvwxyz0123456789._~-")
