"""Sends the batches of one output to the process that reads them."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from typing import Any

from flowload.abc.operators import Block
from flowload.blocks import Batch
from flowload.processes.child import failure
from flowload.runtime.faces.asynchronous import hand_over
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.faces.handoff import OutputEnd
from flowload.runtime.memory.shared_file import SharedFile

from .frames import Cut, End, Failed, Frames, Mapped, Taken, ahead, frame
from .packing import Packer

__all__ = ["Sender"]


class Sender:
    """A thread that sends, as many ahead as the reader has room for: bundles of those that are ready.

    A batch counts as delivered when the reader has taken it, not when it was sent: statistics, state and pass
    are those of the reader.

    Args:
        sock: the output's line.
        batches: the run.
        output: which of its outputs.
        file: memory of both processes.
    """

    def __init__(self, sock: socket.socket, batches: Batches, output: str, file: SharedFile) -> None:
        self.sock = sock
        self.batches = batches
        self.output = output
        self.file = file
        self.packer = Packer(file)
        self.frames = Frames(sock)
        self.told = self.told_pieces = 0  #: segments of the file, and pieces, that the reader knows
        self.kept: dict[int, Any] = {}  #: what the reader may still look at, by number of its span
        self.numbers = 0
        self.sent: deque[Block] = deque()  #: and not taken yet
        self.hearing = threading.Condition()
        self.waiting = False  #: the thread, for what comes
        self.left = False
        self.thread = threading.Thread(target=self.run, name=f"flowload-send-{output}", daemon=True)

    def run(self) -> None:
        """All batches, then the end or the error."""
        try:
            while self.send_some():
                pass
            if (
                not self.left
            ):  # else it was ended in the midst, and a thread that still reads would take it for all
                self.tell(End())
        except (EOFError, BrokenPipeError):
            return  # nobody reads any more
        except BaseException as error:  # noqa: BLE001 - all that a reader in this process would be raised
            if not self.left:
                with contextlib.suppress(OSError):
                    self.tell(Failed(failure(error)[1:]))

    def send_some(self) -> bool:
        """The next batch, and what is ready behind it; False at the end. Raises what the run raises."""
        entries: list[Any] = []
        try:
            while True:
                block, _ = self.batches.take(self.output)
                if isinstance(block, OutputEnd):
                    return False
                entries.append(self.packed(block))
                room = ahead(block.nbytes)
                self.sent.append(block)
                del block  # the reader's now, and what is taken from `sent` is gone
                if len(self.sent) >= room or not self.batches.at_hand(self.output):
                    break
        finally:
            if entries:
                self.tell(room, *self.mapped(), *entries)
        self.wait_for_room(room)
        return True

    def packed(self, block: Block) -> Any:
        """A batch as it is told, and what it keeps until the reader lets go of it."""
        whole = tuple(block.whole) if isinstance(block, Batch) else ()
        entry, kept = self.packer.pack(hand_over(block), whole)
        with self.hearing:
            for each in kept:
                self.kept[self.numbers] = each
                self.numbers += 1
        return entry

    def mapped(self) -> list[Mapped | Cut]:
        """Segments of the file that the reader does not know yet, and pieces where it wants them."""
        pieces = self.file.pieces[self.told_pieces :] if self.file.locked else []  # before segments: in those
        fresh = self.file.segments[self.told :]
        cut = [
            Cut(self.told_pieces + k, each.segment.number, each.start, each.size)
            for k, each in enumerate(pieces)
        ]
        self.told += len(fresh)
        self.told_pieces += len(pieces)
        return [*(Mapped(each.number, each.offset, each.size) for each in fresh), *cut]

    def tell(self, *entries: Any) -> None:
        """Send a message; waits where the line is full."""
        self.sock.sendall(frame(*entries))

    def wait_for_room(self, room: int) -> None:
        """Wait until fewer batches are on their way. Raises EOFError when the reader is gone."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        try:
            while True:
                with self.hearing:
                    self.receive()
                    self.waiting = len(self.sent) >= room
                    self.hearing.notify_all()
                    if not self.waiting:
                        return
                poll.poll()
        finally:
            with self.hearing:
                self.waiting = False
                self.hearing.notify_all()

    def hear(self) -> None:
        """Note what the reader has taken, and let go of, until now. From any thread.

        Raises EOFError when it is gone. What the thread waits for is left to it: nothing else would wake it.
        """
        with self.hearing:
            while self.waiting and select.select([self.sock], [], [], 0)[0]:
                self.hearing.wait()
            if not self.waiting:
                self.receive()

    def receive(self) -> None:
        """What has come; holding the lock."""
        with contextlib.suppress(BlockingIOError):
            while True:
                for taken in self.frames.receive(wait=False):
                    self.take(taken)

    def take(self, taken: Taken) -> None:
        """What it told."""
        for number in taken.free:
            del self.kept[number]
        for waited in taken.waits:
            self.batches.count(self.output, self.sent.popleft(), waited)

    def stop(self) -> None:
        """Wake the thread, and wait for its end."""
        self.left = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        if self.thread.is_alive():
            self.thread.join()
        self.sock.close()
