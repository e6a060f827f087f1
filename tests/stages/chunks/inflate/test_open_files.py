from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from flowload.blocks import SourceFile
from flowload.errors import DataError
from flowload.files.identity import stat_of
from flowload.stages.chunks.inflate.open_files import OpenFiles


def write(folder: Path, count: int) -> list[str]:
    paths = [folder / str(i) for i in range(count)]
    for path in paths:
        path.write_text(path.name)
    return [str(path) for path in paths]


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_the_longest_unused_file_is_closed(tmp_path: Path) -> None:
    files, paths = OpenFiles(2), write(tmp_path, 3)
    fds = []
    for path in (paths[0], paths[1], paths[0], paths[2]):
        with files.reading() as reader:
            fds.append(reader.fd(SourceFile(path)))
            assert os.pread(fds[-1], 9, 0) == Path(path).name.encode()
    assert fds[0] == fds[2]
    assert set(files.files) == {paths[0], paths[2]}
    files.close()
    assert not any(map(is_open, fds))


def test_a_file_in_use_stays_open(tmp_path: Path) -> None:
    files, paths = OpenFiles(1), write(tmp_path, 3)
    with files.reading() as one:
        first = one.fd(SourceFile(paths[0]))
        assert one.fd(SourceFile(paths[0])) == first
        with files.reading() as other:
            second = other.fd(SourceFile(paths[1]))
            assert other.fd(SourceFile(paths[0])) == first
            assert is_open(first)
            files.close()
            assert is_open(first)
            assert is_open(second)
        assert not is_open(second)
        assert is_open(first)
    assert not is_open(first)
    assert len(files) == 0


def test_an_absent_file_leaves_nothing(tmp_path: Path) -> None:
    files = OpenFiles()
    with files.reading() as reader, pytest.raises(DataError, match="absent: vanished"):
        reader.fd(SourceFile(str(tmp_path / "absent")))
    assert len(files) == 0


def test_many_threads_read_through_few_descriptors(tmp_path: Path) -> None:
    files, paths = OpenFiles(3), write(tmp_path, 8)
    wrong: list[str] = []

    def read(start: int) -> None:
        for i in range(300):
            path = paths[(start * 3 + i) % 8]
            with files.reading() as reader:
                if os.pread(reader.fd(SourceFile(path)), 9, 0) != Path(path).name.encode():
                    wrong.append(path)

    threads = [threading.Thread(target=read, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(files) <= 3
    files.close()
    assert len(files) == 0


def test_a_file_that_was_written_to_while_it_was_read_gives_nothing(tmp_path: Path) -> None:
    files, (path,) = OpenFiles(), write(tmp_path, 1)
    said = r"0: file changed; found 1 bytes, written .*; wanted 1 bytes, written"
    with pytest.raises(DataError, match=said), files.reading() as reader:  # noqa: PT012
        reader.fd(SourceFile(path))
        Path(path).write_text("1")
        os.utime(path, ns=(0, 0))
    assert is_open(files.files[path].fd)
    with pytest.raises(DataError, match="file changed"), files.reading() as reader:  # noqa: PT012
        reader.fd(SourceFile(path))
        raise DataError("bad gzip", where=path)  # is what the other bytes looked like
    with pytest.raises(ZeroDivisionError), files.reading() as reader:  # noqa: PT012
        reader.fd(SourceFile(path))
        raise ZeroDivisionError
    files.close()
    assert not files.files


def test_a_file_must_be_the_one_that_was_indexed(tmp_path: Path) -> None:
    files, (path,) = OpenFiles(), write(tmp_path, 1)
    was = stat_of(path)
    assert was is not None
    with files.reading() as reader:
        reader.fd(SourceFile(path, stamp=was.pack()))
    other = tmp_path / "other"
    other.write_text("0")
    other.rename(path)
    now = stat_of(path)
    assert now is not None
    with files.reading() as reader:  # the one that is open is still the old one
        assert reader.fd(SourceFile(path, stamp=was.pack())) >= 0
        assert reader.try_fd(SourceFile(path, stamp=now.pack())) == -1
    fresh = OpenFiles()
    with (
        fresh.reading() as reader,
        pytest.raises(DataError, match=r"0: file changed; found file .*; wanted file"),
    ):
        reader.fd(SourceFile(path, stamp=was.pack()))
    files.close()
    fresh.close()


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with OpenFiles().reading() as reader, pytest.raises(DataError, match="not a file; found a pipe"):
        reader.fd(SourceFile(str(tmp_path / "pipe")))
