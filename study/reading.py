"""The one way in: files that anyone may have written are regular, of a sane size, and parsed with budgets.

Each budget is far above what a study needs and far below what hurts: a machine that runs out of memory, or a parser
that runs out of stack, tells nobody which file was wrong.
"""

import json
import math
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study.errors import MissingFileError, StudyError

MEBIBYTE = 2**20
# A configuration is a page of text; a record, with a bit an image, some kilobytes; an analysis of 100,000 runs, some
# tens of megabytes.
MOST_TEXT, MOST_JSON = MEBIBYTE, 512 * MEBIBYTE
# How deep a file may nest, how many values a YAML file may hold, its aliases written out, and the digits of a number.
DEPTH, VALUES, DIGITS = 40, 100_000, 400


def read_bytes(path: Path | str, most: int = MOST_JSON) -> bytes:
    """The content of a regular file of at most `most` bytes; links are followed to one.

    Raises:
        MissingFileError: there is no such file.
        StudyError: it is a folder, a pipe or a device, too large, or cannot be read.
    """
    try:
        # Without waiting, as the other end of a pipe may never come.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
                raise StudyError(f"{path}: is {kind}; a file is needed")
            if found.st_size > most:
                raise StudyError(f"{path}: has {found.st_size:,} bytes; allowed: {most:,}")
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                return stream.read(most)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise StudyError(f"{path}: cannot be read ({why})") from None


def unpack(path: Path | str, content: bytes, most: int) -> bytes:
    """What a gzip file's `content` unpacks to, if that is no more than `most` bytes.

    Raises:
        StudyError: it is damaged, or more.
    """
    parts, size = [], 0
    try:
        while content:
            stream = zlib.decompressobj(wbits=31)
            part = stream.decompress(content, most + 1 - size)
            parts.append(part)
            size += len(part)
            if size > most:
                raise StudyError(f"{path}: unpacks to more than {most:,} bytes; no more are allowed")
            if not stream.eof:
                raise StudyError(f"{path}: cannot be read, the file is damaged (cut off); fetch or restore it")
            content = stream.unused_data.lstrip(b"\0")  # more members, or padding
    except zlib.error as error:
        raise StudyError(f"{path}: cannot be read, the file is damaged ({error}); fetch or restore it") from None
    return b"".join(parts)


def read_text(path: Path | str, most: int = MOST_JSON) -> str:
    """The text of a file in UTF-8; see `read_bytes`.

    Raises:
        StudyError: it is no text too.
    """
    try:
        return read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not text in UTF-8 (byte {error.start + 1})") from None


def parse_json(text: str) -> Any:
    """The value of a JSON text, all its numbers finite, no deeper than `DEPTH`.

    Raises:
        StudyError: it is none.
    """
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_object)
    except RecursionError:
        raise StudyError(f"nested more than {DEPTH} levels deep") from None
    except ValueError as error:
        raise StudyError(f"not JSON ({one_line(error)})") from None
    for item, depth in _inside(value):
        if depth > DEPTH:
            raise StudyError(f"nested more than {DEPTH} levels deep")
        _check_scalar(item)
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is no finite number")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)[:60]!r} is there twice")
    return found


def _inside(value: Any) -> Iterator[tuple[Any, int]]:
    """Every value and key within a value, with its depth."""
    left = [(value, 0)]
    while left:
        item, depth = left.pop()
        yield item, depth
        if depth <= DEPTH and isinstance(item, dict):
            left += [(part, depth + 1) for pair in item.items() for part in pair]
        elif depth <= DEPTH and isinstance(item, list):
            left += [(part, depth + 1) for part in item]


def _check_scalar(item: Any) -> None:
    if isinstance(item, str) and not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item):
        raise StudyError("a text holds half of a character (a lone surrogate)")
    if isinstance(item, int) and abs(item) >= 10**DIGITS:
        raise StudyError(f"a number has more than {DIGITS} digits")


def one_line(error: Exception | str) -> str:
    """What a parser says, on one line."""
    return " ".join(str(error).split())[:200]
