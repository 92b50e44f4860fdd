"""From a configuration to runs: the factorial design, the identity of a run, and how runs are packed into jobs.

The Snakefile imports this module in every job, so it imports the standard library alone.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.design import job_size
from study.words import level_text

# By factor, the levels that one training serves together, as the trainer has them (`study.trainers.base.Trainer`).
SharedLevels = Mapping[str, Sequence[Any]]

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
        settings: all that decides a training besides the seed and the data: the configuration's settings, overridden by
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

    def key(self, fingerprint: str) -> str:
        """8 hexadecimal digits that change with anything that would change one of the job's runs.

        `fingerprint` is the trainer's (`study.trainers.base.Trainer`).

        They are part of the name of the job's output, so that Snakemake sees a changed job as a missing file, which it
        notices in every case. (It overlooks a changed parameter if the job's design is written in the same call.)
        """
        return digest([[[cell.settings, cell.seed_offset] for cell in self.cells], self.seeds, fingerprint], 8)


def factors(config: dict[str, Any]) -> dict[str, list[Any]]:
    """The factors and their levels, the negative control among them if the design has one."""
    declared = config["design"]["factors"]
    if not config["design"]["negative_control"]:
        return declared
    (focus,) = config["design"]["control"]
    return declared | {focus: [*declared[focus], NEGATIVE_CONTROL]}


def cells(config: dict[str, Any], shared: SharedLevels) -> list[Cell]:
    """Cross all factors of a resolved configuration, in the order of the configuration, the last factor fastest."""
    crossed = factors(config)
    ((focus, control),) = config["design"]["control"].items()
    result = []
    for combination in itertools.product(*crossed.values()):
        levels = dict(zip(crossed, combination, strict=True))
        again = levels[focus] == NEGATIVE_CONTROL
        chosen = config.get("training", {}) | levels | ({focus: control} if again else {})
        settings = {name: value for name, value in chosen.items() if name not in CONVENIENCES}
        # Where cells share no seeds, how far a cell's are from the design's depends on nothing but the cell.
        offset = (OTHER_SEEDS if again else 0) + (0 if block(config) else int(digest(settings, 7), 16))
        result.append(Cell(levels, settings, _trajectory(levels, shared), offset))
    return result


def block(config: dict[str, Any]) -> str | None:
    """What runs of different cells share: the seed; None in a design in which no two cells share one."""
    return config["design"].get("block", "seed")


def _trajectory(levels: dict[str, Any], shared: SharedLevels) -> str:
    name = "_".join(
        f"{factor}~{'shared' if level in shared.get(factor, ()) else _in_a_path(level)}"
        for factor, level in levels.items()
    )
    # A folder's name has at most 255 characters, and Snakemake adds its own.
    return name if len(name) <= 160 else f"{name[:150]}~{_digest(name)}"


def _in_a_path(level: Any) -> str:
    """The level as a part of a folder's name; one with characters that are awkward there carries a digest."""
    text = level_text(level)
    plain = re.sub(r"[^A-Za-z0-9._+-]", "-", text)[:40]
    return text if plain == text else f"{plain}~{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


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


def jobs(config: dict[str, Any], shared: SharedLevels) -> list[Job]:
    """Pack all runs into jobs: each trajectory's seeds in blocks of `job_size.seeds_per_job`, from the first.

    The blocks' bounds do not depend on the number of seeds, so more seeds mean more jobs, not other jobs; only a last,
    shorter block is replaced by a full one. In a sequential design blocks end at every look.
    """
    size = job_size.seeds_per_job(config["execution"])
    values = seeds(config)
    ends = [0, *(looks(config) or (len(values),))]
    blocks = [
        tuple(values[start : min(start + size, end)])
        for first, end in itertools.pairwise(ends)
        for start in range(first, end, size)
    ]
    by_trajectory: dict[str, list[Cell]] = {}
    for cell in cells(config, shared):
        by_trajectory.setdefault(cell.trajectory, []).append(cell)
    # Block by block, so that an unfinished study has all cells of its first seeds.
    return [Job(name, tuple(members), block) for block in blocks for name, members in by_trajectory.items()]


def run_id(settings: dict[str, Any], seed: int, origin: dict[str, Any]) -> str:
    """The identity of a run: a digest of all that decides its result, and of nothing else.

    16 hexadecimal digits of the SHA-256 of the settings, the seed and the trainer's `origin`: for the built-in one
    the data's digest and the engine's version, for another its command or function and the content of its files.
    """
    return digest({"settings": settings, "seed": seed} | origin, 16)


def plan_digest(config: dict[str, Any]) -> str:
    """A digest of what is decided before the first run: the factors, the control and the bounds of the tests.

    With a trainer of one's own also the kind and direction of the response, and the block.
    """
    plan = {"plan": config["plan"], "factors": config["design"]["factors"], "control": config["design"]["control"]}
    if "trainer" in config:
        plan |= {"response": {name: config["response"][name] for name in ("kind", "better")}, "block": block(config)}
    if looks(config):
        plan |= {"seeds": config["design"]["seeds"], "stop": config["design"]["stop"]}
    return digest(plan, 16)


def digest(value: Any, digits: int) -> str:
    """The first hexadecimal digits of the SHA-256 of a value, in one spelling as JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
