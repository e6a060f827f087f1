"""From threads into the loop: every ring is answered, however many come, and none is needed afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from flowload.runtime.faces.wakeup import Wakeup

pytestmark = pytest.mark.anyio


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something holds."""
    while not condition():
        await anyio.lowlevel.checkpoint()


async def test_a_ring_is_answered_in_the_loop() -> None:
    threads: list[threading.Thread] = []
    wakeup = Wakeup(lambda: threads.append(threading.current_thread()))
    ringer = threading.Thread(target=wakeup.call)
    ringer.start()
    await until(lambda: bool(threads))
    ringer.join()
    assert threads == [threading.current_thread()]


async def test_rings_before_the_answer_count_as_one() -> None:
    answers: list[int] = []
    wakeup = Wakeup(lambda: answers.append(1))
    for _ in range(5):
        wakeup.call()
    await until(lambda: bool(answers))
    await anyio.wait_all_tasks_blocked()
    assert answers == [1]


async def test_a_ring_during_the_answer_is_answered() -> None:
    answers: list[int] = []

    def answer() -> None:
        answers.append(1)
        if len(answers) < 3:
            wakeup.call()

    wakeup = Wakeup(answer)
    wakeup.call()
    await until(lambda: len(answers) == 3)


async def test_what_is_laid_down_before_a_ring_is_found_by_an_answer() -> None:
    laid: list[int] = []
    found: list[int] = []

    def answer() -> None:
        found.extend(laid[len(found) :])

    wakeup = Wakeup(answer)

    def lay(start: int) -> None:
        for n in range(200):
            laid.append(start + n)
            wakeup.call()

    threads = [threading.Thread(target=lay, args=(1000 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    await until(lambda: len(found) == 800)
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(1000 * k + n for k in range(4) for n in range(200))


def test_nobody_answers_when_the_loop_has_gone(anyio_backend: str) -> None:
    async def make() -> Wakeup:
        return Wakeup(lambda: None)

    wakeup = anyio.run(make, backend=anyio_backend)
    wakeup.call()
    wakeup.call()


async def test_a_ring_that_was_interrupted_can_be_rung_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[int] = []
    wakeup = Wakeup(lambda: answers.append(1))

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(wakeup, "_schedule", interrupt)
        with pytest.raises(KeyboardInterrupt):
            wakeup.call()
    wakeup.call()
    await until(lambda: answers == [1])
