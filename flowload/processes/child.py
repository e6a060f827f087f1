"""What a worker process runs: one function, whose values come and go through memory that both processes map.

Run as a file, with the number of its socket: `child.py FD`. It imports numpy and what the function needs.

A message is a head of `HEAD` (its length, and whether a descriptor of new memory comes along), then a pickle.
Arrays are not in it: they lie in the memory, each at the next place that is `ALIGNED`, in the order of sizes.

    first        (sys.path, the pickled function)
    a call       (pickle of the arguments, sizes, free), with memory where there is none that is large enough
    its answer   ("value", pickle of the value, sizes, slot, gone, kept), with memory of a new slot; or
                 ("error", pickle of the exception or None, its type's name, its words, its frames, kept)
    slot         which memory the value's arrays lie in: their reader has views of it, and no copy
    free         slots in which nobody sees anything any more; some may be `gone` for one that is larger
    kept         the function holds views of its arguments: their memory must not be written to again
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Memory", "Slots", "dumps", "nameless", "pack", "places", "receive", "send", "unpack"]

HEAD = struct.Struct("<Q?")
ALIGNED = 64  #: bytes
SMALLEST = 1 << 16  #: bytes of a memory

Bytes = NDArray[np.uint8]


class Memory:
    """Memory of two processes. It has no name, so that nothing is left of it, whoever is killed.

    Args:
        fd: of the other process's; it is closed. None: new memory.
        size: of new memory, in bytes.
    """

    def __init__(self, fd: int | None = None, size: int = 0) -> None:
        if fd is None:
            fd = nameless()
            os.ftruncate(fd, max(SMALLEST, 1 << (size - 1).bit_length() if size else 0))
        self.size = os.fstat(fd).st_size
        self.map = mmap.mmap(fd, self.size)
        self.fd = fd  #: until it was sent

    def views(self, sizes: Sequence[int]) -> list[Bytes]:
        """Arrays of so many bytes, each at its place. They keep one object alive that only they know."""
        buffer = (ctypes.c_char * self.size).from_buffer(self.map)
        self.seen = weakref.ref(buffer)
        whole = np.frombuffer(memoryview(buffer), np.uint8)
        return [whole[start : start + size] for start, size in zip(places(sizes), sizes, strict=False)]

    @property
    def is_seen(self) -> bool:
        """Whether somebody holds a view of the last ones."""
        return self.seen() is not None

    def close_fd(self) -> None:
        """Close the descriptor; the mapping stays."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Slots:
    """Memory for what is given away: that of which nobody sees anything any more is used again."""

    def __init__(self) -> None:
        self.all: dict[int, Memory] = {}
        self.free: list[int] = []
        self.made = 0

    def take(self, nbytes: int) -> tuple[int, bool, list[int]]:
        """One that has room, whether it is new, and those that are let go for it: free, and too small."""
        for place in range(len(self.free) - 1, -1, -1):  # used last: in the cache
            if self.all[self.free[place]].size >= nbytes:
                return self.free.pop(place), False, []
        gone, self.free = self.free, []
        for number in gone:
            del self.all[number]
        self.made += 1
        self.all[self.made] = Memory(size=nbytes)
        return self.made, True, gone


def nameless() -> int:
    """A descriptor of an empty file that has no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("flowload")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def places(sizes: Sequence[int]) -> list[int]:
    """Where each begins; behind them, where all end."""
    found = [0]
    for size in sizes:
        found.append(found[-1] + -(-size // ALIGNED) * ALIGNED)
    return found


class Pickler(pickle.Pickler):
    """Takes a plain tensor's memory for its array's; names what torch and numpy have, and nothing of ours.

    torch would copy it into the pickle, and torch 2.13 cannot read its own pickles of uint16, uint32, uint64.
    """

    def reducer_override(self, value: Any) -> Any:
        """How a tensor is made again; anything else as it says itself."""
        torch = sys.modules.get("torch")
        kind = getattr(torch, "Tensor", None)  # another thread may be in the midst of importing it
        if torch is None or kind is None or type(value) is not kind:
            return NotImplemented
        odd = value.requires_grad or value.is_conj() or value.is_neg() or value.is_quantized
        if odd or value.device.type != "cpu" or value.layout is not torch.strided:
            return NotImplemented
        plain = value.contiguous()
        try:
            return torch.from_numpy, (plain.numpy(),)
        except TypeError:  # numpy has no such numbers: bfloat16
            if plain.dim() != 1:
                return kind.reshape, (plain.reshape(-1), tuple(plain.shape))
            return kind.view, (plain.view(torch.uint8), plain.dtype)


def dumps(value: Any, *, protocol: int, buffer_callback: Callable[[pickle.PickleBuffer], object]) -> bytes:
    """As `pickle.dumps`, plain tensors as arrays."""
    text = io.BytesIO()
    Pickler(text, protocol=protocol, buffer_callback=buffer_callback).dump(value)
    return text.getvalue()


def pack(value: Any, dumps: Callable[..., bytes] = dumps) -> tuple[bytes, list[Bytes]]:
    """A value's pickle, and the bytes of its arrays, which are not in it."""
    buffers: list[pickle.PickleBuffer] = []
    meta = dumps(value, protocol=5, buffer_callback=buffers.append)
    return meta, [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]


