"""A block of records under construction, in leased memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import PackingFormat
from flowload.abc.operators import Bytes, Call
from flowload.kernels.rows.gather import gather, widen

__all__ = ["RecordBuffer"]


class RecordBuffer:
    """Records one after the other, all rows as long as the longest record.

    Args:
        call: leases the memory.
        nbytes: a first guess of what will be needed; more is leased when it was too low.
        packer: a format that packs records; None: rows are records as they are on disk.
    """

    def __init__(self, call: Call, nbytes: int, packer: PackingFormat | None = None) -> None:
        self.call = call
        self.packer = packer
        self.memory = call.lease(nbytes)
        self.stride = 0
        self.count = 0

    @property
    def data(self) -> Bytes:
        """The records so far: (n, stride)."""
        return self.memory[: self.count * self.stride].reshape(self.count, self.stride)

    @property
    def rest(self) -> Bytes:
        """The memory behind them: what is written there can be taken without a copy."""
        return self.memory[self.count * self.stride :]

    def free(self, stride: int) -> Bytes:
        """The memory behind them, as rows of at least so many bytes: (n, stride)."""
        self.fit(stride)
        begin = self.count * self.stride
        count = (len(self.memory) - begin) // self.stride
        return self.memory[begin : begin + count * self.stride].reshape(count, self.stride)

    def take(self, records: Bytes, which: NDArray[np.int64] | None) -> None:
        """Append records (n, stride), all or those named; no copy of all where they lie at `rest` already."""
        if self.packer is None or not self.pack(self.packer, records, which):
            self.append(records, which)

    def pack(self, packer: PackingFormat, records: Bytes, which: NDArray[np.int64] | None) -> bool:
        """Append records packed; False if one of them does not fit."""
        which = np.arange(len(records)) if which is None else which
        self.fit(packer.row_bytes)
        fits = packer.pack(records, which, self.room(len(which)))
        self.count += len(which) if fits else 0
        return fits

    def append(self, records: Bytes, which: NDArray[np.int64] | None) -> None:
        """Append records as they are."""
        count, stride = len(records) if which is None else len(which), records.shape[1]
        if which is None and stride == (self.stride or stride) and same_place(records, self.rest):
            self.stride = stride
        else:
            if np.may_share_memory(records, self.memory):
                records = records.copy()  # another record size in one block: too rare to be clever
            self.fit(stride)
            out = self.room(count)
            if which is None:
                widen(out, records)
            else:
                gather(out, records, which)
        self.count += count

    def fit(self, stride: int) -> None:
        """Make the rows long enough."""
        if stride <= self.stride:
            return
        if self.count:
            self.move(stride, max(len(self.memory), 2 * self.count * stride))
        self.stride = stride

    def room(self, count: int) -> Bytes:
        """The memory of so many more rows."""
        begin, end = self.count * self.stride, (self.count + count) * self.stride
        if end > len(self.memory):
            self.move(self.stride, max(end, 2 * len(self.memory)))
        return self.memory[begin:end].reshape(count, self.stride)

    def move(self, stride: int, nbytes: int) -> None:
        """Go to a new lease, with rows of this length."""
        memory = self.call.lease(nbytes)
        widen(memory[: self.count * stride].reshape(self.count, stride), self.data)
        self.memory = memory


def same_place(one: Bytes, other: Bytes) -> bool:
    """Whether both begin at the same byte."""
    return address(one) == address(other)


def address(array: Bytes) -> int:
    """Of its first byte; several times faster than `array.ctypes.data`."""
    begin: int = array.__array_interface__["data"][0]
    return begin
