"""`study publish`: what a reader needs to check a finished study, in one folder, without its working files."""

import argparse
from pathlib import Path

from study import trainers
from study.config import resolve as configuration
from study.errors import MissingFileError, StudyError
from study.files import replacing, stay_inside
from study.reading import read_bytes
from study.store import packed
from study.store.record import Store

# Of a study's folder; the analysis, and what the trainer alone knows, come besides.
FILES = (
    *("design.json", "runs.csv", "runs.parquet", "curves.parquet", "provenance.json", "report.html"),
    *("figures/summary.md", "figures/effects.png", "figures/share.png"),
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "gather a finished study in a folder to publish: records, tables, analysis, page"
    parser = subparsers.add_parser("publish", help=what)
    parser.add_argument("results_dir", type=Path, metavar="RESULTS_DIR", help="the study's folder, results/<name>")
    parser.add_argument("--store", type=Path, help="the folder of the records (default: RESULTS_DIR/../runs)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder to write to")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.table_file import read_frame  # pandas takes a while

    folder, out = arguments.results_dir, arguments.out
    store = Store(arguments.store or folder.parent / "runs")
    names = [*FILES, *trainers.choose(configuration.design(folder / "design.json").config).result_files]
    names += [f"analysis/{path.name}" for path in sorted((folder / "analysis").glob("[!.]*.*"))]
    # All are read before one is written: an unfinished study leaves nothing behind.
    contents = {name: _content(folder / name) for name in names}
    for name in names:
        stay_inside((out / name).parent, out)
    run_ids = read_frame(folder / "runs.parquet")["run_id"]
    count = packed.pack(store, run_ids, out / packed.NAME)
    for name, content in contents.items():
        with replacing(out / name) as temporary:
            temporary.write_bytes(content)
    print(f"{out}: {count} records and the results made from them; `study verify {out}` checks a sample")


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except MissingFileError:
        raise StudyError(
            f"{path}: no such file; finish the study with your `snakemake` command, then publish it"
        ) from None
