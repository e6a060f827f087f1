"""A file that is written whole, or left as it was."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from flowload.files.replacing import replacing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.pt"]


def test_an_error_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match="bytes-like"), replacing(path) as file:
        file.writelines([b"new", "text"])  # type: ignore[list-item]  # the mistake
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.pt"]


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".a.pt.partial").write_bytes(b"of one that was killed, and longer")
    with replacing(str(tmp_path / "a.pt")) as file:
        file.write(b"new")
    assert (tmp_path / "a.pt").read_bytes() == b"new"
    assert names(tmp_path) == ["a.pt"]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"a\.pt") as caught, replacing(tmp_path / "a.pt"):
        raise OSError(errno.ENOSPC, "No space left on device")  # as a write without a name says it
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == []
