"""What a reader sees of memory that another process writes to, and when nobody sees it any more."""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.runtime.memory.shared_file import SharedFile

from .frames import Array, Span, Value
from .wire import tensor_of

__all__ = ["Loans"]


class Loan(weakref.ref[Any]):
    """Somebody may still look at a span."""

    __slots__ = ("number", "span")

    number: int
    span: Span


class Loans:
    """Spans of an output's batches that somebody may look at, and arrays on them.

    Args:
        file: memory of both processes.
    """

    def __init__(self, file: SharedFile) -> None:
        self.file = file
        self.loans: dict[int, Loan] = {}
        self.back: deque[Loan] = deque()  # filled by callbacks, in any thread: no lock, no Python
        self.known: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def lent(self, span: Span, number: int) -> Any:
        """The span's memory, which counts as seen until nobody refers to it."""
        which, start, size = span
        segment = self.file.segments[which]
        buffer = (ctypes.c_char * size).from_buffer(segment.map, segment.base + start)
        loan = Loan(buffer, self.back.append)
        loan.number, loan.span = number, span
        self.loans[number] = loan
        return buffer

    def made(self, array: Array, buffers: Sequence[Any], which: int, start: int, number: int) -> Any:
        """An array on its span."""
        _, dtype, shape, strides, tensor, writeable = array
        if number and (known := self.known.get(number)) is not None:
            return known  # the same object in each batch that has it, as in one process
        if which < 0:
            made: NDArray[Any] = np.empty(shape, dtype)
        else:
            made = np.ndarray(shape, dtype, buffers[which], start, strides)
        if tensor is not None:
            return tensor_of(made, tensor)
        if not writeable:
            made.flags.writeable = False
        if number:
            self.known[number] = made
        return made

    def views(self, value: Value, buffers: Sequence[Any]) -> Iterator[NDArray[np.uint8]]:
        """The bytes of what was pickled beside its buffers."""
        for (size, writeable), (which, start, _) in zip(value.sizes, value.places, strict=True):
            if which < 0:
                yield np.empty(0, np.uint8)
                continue
            made = np.ndarray((size,), np.uint8, buffers[which], start)
            made.flags.writeable = writeable
            yield made

    def returned(self) -> list[int]:
        """Numbers of the spans that nobody looks at since this was asked last."""
        free = []
        while self.back:
            number = self.back.popleft().number
            if self.loans.pop(number, None) is not None:
                free.append(number)
        return free

    def seen(self) -> list[Span]:
        """What somebody may still look at."""
        return [loan.span for loan in tuple(self.loans.values()) if loan() is not None]