def unpack(meta: bytes, buffers: Sequence[Bytes]) -> Any:
    """The value, whose arrays are views of these."""
    return pickle.loads(meta, buffers=buffers)


def send(sock: socket.socket, message: Any, memory: Memory | None = None) -> None:
    """One message; `memory`: new, and told with it."""
    text = pickle.dumps(message, protocol=5)
    head = HEAD.pack(len(text), memory is not None)
    if memory is None:
        sock.sendall(head)
    else:
        socket.send_fds(sock, [head], [memory.fd])
        memory.close_fd()
    sock.sendall(text)


def receive(sock: socket.socket) -> tuple[Any, int | None]:
    """A message, and the descriptor that came along. Raises EOFError when the other end is gone."""
    head, fds, _, _ = socket.recv_fds(sock, HEAD.size, 1, socket.MSG_WAITALL)
    if len(head) < HEAD.size:
        raise EOFError
    size, told = HEAD.unpack(head)
    text = bytearray(size)
    rest = memoryview(text)
    while rest:
        count = sock.recv_into(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return pickle.loads(text), fds[0] if told else None


def frames_of(trace: TracebackType | None) -> list[tuple[str, int, str, str]]:
    """The lines of a traceback, the outermost first, without those of this file.

    Each as its file, line, name of the function, and module.
    """
    return [
        (frame.f_code.co_filename, line or 0, frame.f_code.co_name, str(frame.f_globals.get("__name__", "")))
        for frame, line in traceback.walk_tb(trace)
        if frame.f_code.co_filename != __file__
    ]


def failure(error: BaseException) -> tuple[str, bytes | None, str, str, list[tuple[str, int, str, str]]]:
    """An exception as a message: as it is, if it can be made again there, and in words."""
    kind = type(error)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - of anybody's code
        text = "its words cannot be told"
    try:
        whole = pickle.dumps(error)
        pickle.loads(whole)
    except Exception:  # noqa: BLE001 - of anybody's code
        return "error", None, kind.__qualname__, text, frames_of(error.__traceback__)
    return "error", whole, kind.__qualname__, text, frames_of(error.__traceback__)


class Server:
    """Answers calls of the function until the other end is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.arguments: Memory | None = None
        self.values = Slots()

    def serve(self) -> None:
        """All calls. Raises EOFError at the end."""
        (sys.path[:], text), _ = receive(self.sock)
        try:
            fn = pickle.loads(text)
        except BaseException as error:  # noqa: BLE001 - what importing the user's module raises
            receive(self.sock)
            send(self.sock, (*failure(error), False))
            return
        while True:
            (meta, sizes, free), fd = receive(self.sock)
            self.values.free += free
            if fd is not None:
                self.arguments = Memory(fd)
                self.arguments.close_fd()
            self.answer(fn, meta, sizes)

    def answer(self, fn: Callable[..., Any], meta: bytes, sizes: Sequence[int]) -> None:
        """Make one call, and send back what came of it."""
        told, fresh = self.told(fn, meta, sizes)
        # Only here: until then the value and an error's frames hold views of the arguments.
        send(self.sock, (*told, self.forget()), fresh)

    def told(
        self, fn: Callable[..., Any], meta: bytes, sizes: Sequence[int]
    ) -> tuple[tuple[Any, ...], Memory | None]:
        """Its answer, but for `kept`; and the memory for its arrays, where that is new."""
        assert self.arguments is not None  # noqa: S101 - came with the first
        try:
            value, buffers = pack(fn(*unpack(meta, self.arguments.views(sizes))))
        except BaseException as error:  # noqa: BLE001 - of anybody's code, which may try to exit
            return failure(error), None
        lengths = [buffer.nbytes for buffer in buffers]
        slot, fresh, gone = self.values.take(places(lengths)[-1])
        memory = self.values.all[slot]
        for place, buffer in zip(memory.views(lengths), buffers, strict=True):
            np.copyto(place, buffer)
        return ("value", value, lengths, slot, gone), memory if fresh else None

    def forget(self) -> bool:
        """Whether the function kept a view of its arguments, whose memory is then its own."""
        assert self.arguments is not None  # noqa: S101 - as above
        kept = self.arguments.is_seen
        if kept:
            self.arguments = None
        return kept


def leave_with(life: int) -> None:
    """End this process as soon as its parent has ended, whatever the function is doing."""
    os.read(life, 1)
    os._exit(1)


def main(fd: int, life: int) -> None:
    """Serve the socket of this number until its other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    threading.Thread(target=leave_with, args=(life,), daemon=True).start()
    with socket.socket(fileno=fd) as sock, contextlib.suppress(EOFError, ConnectionError):
        Server(sock).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
