from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowload.errors import DataError, NoDataError
from flowload.files.regular import open_regular, opened, refused, translated


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def test_a_file_is_opened_and_closed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    before = descriptors()
    for name in ("a", "link"):
        with opened(tmp_path / name) as fd:
            assert os.read(fd, 9) == b"abc"
            assert not os.get_inheritable(fd)
    assert descriptors() == before


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, short: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short / "s"))
        before = descriptors()
        for path, kind in (
            (tmp_path / "pipe", "a pipe"),
            (tmp_path / "link", "a pipe"),
            (tmp_path, "a folder"),
            (Path("/dev/null"), "a device"),
        ):
            with pytest.raises(DataError, match=f"not a file; found {kind}; wanted games") as caught:
                open_regular(path, "games")
            assert caught.value.where == str(path)
        with pytest.raises(DataError, match="not a file"):
            open_regular(short / "s")
        assert descriptors() == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "no such file"),
        ("a" * 300, "name too long"),
        ("a/b", "vanished"),
        ("circle", "links in a circle"),
        ("a\0b", "bad name"),
        ("a\ud800b", "bad name"),
    ],
)
def test_what_cannot_be_opened_is_bad_data(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(DataError, match=reason) as caught:
        open_regular(f"{tmp_path}/{name}")
    assert caught.value.reason == reason
    str(caught.value).encode()  # can be printed
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied"),
        (errno.ESTALE, "vanished"),
        (errno.EIO, "unreadable"),
        (errno.EMFILE, "unreadable"),
        (errno.ENXIO, "not a file"),
    ],
)
def test_what_the_system_says_has_a_constant_word(number: int, reason: str) -> None:
    error = OSError(number, os.strerror(number))
    assert refused(error, "x").reason == reason
    with pytest.raises(DataError, match=f"x: {reason}; found {os.strerror(number)}"), translated("x"):
        raise error


def test_a_file_that_was_known_has_vanished() -> None:
    with pytest.raises(NoDataError, match="no such file"), translated("x"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
    with pytest.raises(DataError, match="vanished") as caught, translated("x", missing=None):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
    assert not isinstance(caught.value, NoDataError)


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(ValueError, match="mine"), translated("x"):
        raise ValueError("mine")
    with pytest.raises(KeyError), translated("x"):
        raise KeyError
