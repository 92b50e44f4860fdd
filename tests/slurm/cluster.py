"""A real Slurm of two nodes on one machine, with no accounting, as a cluster without slurmdbd has it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun", "setpriv")
# The executor takes SLURM_* out of its jobs' environment, so that they find the controller by this file alone.
CONFIGURATION = Path("/etc/slurm/slurm.conf")
MARK = "# of the tests of process "
NODES = {"n1": 17001, "n2": 17002}
PATIENCE = 600
"""Seconds after which something that was waited for has failed to come."""

Value = TypeVar("Value")


def until(look: Callable[[], Value], what: str, patience: float = PATIENCE) -> Value:
    """Wait until `look` gives something true; returns it."""
    deadline = time.monotonic() + patience
    while not (value := look()):
        assert time.monotonic() < deadline, f"waited {patience} s in vain for: {what}"
        time.sleep(0.1)
    return value


def obstacle() -> str | None:
    """Why no cluster can be started here, in words; None if one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}; as root: apt-get install --no-install-recommends slurm-wlm munge"
    if os.geteuid() != 0:
        return "Slurm's daemons are started by root alone"
    if CONFIGURATION.exists() and not _is_left_over():
        return f"{CONFIGURATION} exists: this machine has a Slurm of its own, or these tests run already"
    return None


def _is_left_over() -> bool:
    """Whether the configuration is that of tests which were killed; their daemons died with them."""
    mark, _, process = CONFIGURATION.read_text().partition("\n")[0].partition(MARK)
    return mark == "" and process.isdigit() and not Path(f"/proc/{process}").exists()


class Cluster:
    """munged, slurmctld and two slurmd; each can be killed and started again.

    Args:
        folder: for states, logs and sockets.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all daemons and wait until both nodes are idle."""
        for name in ("munge", "state", *NODES):
            (self.folder / name).mkdir(mode=0o700)
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        socket_path = self.folder / "munge/socket"
        # Others than root go through the folder to the socket.
        for path in (self.folder, self.folder / "munge"):
            path.chmod(0o755)
        CONFIGURATION.parent.mkdir(exist_ok=True)
        CONFIGURATION.write_text(self._configuration(socket_path))
        munge = [f"--{name}={self.folder}/munge/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        self._start("munged", "--foreground", "--force", f"--key-file={key}", *munge)
        until(socket_path.exists, "munged's socket")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        until(lambda: self.states() == dict.fromkeys(NODES, "idle"), f"two idle nodes, logs in {self.folder}")

    def stop(self) -> None:
        """Cancel what runs, end all daemons, take the configuration away."""
        if "slurmctld" in self._daemons:
            subprocess.run(["scancel", "--user=root"], capture_output=True, check=False)
            with contextlib.suppress(AssertionError):
                until(lambda: not self.jobs(), "an empty queue", patience=10)
        for name in reversed(list(self._daemons)):
            self._end(name, signal.SIGTERM)
        for node in NODES:
            for process in processes_of(node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        CONFIGURATION.unlink(missing_ok=True)

    def start_controller(self) -> None:
        self._start("slurmctld", "-D")
        until(lambda: _succeeds("scontrol", "ping"), "the controller's answer")

    def kill_controller(self) -> None:
        self._end("slurmctld", signal.SIGKILL)

    def start_node(self, node: str) -> None:
        self._start("slurmd", "-D", "-N", node, name=node)

    def kill_node(self, node: str) -> None:
        """What a power cut does: the daemon and all that it started are gone at once."""
        self._end(node, signal.SIGKILL)
        while processes := processes_of(node):
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    def states(self) -> dict[str, str]:
        """The nodes' states, as `sinfo` has them."""
        answer = subprocess.run(["sinfo", "-hNo", "%N %T"], capture_output=True, text=True, check=False)
        return dict(line.split() for line in answer.stdout.splitlines())

    def jobs(self) -> dict[str, tuple[str, str, str]]:
        """(state, node, comment) of the jobs that wait or run, by their number."""
        answer = subprocess.run(
            ["squeue", "-h", "-t", "PD,R,CG", "-o", "%i|%T|%N|%k"], capture_output=True, text=True, check=False
        )
        rows = [line.split("|", 3) for line in answer.stdout.splitlines()]
        return {number: (state, node, comment) for number, state, node, comment in rows}

    def _start(self, program: str, *arguments: str, name: str | None = None) -> None:
        name = name or program
        with (self.folder / f"{name}.out").open("ab") as stream:
            self._daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", program, *arguments],
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self._daemons.pop(name)
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _configuration(self, munge_socket: Path) -> str:
        host = socket.gethostname()
        settings = {
            "ClusterName": "test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            # A job that lost its node waits until its old credential has expired.
            "AuthInfo": f"socket={munge_socket},cred_expire=20",
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "%n",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd-%n.pid",
            "SlurmctldLogFile": self.folder / "slurmctld.log",
            "SlurmdLogFile": self.folder / "slurmd-%n.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "MpiDefault": "none",
            "JobAcctGatherType": "jobacct_gather/none",
            "AccountingStorageType": "accounting_storage/none",
            "MinJobAge": 600,
            "ReturnToService": 2,
            # What a cluster does in minutes, in seconds.
            "KillWait": 2,
            "SlurmdTimeout": 10,
            "MessageTimeout": 20,
            "SchedulerParameters": "sched_interval=2,bf_interval=2,requeue_setup_env_fail",
        }
        lines = [f"{MARK}{os.getpid()}", *(f"{name}={value}" for name, value in settings.items())]
        # More memory than the machine has: the tests' jobs are small, and what they ask for is another matter.
        lines += [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=16000 State=UNKNOWN"
            for node, port in NODES.items()
        ]
        lines += ["PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP", ""]
        return "\n".join(lines)


def processes_of(node: str) -> list[int]:
    """All that runs for Slurm on a node: the daemon's stewards of job steps, and what they started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"SLURMD_NODENAME={node}".encode() in (path / "environ").read_bytes().split(b"\0") or (
                b"slurmstepd" in (path / "comm").read_bytes() and _is_steward_of(node, path)
            ):
                found.append(int(path.name))
    return found


def _is_steward_of(node: str, process: Path) -> bool:
    """Whether a slurmstepd is of the node: its children say."""
    for child in _children(process):
        with contextlib.suppress(OSError):
            if f"SLURMD_NODENAME={node}".encode() in (child / "environ").read_bytes().split(b"\0"):
                return True
    return False


def _children(process: Path) -> Iterator[Path]:
    for task in (process / "task").glob("[0-9]*"):
        for number in (task / "children").read_text().split():
            yield Path("/proc") / number


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
