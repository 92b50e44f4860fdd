"""From a configuration to runs: the factorial design, the identity of a run, and how runs are packed into jobs.

The Snakefile imports this module in every job, so it imports the standard library alone.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass
from typing import Any

from study import packing
from study.training.version import ENGINE_VERSION

# Settings of `training` that no result depends on.
CONVENIENCES = ("checkpoint_every",)

# The level of the factor of interest that stands for the control trained again under other seeds (an A/A comparison),
# and how far those seeds are from the block's; beyond every seed that a configuration may name.
NEGATIVE_CONTROL = "control_again"
OTHER_SEEDS = 2**31


@dataclass(frozen=True)
class Cell:
    """One combination of factor levels.

    Attributes:
        levels: the level of every factor.
        settings: all that decides a training beside the seed and the data: the configuration's settings, overridden by
            `levels`.
        trajectory: the name of the training that produces it; cells of one name share their trainings.
        seed_offset: how far the seed it is trained with is from the seed of its block.
    """

    levels: dict[str, Any]
    settings: dict[str, Any]
    trajectory: str
    seed_offset: int = 0


@dataclass(frozen=True)
class Job:
    """The seeds of one trajectory that one process trains, one after another."""

    trajectory: str
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]

    @property
    def block(self) -> str:
        return f"{self.seeds[0]}-{self.seeds[-1]}"

    @property
    def priority(self) -> int:
        """Larger is earlier: the first seeds of all cells first, so that an unfinished study is a balanced one.

        Among those, the trainings that carry more cells first: they take longer, and last they would leave cores idle.
        """
        return len(self.cells) - 1000 * self.seeds[0]

    def key(self, data_fingerprint: str) -> str:
        """8 hexadecimal digits that change with anything that would change one of the job's runs.

        They are part of the name of the job's output, so that Snakemake sees a changed job as a missing file, which it
        notices in every case. (A changed parameter it overlooks if the job's design is written anew in the same call.)
        """
        identity = [[cell.settings for cell in self.cells], self.seeds, data_fingerprint, ENGINE_VERSION]
        return hashlib.sha256(_canonical(identity)).hexdigest()[:8]


def factors(config: dict[str, Any]) -> dict[str, list[Any]]:
    """The factors and their levels, the negative control among them if the design has one."""
    declared = config["design"]["factors"]
    if not config["design"]["negative_control"]:
        return declared
    (focus,) = config["design"]["control"]
    return declared | {focus: [*declared[focus], NEGATIVE_CONTROL]}


def cells(config: dict[str, Any]) -> list[Cell]:
    """Cross all factors of a resolved configuration, in the order of the configuration, the last factor fastest."""
    crossed = factors(config)
    ((focus, control),) = config["design"]["control"].items()
    result = []
    for combination in itertools.product(*crossed.values()):
        levels = dict(zip(crossed, combination, strict=True))
        again = levels[focus] == NEGATIVE_CONTROL
        chosen = config["training"] | levels | ({focus: control} if again else {})
        settings = {name: value for name, value in chosen.items() if name not in CONVENIENCES}
        offset = OTHER_SEEDS if again else 0
        result.append(Cell(levels, settings, _trajectory(levels, settings, config), offset))
    return result


def _trajectory(levels: dict[str, Any], settings: dict[str, Any], config: dict[str, Any]) -> str:
    # BN implementations differ in their inference statistics alone, so one training carries all of them.
    shared = (
        config["execution"]["share_trajectories"] and settings["bn"] != "none" and levels.get("bn") == settings["bn"]
    )
    return "_".join(f"{name}~{'shared' if shared and name == 'bn' else level}" for name, level in levels.items())


def seeds(config: dict[str, Any]) -> list[int]:
    """The seeds of a resolved configuration, the most it may use; a number n stands for 0 to n - 1."""
    value = config["design"]["seeds"]
    if isinstance(value, dict):
        value = value["max"]
    return list(range(value)) if isinstance(value, int) else list(value)


def looks(config: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of seeds at which a sequential design decides which contrasts get more; () for a fixed design."""
    value = config["design"]["seeds"]
    return planned_looks(value["start"], value["step"], value["max"]) if isinstance(value, dict) else ()


def planned_looks(start: int, step: int, most: int) -> tuple[int, ...]:
    """`start`, then every `step` below `most`, and `most`."""
    return (*range(start, most, step), most)


def jobs(config: dict[str, Any]) -> list[Job]:
    """Pack all runs into jobs: each trajectory's seeds in blocks, of `study.packing.seeds_per_job`, from the first.

    The blocks' bounds do not depend on the number of seeds, so more seeds mean more jobs, not other jobs; only a last,
    shorter block is replaced by a full one. In a sequential design blocks end at every look.
    """
    crossed = cells(config)
    size = packing.seeds_per_job(config["execution"], [cell.settings for cell in crossed])
    values = seeds(config)
    ends = [0, *(looks(config) or (len(values),))]
    blocks = [
        tuple(values[start : min(start + size, end)])
        for first, end in itertools.pairwise(ends)
        for start in range(first, end, size)
    ]
    by_trajectory: dict[str, list[Cell]] = {}
    for cell in crossed:
        by_trajectory.setdefault(cell.trajectory, []).append(cell)
    # Block by block, so that an unfinished study has all cells of its first seeds.
    return [Job(name, tuple(members), block) for block in blocks for name, members in by_trajectory.items()]


def analysis_options(config: dict[str, Any]) -> list[str]:
    """The options of `study analyze` that a resolved configuration asks for: what is compared, and the bounds."""
    ((focus, control),) = config["design"]["control"].items()
    plan = config["plan"]
    options = [f"--factor={factor}" for factor in config["design"]["factors"]]
    if plan["tune"] in config["design"]["factors"] and plan["tune"] != focus:
        options.append(f"--tune={plan['tune']}")
    if config["design"]["negative_control"]:
        options.append(f"--negative-control={NEGATIVE_CONTROL}")
    if looks(config):
        options.append(f"--looks={','.join(map(str, looks(config)))}")
    return [
        *options,
        *("--successes=test_correct", "--trials=test_trials", "--block=seed", f"--control={focus}={control}"),
        *(f"--alpha={plan['alpha']}", f"--margin-pp={plan['margin_pp']}", f"--collapse-below={plan['collapse_below']}"),
    ]


def minutes_allowed(config: dict[str, Any], job: Job) -> int:
    """The time limit of a job, in minutes."""
    return packing.minutes_allowed(config["execution"], [cell.settings for cell in job.cells], len(job.seeds))


def run_id(settings: dict[str, Any], seed: int, data_digest: str) -> str:
    """The identity of a run: a digest of all that decides its result, and of nothing else.

    16 hexadecimal digits of the SHA-256 of the settings, the seed, the data's digest and the engine's version.
    """
    identity = {"settings": settings, "seed": seed, "data": data_digest, "engine": ENGINE_VERSION}
    return hashlib.sha256(_canonical(identity)).hexdigest()[:16]


def plan_digest(config: dict[str, Any]) -> str:
    """A digest of what is decided before the first run: the factors, the control and the bounds of the tests."""
    plan = {"plan": config["plan"], "factors": config["design"]["factors"], "control": config["design"]["control"]}
    if looks(config):
        plan["seeds"], plan["stop"] = config["design"]["seeds"], config["design"]["stop"]
    return hashlib.sha256(_canonical(plan)).hexdigest()[:16]


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
