"""A job's seeds in several processes at once: runs that share a GPU, which one small run leaves idle."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from study.design.factorial import Job
from study.errors import StudyError

_train: Callable[[Job], None]


def in_processes(job: Job, processes: int, train: Callable[[Job], None]) -> None:
    """Call `train` with the job's seeds, dealt out to at most so many processes; with one, in this process.

    A run's bits do not depend on it. Nothing that uses threads of its own, such as TensorFlow, may have been imported.

    Raises:
        StudyError: what `train` raised; or a process was killed.
    """
    processes = min(processes, len(job.seeds))
    if processes == 1:
        train(job)
        return
    parts = [Job(job.trajectory, job.cells, job.seeds[first::processes]) for first in range(processes)]
    # Forked processes need no pickled copy of `train`, and write to the same log and terminal.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, context, initializer=_keep, initargs=(train,)) as pool:
        futures = [pool.submit(_train_part, part) for part in parts]
    try:
        for future in futures:
            future.result()
    except BrokenProcessPool:
        raise StudyError(
            f"trajectory {job.trajectory}, seeds {job.block}: one of its {processes} processes was killed, perhaps for "
            "lack of memory; its finished runs are safe; run your `snakemake` command again, or lower "
            "`execution.runs_per_gpu`"
        ) from None


def _keep(train: Callable[[Job], None]) -> None:
    global _train
    _train = train


def _train_part(part: Job) -> None:
    _train(part)
