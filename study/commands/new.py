"""`study new`: a folder with a study of one's own, which runs as it is."""

import argparse
import re
from pathlib import Path

from study.errors import StudyError

PROJECT = Path(__file__).resolve().parents[2]
STARTER = PROJECT / "study" / "starter"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "new",
        help="write a starter study with a trainer of your own",
        description="Write a commented study that runs as it is: configuration, trainer, Snakefile, README. Nothing "
        "that exists is overwritten.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder to write; it may exist if it is empty")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from study.files import write_text

    folder = arguments.folder
    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name == "runs":
        raise StudyError(
            f"{folder}: a study is called as its folder; allowed: letters, digits, '.', '_' and '-', beginning with a "
            "letter or digit, and not `runs`"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"{folder}: exists and is not empty; name a new folder, nothing is overwritten")
    for template in sorted(STARTER.iterdir()):
        if template.is_file():
            text = template.read_text(encoding="utf-8").replace("@PROJECT@", str(PROJECT)).replace("@NAME@", name)
            write_text(folder / template.name, text)
    print(f"{folder}: a study that runs as it is: cd {folder} && snakemake --cores 2")
