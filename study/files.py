"""Where the project's files are, and writing files that are either whole or absent."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from study.errors import MissingFileError, StudyError
from study.reading import parse_json, read_text

# A wheel carries what lies next to the package in a checkout (workflow/, report/, profiles/) inside it: pyproject.toml.
_PACKAGE = Path(__file__).resolve().parent
PROJECT = _PACKAGE / "project" if (_PACKAGE / "project").is_dir() else _PACKAGE.parent


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on leaving, flush it to disk and rename it to `path`.

    A reader sees the old file or the whole new one, never a part. If the body raises, the temporary file is removed
    and `path` is left as it was.

    Raises:
        StudyError: the disk is full or cannot be written to, or `path` can be no file.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(4)}{path.suffix[:20]}"
    try:
        # What is renamed to a device would take its place.
        if not path.name or (path.exists() and not path.is_file()):
            raise StudyError(f"{path}: is no file; name one to write to")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be written: {error.strerror or error}. Mend that and run the same command again; what is "
            "finished is safe"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def stay_inside(folder: Path, within: Path) -> None:
    """Refuse a folder that lies in another by its name, but leads out of it by a link. To be called before writing.

    Raises:
        StudyError: it does.
    """
    if folder.is_relative_to(within) and not folder.resolve().is_relative_to(within.resolve()):
        raise StudyError(f"{folder}: leads out of {within} by a symbolic link; remove it, nothing is written there")


def write_text(path: Path | str, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as JSON to `path`, whole or not at all. NaN and infinities are refused: JSON has no such numbers.

    Raises:
        ValueError: a number in `value` is not finite. Write `None` where a number does not exist.
    """
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, kind: type) -> Any:
    """The content of a file, a `kind`; None if there is no file.

    Raises:
        StudyError: it is damaged.
    """
    try:
        value = parse_json(read_text(path))
    except MissingFileError:
        return None
    except StudyError as error:
        why = str(error).removeprefix(f"{path}: ")
        raise StudyError(f"{path}: damaged, {why}; remove it and make it again") from None
    if value is not None and not isinstance(value, kind):
        raise StudyError(f"{path}: found a {type(value).__name__}, expected a {kind.__name__}; make it again")
    return value
