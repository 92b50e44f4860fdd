"""Where, when and with what a run was made."""

import datetime
import functools
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.design.plan import Plan

# Set by the Snakefile, so that all jobs of one call of Snakemake measure from one moment; and the cores of this machine
# that the call may use, empty if its jobs run elsewhere.
STARTED = "STUDY_STARTED"
CORES = "STUDY_CORES"

INSTRUCTION_SETS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def provenance(plan: "Plan", source: Path, versions: Mapping[str, str], device: str | None = None) -> dict[str, Any]:
    """The provenance of a run that ends now.

    Args:
        source: a folder within the checkout of the code that trained.
        versions: of what decides a result's last bits, by package; Python's is added.
        device: what it was trained on, "cpu" or "gpu"; None if that is not known.

    Returns:
        `study`, `plan_digest`, `commit`, `call` (see `call`), `host`, `processor`, `device`, `versions`, and
        `finished`, the time in UTC.
    """
    return {
        "study": plan.name,
        "plan_digest": plan.digest,
        "commit": commit(source),
        "call": call(),
        "host": platform.node(),
        "processor": processor(),
        "device": device,
        "versions": {"python": platform.python_version(), **versions},
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def call() -> dict[str, Any] | None:
    """When the call of Snakemake that this process belongs to started (seconds since 1970), and its cores.

    None outside Snakemake, and where jobs run on other machines.
    """
    started, cores = os.environ.get(STARTED), os.environ.get(CORES)
    return {"started": float(started), "cores": int(cores)} if started and cores else None


@functools.cache
def commit(folder: Path) -> str | None:
    """The commit of the git checkout that holds `folder`, with `+` if tracked files differ; else None."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def processor() -> str:
    """By what the numerical libraries choose kernels and cut sums: its name, instruction sets, and cache sizes.

    The name alone does not tell: virtual machines call several types of processor the same.
    """
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    flags = processor_flags()
    try:
        caches = [(path / "size").read_text().strip() for path in sorted(CACHES.glob("index*"))]
    except OSError:
        caches = []
    return " ".join([name, *(flag for flag in INSTRUCTION_SETS if flag in flags), *caches])


def processor_flags() -> set[str]:
    """The processor's instruction sets by their Linux names; empty where the system does not tell."""
    return set(_cpuinfo("flags").split())


def _cpuinfo(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")
