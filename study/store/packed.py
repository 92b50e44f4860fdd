"""The records of a study in one file: a tar archive, so that any machine can open it, with a file a record."""

import io
import lzma
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from study.errors import StudyError
from study.files import replacing
from study.reading import MEBIBYTE, one_line, read_bytes
from study.store.record import MOST_RECORD, Record, Store

NAME = "records.tar.xz"
# 100,000 records of five kilobytes, packed and unpacked.
MOST_PACKED, MOST_UNPACKED = 512 * MEBIBYTE, 4096 * MEBIBYTE


def pack(store: Store, run_ids: Iterable[str], path: Path) -> int:
    """Write the records of these runs to `path`, byte for byte as they are; the same records give the same file.

    Returns:
        How many records they are.

    Raises:
        StudyError: a run has no sound record.
    """
    wanted = sorted(set(run_ids))
    with replacing(path) as temporary, tarfile.open(temporary, "w:xz") as archive:
        for run_id in wanted:
            content = store.load(run_id).to_json().encode()
            member = tarfile.TarInfo(f"runs/{store.path(run_id).relative_to(store.root).as_posix()}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return len(wanted)


def unpack(path: Path, store: Store) -> tuple[int, int]:
    """Put the records that `path` packs into the store. A sound record that is there already stays.

    Nothing of an archive is trusted: each record is checked, and written where its own identity says.

    Returns:
        How many records were added, and how many are in the archive.

    Raises:
        StudyError: no such file, or none that `pack` wrote; nothing is added then.
    """
    content = read_bytes(path, MOST_PACKED)
    found = sum(1 for _ in _records(path, content))
    added = 0
    for record in _records(path, content):
        if store.missing([record.id]):
            store.write(record)
            added += 1
    return added, found


def _records(path: Path, content: bytes) -> Iterator[Record]:
    unpacked = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|xz") as archive:
            for member in archive:
                unpacked += member.size
                if member.isdir():
                    continue
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None or member.size > MOST_RECORD or unpacked > MOST_UNPACKED:
                    raise StudyError(f"{member.name!r} is no record of a run")
                yield Record.from_json(stream.read().decode())
    except (tarfile.TarError, lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: damaged, not an archive of records ({one_line(error)}); fetch it again") from None
    except StudyError as error:
        raise StudyError(f"{path}: {error}; fetch it again") from None
