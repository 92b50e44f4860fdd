"""`study new`: a folder with a study of one's own, which runs as it is."""

import argparse
import re
import tempfile
from pathlib import Path

from study.errors import StudyError
from study.files import PROJECT, write_text

STARTER = Path(__file__).resolve().parents[1] / "starter"
# Of the project: how Snakemake runs here and on a cluster, and what editors complete and check config.yaml with.
COPIED = {
    "profiles/default/profile.yaml": "profiles/default/profile.yaml",
    "slurm/profile.yaml": "slurm/profile.yaml",
    "workflow/schemas/trainer.schema.yaml": "config.schema.yaml",
}


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
    folder = arguments.folder
    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{,99}", name) or name == "runs":
        raise StudyError(
            f"{folder}: a study is named after its folder; allowed: up to 100 letters, digits, '.', '_' and '-', a "
            "letter or digit first, and not `runs`"
        )
    if folder.is_symlink():
        raise StudyError(f"{folder}: is a symbolic link; name a new folder, nothing is written elsewhere")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"{folder}: exists and is not empty; name a new folder, nothing is overwritten")
    # Made elsewhere and then moved: a full disk leaves nothing that the next try stumbles over.
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.resolve().parent, ignore_cleanup_errors=True) as scratch:
            made = Path(scratch) / name
            for template in sorted(path for path in STARTER.iterdir() if path.is_file()):
                write_text(made / template.name, template.read_text(encoding="utf-8").replace("@NAME@", name))
            for source, target in COPIED.items():
                write_text(made / target, (PROJECT / source).read_text(encoding="utf-8"))
            made.replace(folder.resolve())
    except OSError as error:
        raise StudyError(f"{folder}: cannot be made: {error.strerror}; name another folder") from None
    print(f"{folder}: a study that runs as it is: cd {folder} && snakemake --cores 2")
