"""`study train`: one job of the design, as the workflow calls it."""

import argparse
import os
import sys
from pathlib import Path
from typing import TextIO

from study import trainers
from study.config import resolve as configuration
from study.design.factorial import Job
from study.files import write_json
from study.monitor import heartbeat, progress
from study.store.record import Record, Store
from study.trainers.base import in_words
from study.trainers.parallel import in_processes


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("train", help="train the seeds of one trajectory and record every run")
    parser.add_argument("design", type=Path, help="the design.json of the study")
    parser.add_argument("--trajectory", required=True, help="its name, as in design.csv")
    parser.add_argument("--seeds", required=True, help="the block of seeds, as first-last")
    parser.add_argument("--store", required=True, type=Path, help="the folder of the records")
    parser.add_argument("--manifest", required=True, type=Path, help="the file to write when all records are safe")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="train N seeds at once, a process each")
    parser.add_argument("--log", type=Path, help="send everything but the progress lines to this file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    terminal = _divert(arguments.log) if arguments.log else sys.stderr
    plan = configuration.design(arguments.design)
    store = Store(arguments.store)
    job = plan.job(arguments.trajectory, arguments.seeds)
    trainer = trainers.choose(plan.config)

    def tell(job: Job, seed: int, record: Record) -> None:
        print(progress.line(plan, store, job, seed, in_words(record, trainer)), file=terminal, flush=True)

    about = {"trajectory": job.trajectory, "seeds": list(job.seeds), "at_once": arguments.processes}
    with heartbeat.beating(arguments.manifest.with_suffix(heartbeat.SUFFIX), about):
        in_processes(job, arguments.processes, lambda part: trainer.train(part, plan, store, tell))
        done = {"schema": 1, "trajectory": job.trajectory, "seeds": list(job.seeds), "runs": plan.run_ids(job)}
        write_json(arguments.manifest, done)


def _divert(log: Path) -> TextIO:
    """Send stdout and stderr, TensorFlow's own included, to `log`; returns the terminal they went to before."""
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w")
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    return terminal
