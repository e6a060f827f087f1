"""A descriptor that is left open is named; one that is on its way out is not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests import descriptors
from tests.descriptors import none_left_open


@pytest.mark.skipif(not descriptors.LINUX.is_dir(), reason="only Linux tells what a descriptor leads to")
def test_a_file_that_is_left_open_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "TURNS", 3)
    (tmp_path / "left").write_text("")
    with pytest.raises(AssertionError, match=r"descriptors are open, \d+ were: .*/left"), none_left_open():
        file = (tmp_path / "left").open()
    file.close()


def test_a_file_that_another_thread_closes_soon_is_none(tmp_path: Path) -> None:
    (tmp_path / "soon").write_text("")
    go = threading.Event()

    def work() -> None:
        go.wait()
        file.close()

    thread = threading.Thread(target=work)
    thread.start()
    with none_left_open():
        file = (tmp_path / "soon").open()
        go.set()
    thread.join()
    assert file.closed
