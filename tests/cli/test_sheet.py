from __future__ import annotations

import errno
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowload.cli.sheet import open_sheet
from flowload.observe.json_values import plain


def test_the_content_is_there_after_leaving(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with open_sheet(path) as sheet:
        sheet.content = {"a": 1}
        assert not path.exists()
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_without_content_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with open_sheet(path):
        pass
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_inside_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")

    def fail() -> None:
        with open_sheet(path) as sheet:
            sheet.content = {"a": 1}
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_found_out_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_sheet(tmp_path / "no" / "out.json"):
        pytest.fail("entered")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="Is a directory"), open_sheet(tmp_path):
        pytest.fail("entered")


def test_a_device_is_written_to_in_place() -> None:
    with open_sheet(Path(os.devnull)) as sheet:
        sheet.content = {"a": 1}
    with open_sheet(Path(os.devnull)):
        pass
    assert not Path(os.devnull).is_file()


def test_no_path_takes_the_content_and_drops_it() -> None:
    with open_sheet(None) as sheet:
        sheet.content = {"a": 1}


def test_values_become_what_json_has() -> None:
    value = {"a": (1, 2.5, None, True), "nan": math.nan, "inf": [math.inf], 3: Path("x")}
    assert plain(value) == {"a": [1, 2.5, None, True], "nan": None, "inf": [None], "3": "x"}


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"), open_sheet(tmp_path / "pipe"):
        pytest.fail("entered")


def test_a_pipe_that_somebody_reads_gets_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(end, True)
    with ThreadPoolExecutor(1) as pool, os.fdopen(end) as reader:
        with open_sheet(tmp_path / "pipe") as sheet:
            got = pool.submit(reader.read)  # more than a pipe holds; before it has a writer, it is at its end
            sheet.content = {"a": list(range(100_000))}
        assert json.loads(got.result())["a"][-1] == 99_999


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path) -> None:
        with open_sheet(path) as sheet:
            sheet.content = {"a": list(range(10_000))}

    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write(Path("/dev/full"))

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*out\.json'"):
        write(tmp_path / "out.json")
    assert not list(tmp_path.iterdir())
