"""What goes along an output's own line: bundles of batches one way, and what was taken of them the other."""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

__all__ = [
    "MOST",
    "SMALL",
    "Array",
    "Arrays",
    "Cut",
    "End",
    "Failed",
    "Frames",
    "Mapped",
    "Taken",
    "Value",
    "ahead",
    "frame",
]

HEAD = struct.Struct("<I")
READ = 1 << 18  #: bytes that are asked for at once

#: Bytes, and batches, that may be sent before they are asked for, and how many always. A message, and waking
#: who waits for it, take as long as a batch of games, 60 us: with two ahead those came at 0.3 x the rate of a
#: run in the reader's process, with 4 MiB at 0.5 x, with 16 MiB, and 17 batches a message, at 0.7 x.
SMALL, MOST, ALWAYS = 32 << 20, 256, 3


class Array(NamedTuple):
    """What is known of a batch's array but where it lies."""

    key: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None  #: None: the rows are one behind the other
    tensor: str | None  #: None: it is none; else what its bytes are, where numpy has no such numbers
    writeable: bool


#: Segment, start and size of what a batch keeps from being used again.
Span: TypeAlias = "tuple[int, int, int]"
#: Number of its span, of a batch's own, and where it begins there; of what several batches share its number.
Place: TypeAlias = "tuple[int, int, int]"


class Mapped(NamedTuple):
    """A segment of the file, told before anything in it."""

    number: int
    offset: int
    size: int


class Cut(NamedTuple):
    """A piece of the file, told before anything in it, where the reader page-locks pieces."""

    number: int
    segment: int
    start: int
    size: int


class Arrays(NamedTuple):
    """A batch that is a dict of arrays. `layout` and `whole`: None where they are those of the one before."""

    layout: tuple[Array, ...] | None
    whole: tuple[str, ...]  #: see `Batch.whole`
    spans: tuple[Span, ...]
    places: tuple[Place, ...]


class Value(NamedTuple):
    """A batch that is anything else: its pickle, and where its buffers lie, each with its size."""

    meta: bytes
    sizes: tuple[tuple[int, bool], ...]  #: and whether it may be written to
    spans: tuple[Span, ...]
    places: tuple[Place, ...]


class End(NamedTuple):
    """The output has ended."""


class Failed(NamedTuple):
    """The output has failed; see `flowload.processes.child.failure`."""

    error: tuple[Any, ...]


class Taken(NamedTuple):
    """What the reader tells: seconds that it waited for each batch that it took, and spans that are free."""

    waits: list[float]
    free: list[int]


def ahead(nbytes: int) -> int:
    """Batches of so many bytes that may be sent before they are asked for."""
    return max(ALWAYS, min(MOST, SMALL // max(1, nbytes)))


def frame(*entries: Any) -> bytes:
    """A message."""
    text = pickle.dumps(entries, protocol=5)
    return HEAD.pack(len(text)) + text


class Frames:
    """The messages that come along a line, whatever pieces it brings them in.

    Args:
        sock: the line; closed by somebody else.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = bytearray()  # of a message that is not complete

    def receive(self, *, wait: bool) -> Iterator[Any]:
        """The entries of all messages that are complete. Raises EOFError when the other end is gone.

        Args:
            wait: for something to come; else BlockingIOError is raised where there is nothing.
        """
        data = self.sock.recv(READ, 0 if wait else socket.MSG_DONTWAIT)
        if not data:
            raise EOFError
        if self.rest:
            self.rest += data
            data = bytes(self.rest) if self.complete() else b""
            if not data:
                return iter(())
            self.rest.clear()
        start, found = 0, []
        while (begin := start + HEAD.size) <= len(data):
            (size,) = HEAD.unpack_from(data, start)
            if begin + size > len(data):
                break
            found += pickle.loads(memoryview(data)[begin : begin + size])
            start = begin + size
        self.rest += data[start:]
        return iter(found)

    def complete(self) -> bool:
        """Whether the first message is all there."""
        return len(self.rest) >= HEAD.size and len(self.rest) >= HEAD.size + HEAD.unpack_from(self.rest)[0]
