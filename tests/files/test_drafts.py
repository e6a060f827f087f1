from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flowload.errors import DataError
from flowload.files.drafts import naming, new_folder, sync_tree, write_all


class StoppedError(BaseException):
    """Somebody pulls the plug: no Exception, as Ctrl-C is none."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with new_folder(out) as draft:
        (draft / "x").write_text("1")
        assert not out.exists()
        assert draft.parent == out.parent
    assert names(tmp_path / "a" / "b") == ["out"]
    assert (out / "x").read_text() == "1"
    assert out.stat().st_mode == (tmp_path / "a").stat().st_mode  # readable as any other new folder


@pytest.mark.parametrize("error", [StoppedError, ValueError, KeyboardInterrupt])
def test_whatever_is_raised_nothing_stays(tmp_path: Path, error: type[BaseException]) -> None:
    def write() -> None:
        with new_folder(tmp_path / "a" / "out") as draft:
            (draft / "x").write_text("1")
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == []


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StoppedError), new_folder(tmp_path / "a" / "b" / "out"):
        raise StoppedError
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == []


def link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, link])
def test_what_is_there_is_never_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    out = tmp_path / "out"
    make(out)
    with pytest.raises(DataError, match="out: already there"), new_folder(out):
        raise AssertionError
    out.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="out: already there"), new_folder(out):
        make(out)  # by somebody else, meanwhile
    assert names(tmp_path) == ["moved", "out"]


def test_all_is_on_disk_before_the_name_and_the_name_before_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def synced(fd: int) -> None:
        told.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        fsync(fd)

    def renamed(path: Path, target: Path) -> Path:
        told.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    with new_folder(tmp_path / "made" / "out") as draft:
        (draft / "x").touch()
        (draft / "deep").mkdir()
        (draft / "deep" / "y").touch()
    before, after = told[: told.index("rename")], told[told.index("rename") + 1 :]
    assert set(before) == {"x", "deep", "y", draft.name}
    assert before.index("y") < before.index("deep") < before.index(draft.name)
    assert set(after) == {"made", tmp_path.name}


def test_a_full_disk_is_named_where_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "x").touch()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/x'"):
        sync_tree(tmp_path)


def test_only_what_is_of_the_file_gets_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"full: 'x'"), naming(Path("x")):
        raise OSError(errno.EDQUOT, "full")
    with pytest.raises(OSError, match=r"full: 'y'"), naming(Path("x")):
        raise OSError(errno.ENOSPC, "full", "y")
    with pytest.raises(ConnectionResetError, match=r"reset$"), naming(Path("x")):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, pwrite = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda fd, view: write(fd, view[:3]))
    monkeypatch.setattr(os, "pwrite", lambda fd, view, at: pwrite(fd, view[:3], at))
    with (tmp_path / "x").open("wb", buffering=0) as file:
        write_all(file.fileno(), b"0123456789")
        write_all(file.fileno(), b"abcdefg", 2)
    assert (tmp_path / "x").read_bytes() == b"01abcdefg9"
