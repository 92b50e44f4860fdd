"""`study status`: how far a study is, from its files alone."""

import argparse
import contextlib
import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from study.config import resolve as configuration
from study.errors import MissingFileError, StudyError
from study.monitor.status import STATES, Status, survey
from study.store.record import Store
from study.words import duration

# One mark a run, where a line has room for the seeds.
MARKS = {"done": "[green]■[/]", "running": "[cyan]▶[/]", "failed": "[red]✗[/]", "missing": "[dim]·[/]"}
WIDEST = 60
HINT = "type `study status results/<name>`"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status",
        help="how far a study is: runs done, running, failed and missing, time left, last error",
        description="Tell how far a study is, from its files alone: while it runs, or on a cluster's login node.",
    )
    add = parser.add_argument
    what = "the study's folder, results/<name>, or its configuration (default: config.yaml)"
    add("study", type=Path, nargs="?", default=Path("config.yaml"), metavar="STUDY", help=what)
    add("--store", type=Path, help="the folder of the records (default: STUDY/../runs)")
    again = "look again every so many seconds (default 5) until all runs are done"
    add("--watch", type=float, nargs="?", const=5.0, metavar="SECONDS", help=again)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    if arguments.watch is not None and arguments.watch <= 0:
        raise StudyError(f"--watch {arguments.watch:g}: seconds are more than 0")
    folder = _folder(arguments.study)
    plan, store = configuration.design(folder / "design.json"), Store(arguments.store or folder.parent / "runs")
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        # In a file or a pipe a line has the room that it needs.
        console.width = 1000
    status = survey(plan, folder, store)
    if arguments.watch is None:
        console.print(_page(status, folder))
        return
    with contextlib.suppress(KeyboardInterrupt), Live(_page(status, folder), console=console) as live:
        while status.count("done") < status.runs:
            time.sleep(arguments.watch)
            status = survey(plan, folder, store)
            live.update(_page(status, folder), refresh=True)


def _folder(study: Path) -> Path:
    """The folder of a study that was named by it or by its configuration."""
    if study.is_dir():
        found = study
    else:
        try:
            found = Path("results") / configuration.read(study)["study"]["name"]
        except MissingFileError:
            raise StudyError(f"{study}: no such file or folder; {HINT}") from None
        except (KeyError, TypeError):
            raise StudyError(f"{study}: no folder of a study and no configuration with study.name; {HINT}") from None
    if not (found / "design.json").exists():
        raise StudyError(f"{found}: no design.json, so no study has begun there; `snakemake --cores all` begins one")
    return found


def _page(status: Status, folder: Path) -> Group:
    table = Table(*map(escape, status.rows[0].levels), box=None, pad_edge=False, header_style="bold")
    for state in STATES:
        table.add_column(state, justify="right")
    drawn = len(status.rows[0].states) <= WIDEST
    if drawn:
        table.add_column("seed by seed", no_wrap=True)
    for row in status.rows:
        counts = [str(row.count(state) or "") for state in STATES]
        marks = ["".join(MARKS[state] for state in row.states)] if drawn else []
        table.add_row(*(escape(str(level)) for level in row.levels.values()), *counts, *marks)
    bar = Table.grid()
    bar.add_row(ProgressBar(total=status.runs, completed=status.count("done"), width=WIDEST))
    return Group(_headline(status), bar, table, *_last_words(status, folder))


def _headline(status: Status) -> str:
    counts = ", ".join(f"{status.count(state)} {state}" for state in STATES)
    if status.count("done") == status.runs:
        left = ""
    elif not status.trainings_at_once:
        left = f"; {duration(status.core_seconds_left)} left for one core, none is at work"
    else:
        seconds = status.core_seconds_left / status.trainings_at_once
        left = f"; about {duration(seconds)} left with {status.trainings_at_once} trainings at once"
    return f"[bold]{status.name}[/]: {counts} of {status.runs} runs{left}"


def _last_words(status: Status, folder: Path) -> list[str]:
    lines = []
    if failure := status.failure:
        error, *rest = map(escape, failure.in_words())
        lines += [f"[red]{error}[/]", *rest]
    if status.count("done") == status.runs:
        page = folder / "report.html"
        lines.append(escape(str(page)) if page.exists() else "all runs are done; `snakemake` makes the report")
    return lines
