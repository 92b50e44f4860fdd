"""Files are either whole or absent."""

import os
import stat
from pathlib import Path

import pytest

from study import files


class WriteError(Exception):
    """Stands for whatever may happen while a file is being written."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_in_utf8_whatever_the_locale(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "räknare ×\n")
    assert (tmp_path / "a.txt").read_bytes() == "räknare ×\n".encode()
    assert names(tmp_path) == ["a.txt"]


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a" / "b" / "c.txt", "x")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "x"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(WriteError), files.replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        raise WriteError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_write_that_fails_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(WriteError), files.replacing(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise WriteError
    assert names(tmp_path) == []


def test_an_interrupt_from_the_keyboard_leaves_no_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "a.txt"):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        # On another file system the rename would not be atomic.
        assert temporary.parent == path.parent
    assert path.read_text() == "new"


def test_the_content_is_on_the_disk_before_the_name_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(descriptor: int) -> None:
        events.append("flushed")
        fsync(descriptor)

    def noting_replace(self: Path, target: Path) -> Path:
        events.append("named")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    files.write_text(tmp_path / "a.txt", "x")
    assert events == ["flushed", "named"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_that_the_umask_allows(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "a.txt", "x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode


def test_a_temporary_file_keeps_the_suffix_that_writers_go_by(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "a.parquet") as temporary:
        temporary.touch()
        assert temporary.suffix == ".parquet"
        assert temporary.name.startswith(".")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, {"x": float("-inf")}]])
def test_numbers_that_json_has_not_are_refused_and_nothing_is_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", value)
    assert names(tmp_path) == []
