from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from flowload.stages.open_files import OpenFiles


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
            fds.append(reader.fd(path))
            assert os.pread(fds[-1], 9, 0) == Path(path).name.encode()
    assert fds[0] == fds[2]
    assert set(files.files) == {paths[0], paths[2]}
    files.close()
    assert not any(map(is_open, fds))


def test_a_file_in_use_stays_open(tmp_path: Path) -> None:
    files, paths = OpenFiles(1), write(tmp_path, 3)
    with files.reading() as one:
        first = one.fd(paths[0])
        assert one.fd(paths[0]) == first
        with files.reading() as other:
            second = other.fd(paths[1])
            assert other.fd(paths[0]) == first
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
    with files.reading() as reader, pytest.raises(FileNotFoundError):
        reader.fd(str(tmp_path / "absent"))
    assert len(files) == 0


def test_many_threads_read_through_few_descriptors(tmp_path: Path) -> None:
    files, paths = OpenFiles(3), write(tmp_path, 8)
    wrong: list[str] = []

    def read(start: int) -> None:
        for i in range(300):
            path = paths[(start * 3 + i) % 8]
            with files.reading() as reader:
                if os.pread(reader.fd(path), 9, 0) != Path(path).name.encode():
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
