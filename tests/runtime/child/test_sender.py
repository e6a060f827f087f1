"""The sender of an output's batches: no more ahead than there is room for, several in a message."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

import flowload.runtime.child.sender as sender_module
from flowload.blocks import Batch
from flowload.runtime.child.frames import Arrays, End, Failed, Frames, Taken, frame
from flowload.runtime.child.sender import Sender
from flowload.runtime.faces.handoff import OutputEnd
from flowload.runtime.memory.shared_file import SharedFile
from tests.threads import give_way

ROOM = 3


class Run:
    """Gives batches that are ready, then the end; as much of `Batches` as a sender asks for."""

    def __init__(self, count: int) -> None:
        self.ready: deque[Any] = deque(Batch({"x": np.full(2, number)}) for number in range(count))
        self.counted: list[float] = []
        self.error: Exception | None = None

    def take(self, output: str) -> tuple[Any, float]:
        if self.error is not None and not self.ready:
            raise self.error
        return (self.ready.popleft() if self.ready else OutputEnd(None)), 0.0

    def at_hand(self, output: str) -> bool:
        return bool(self.ready)

    def count(self, output: str, block: Any, waited: float) -> None:
        self.counted.append(waited)


class Line:
    """A sender that runs, and its reader's end."""

    def __init__(self, count: int) -> None:
        ours, self.theirs = socket.socketpair()
        self.run: Any = Run(count)
        self.file = SharedFile()
        self.frames = Frames(self.theirs)
        self.sender = Sender(ours, cast("Any", self.run), "out", self.file)

    def come(self) -> list[Any]:
        """The entries of the next messages but for room and memory."""
        while True:
            found = [
                each for each in self.frames.receive(wait=True) if isinstance(each, Arrays | End | Failed)
            ]
            if found:
                return found

    def tell(self, count: int, *free: int) -> None:
        self.theirs.sendall(frame(Taken([0.5] * count, list(free))))

    def wait_until_full(self) -> None:
        while not self.sender.waiting:
            give_way()


@pytest.fixture
def line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(sender_module, "ahead", lambda nbytes: ROOM)
    made = Line(7)
    made.sender.thread.start()
    yield made
    made.sender.stop()
    made.theirs.close()
    made.file.close()


def test_those_that_are_ready_go_in_one_message_and_no_more_than_there_is_room_for(line: Line) -> None:
    first = line.come()
    assert [each.layout is None for each in first] == [False, True, True]
    line.wait_until_full()
    assert line.run.counted == [], "sent is not taken"
    line.tell(2)
    assert len(line.come()) == 2
    line.wait_until_full()
    line.tell(3)
    second = line.come()
    while len(second) < 3:
        second += line.come()
    assert [type(each) for each in second] == [Arrays, Arrays, End]
    line.tell(2)
    line.sender.hear()
    assert line.run.counted == [0.5] * 7


def test_what_the_reader_holds_stays_until_it_says_so(line: Line) -> None:
    line.come()
    line.wait_until_full()
    assert sorted(line.sender.kept) == [0, 1, 2]
    line.tell(1, 1)
    line.come()
    assert sorted(line.sender.kept) == [0, 2, 3]


def test_who_asks_meanwhile_takes_nothing_from_a_sender_that_waits_for_it(line: Line) -> None:
    line.come()
    line.wait_until_full()
    with line.sender.hearing:  # so that who asks is the first to look
        line.tell(1)
        line.sender.hear()
    assert line.run.counted == [0.5]
    assert len(line.come()) == 1, "it was woken"


def test_a_reader_that_is_gone_ends_it(line: Line) -> None:
    line.come()
    line.theirs.close()
    line.sender.thread.join()


def test_an_error_comes_behind_the_batches_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(2)
    line.run.error = OSError("no more")
    line.sender.thread.start()
    found = line.come()
    while len(found) < 3:
        found += line.come()
    *batches, failed = found
    assert len(batches) == 2
    assert failed.error[1:3] == ("OSError", "no more")
    line.sender.thread.join()
    line.sender.stop()
    line.theirs.close()
    line.file.close()


def test_a_run_that_is_left_has_no_end() -> None:
    line = Line(0)
    line.sender.left = True
    line.sender.thread.start()
    line.sender.stop()
    assert line.theirs.recv(1) == b"", "a reader that still reads is told that the run is gone"
    line.theirs.close()
    line.file.close()
