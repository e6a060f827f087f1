"""What the operating system tells of folders."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from watchfiles import _rust_notify as rust

from flowload.stages.files.events import FolderEvents

pytestmark = pytest.mark.anyio

LONG = 60.0  #: seconds; a test that waits so long has failed


@pytest.mark.parametrize("recursive", [False, True])
async def test_what_happens_is_told(tmp_path: Path, recursive: bool) -> None:
    (tmp_path / "sub").mkdir()
    folder = FolderEvents([str(tmp_path)], recursive)
    try:
        (tmp_path / "sub/a.tar").write_bytes(b"1")
        (tmp_path / "b.tar").write_bytes(b"1")
        told = set[str]()
        while str(tmp_path / "b.tar") not in told:
            told |= await folder.wait(LONG)
        assert (str(tmp_path / "sub/a.tar") in told) is recursive
    finally:
        folder.close()


async def test_a_rename_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.tar.part").write_bytes(b"1")
    folder = FolderEvents([str(tmp_path)], False)
    (tmp_path / "a.tar.part").rename(tmp_path / "a.tar")
    assert str(tmp_path / "a.tar") in await folder.wait(LONG)
    folder.close()


async def test_silence_ends(tmp_path: Path) -> None:
    folder = FolderEvents([str(tmp_path)], False)
    assert await folder.wait(0.001) == set()
    folder.close()


async def test_a_cancelled_wait_leaves_no_thread_waiting(tmp_path: Path) -> None:
    folder = FolderEvents([str(tmp_path)], False)
    listening = anyio.Event()

    async def wait() -> None:
        listening.set()
        await folder.wait(LONG)

    with anyio.fail_after(LONG / 2):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await listening.wait()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
    folder.close()


async def test_closing_ends_the_watcher_and_may_be_done_twice(tmp_path: Path) -> None:
    folder = FolderEvents([str(tmp_path)], False)
    folder.close()
    folder.close()
    assert await folder.wait(0.001) == set()


async def test_where_nobody_listens_a_wait_is_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "limit of watches")

    monkeypatch.setattr(rust, "RustNotify", refuse)
    folder = FolderEvents([str(tmp_path)], False)
    assert await folder.wait(0.001) == set()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    folder.close()


def test_a_watcher_that_breaks_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def watch(self, *_: object) -> None:
            raise rust.WatchfilesRustInternalError("broken")

    folder = FolderEvents([str(tmp_path)], False)
    assert folder.listen(Broken(), 1, threading.Event()) == set()  # type: ignore[arg-type]
    assert folder.watcher is None
    assert "broken" in caplog.text
