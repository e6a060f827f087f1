"""Whether somebody still writes a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from flowload.stages.files import writers as complete
from flowload.stages.files.writers import (
    LOCAL,
    FileState,
    LookAtFiles,
    WriterState,
    filesystem,
    nobody_writes,
)

HELD = """
import fcntl, os, sys
from flowload.stages.files import writers as complete

path, warned = sys.argv[1], sys.argv[2] == "warned"
plain = fcntl.fcntl

def meddling(fd, what, argument=0):
    if what == fcntl.F_SETSIG and not warned:
        return 0
    done = plain(fd, what, argument)
    if what == fcntl.F_SETLEASE and argument == fcntl.F_RDLCK:
        try:
            os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # breaks the lease: the kernel signals its holder
        except BlockingIOError:
            pass
    return done

fcntl.fcntl = meddling
sys.exit(0 if complete.nobody_writes(path) else 3)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.tar"
    path.write_bytes(b"data")
    return path


@pytest.fixture
def leased(file: Path) -> Path:
    """A file on a file system where the kernel tells."""
    if filesystem(str(file)) not in LOCAL or nobody_writes(str(file)) is None:
        pytest.skip("no leases here")
    return file


def verdict(path: Path) -> WriterState:
    look = LookAtFiles()(str(path))
    assert look is not None
    return look.verdict


def test_a_file_is_complete_when_its_last_writer_closes_it(leased: Path) -> None:
    with leased.open("ab"), leased.open("ab") as second:
        assert verdict(leased) is WriterState.WRITING
        second.close()
        assert verdict(leased) is WriterState.WRITING
    assert verdict(leased) is WriterState.COMPLETE
    with leased.open("rb"):
        assert verdict(leased) is WriterState.COMPLETE


def test_a_writer_in_another_process_is_seen(leased: Path) -> None:
    code = "import sys; f = open(sys.argv[1], 'ab'); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(leased)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert verdict(leased) is WriterState.WRITING
        child.communicate(b"\n")
    assert verdict(leased) is WriterState.COMPLETE


@pytest.mark.slow
@pytest.mark.parametrize(("way", "ends"), [("warned", 0), ("unwarned", -signal.SIGIO)])
def test_who_opens_the_file_during_the_lease_does_not_kill_us(leased: Path, way: str, ends: int) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", HELD, str(leased), way], check=False, cwd=root)
    assert done.returncode == ends


def test_a_look_tells_size_and_time(file: Path) -> None:
    look = LookAtFiles()(str(file))
    assert isinstance(look, FileState)
    assert (look.size, look.mtime_ns) == (4, file.stat().st_mtime_ns)


def test_an_empty_file_is_about_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.tar").touch()
    assert verdict(tmp_path / "a.tar") is WriterState.WRITING


def test_what_is_no_file(tmp_path: Path) -> None:
    assert LookAtFiles()(str(tmp_path)) is None
    assert LookAtFiles()(str(tmp_path / "gone")) is None
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert LookAtFiles()(str(tmp_path / "dangling")) is None
    os.mkfifo(tmp_path / "fifo")
    assert LookAtFiles()(str(tmp_path / "fifo")) is None


def test_where_others_may_write_nobody_can_tell(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete, "mounts", lambda: ["1 0 0:1 / / rw - nfs4 server:/ rw"])
    assert verdict(file) is WriterState.UNSURE
    os.utime(file, (0, 0))
    assert verdict(file) is WriterState.COMPLETE


@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(22, "no"), OSError(37, "no")])
def test_a_refused_lease_tells_nothing(file: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("fcntl.fcntl", refuse)
    assert nobody_writes(str(file)) is None


def test_other_systems_tell_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert nobody_writes(str(file)) is None


def test_a_file_that_cannot_be_opened_tells_nothing(tmp_path: Path) -> None:
    assert nobody_writes(str(tmp_path / "gone")) is None


def test_no_descriptor_is_left(file: Path) -> None:
    nobody_writes(str(file))
    places = Path("/proc/self/fd") if sys.platform == "linux" else Path("/dev/fd")
    for place in places.iterdir():
        with suppress(OSError):  # one of another thread may be closed in between
            assert not os.path.samestat(os.fstat(int(place.name)), file.stat())


def test_the_deepest_and_last_mount_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    table = [
        "1 0 8:1 / / rw - ext4 /dev/a rw",
        "2 1 8:2 / /data rw,relatime shared:1 - xfs /dev/b rw",
        r"3 2 0:9 / /data/my\040runs rw - nfs server:/runs rw",
        "4 1 0:8 / /data2 rw - tmpfs tmpfs rw",
        "5 1 0:7 / /data2 rw master:3 - fuse.sshfs far rw",
    ]
    monkeypatch.setattr(complete, "mounts", lambda: table)
    kinds = [filesystem(path) for path in ("/home", "/data/x", "/data/my runs/x", "/data2", "/data22")]
    assert kinds == ["ext4", "xfs", "nfs", "fuse.sshfs", "ext4"]


def test_without_a_mount_table_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert filesystem("/") == ""


def test_a_folder_is_asked_for_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(path: str) -> str:
        asked.append(path)
        return "nfs"

    monkeypatch.setattr(complete, "filesystem", ask)
    looks = LookAtFiles()
    looks(str(file))
    looks(str(file))
    assert asked == [str(file.parent)]
