"""Whatever the end of a run raises: nobody waits for it for ever, and nothing of it is left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowload.runtime.compile import CompiledGraph
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.threads.executor import Executor
from tests.runtime.reading import Face, run_threads
from tests.runtime.stages import flat, numbers, plus

PLACES: dict[str, tuple[type, str]] = {
    "executor": (Executor, "close"),
    "stages": (CompiledGraph, "close"),
    "blocks": (CompiledGraph, "release"),
    "memory": (BufferPool, "close"),
}


@pytest.fixture(autouse=True)
def no_threads() -> Any:
    """No thread of a run is left, and none hangs."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("flowload-loop"):
            thread.join(10)
    assert not run_threads()


def breaking(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> list[str]:
    """Let a method do its work and then raise; the names of what was done."""
    original: Callable[..., Any] = getattr(kind, name)
    done: list[str] = []

    if kind is Executor:

        async def broken_async(self: Any, *args: Any) -> Any:
            await original(self, *args)
            done.append(self.name)
            raise OSError("cannot be closed")

        monkeypatch.setattr(kind, name, broken_async)
    else:

        def broken(self: Any, *args: Any) -> Any:
            original(self, *args)
            done.append(name)
            raise OSError("cannot be closed")

        monkeypatch.setattr(kind, name, broken)
    return done


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_closed_is_the_failure_of_a_run_that_ended(
    face: Face, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = breaking(monkeypatch, *PLACES[place])
    with pytest.raises(OSError, match="cannot be closed"):
        face.read(numbers(9, 3) >> plus(1))
    assert done == (["kernel", "io"] if place == "executor" else [PLACES[place][1]])


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_closed_is_logged_where_the_reader_has_left(
    face: Face, place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    breaking(monkeypatch, *PLACES[place])
    assert flat(face.read(numbers(999, 3) >> plus(0), 1)) == [0, 1, 2]
    assert "a stage could not be closed" in caplog.text
    assert "cannot be closed" in caplog.text


@pytest.mark.parametrize("method", ["__init__", "submit"])
def test_a_lane_that_cannot_be_opened_or_used_is_a_failure(
    face: Face, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the system gives no more threads."""

    def refuse(self: Executor, *args: Any, **how: Any) -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr(Executor, method, refuse)
    with pytest.raises(RuntimeError, match="no more threads"):
        face.read(numbers(9, 3) >> plus(1))
