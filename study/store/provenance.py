"""Where and with what a run was made: the commit, the processor."""

import platform
import subprocess
from pathlib import Path


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
    """The processor's name, as the system tells it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def processor_flags() -> set[str]:
    """The processor's instruction sets by their Linux names; empty where the system does not tell."""
    return set(_cpuinfo("flags").split())


def _cpuinfo(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")
