"""What a batch is told by: where its arrays lie in memory that both processes map, and how they look."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.processes.child import pack
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.memory.shared_file import SharedFile

from .frames import Array, Arrays, Value
from .wire import dumps, plain_tensor

__all__ = ["Packed", "Packer"]

ALIGNED = 64  #: bytes


class Packed(NamedTuple):
    """What is sent, and for each of its spans what must not go before the reader lets go of that."""

    entry: Arrays | Value
    kept: Sequence[Any]


class Constant(NamedTuple):
    """A read-only array that goes with whole batches, and is in many of them."""

    number: int
    array: weakref.ref[NDArray[Any]]
    copy: Bytes | None  #: where it lies in memory of both, if not by itself


class Span:
    """A stretch of a segment, and what lies there."""

    def __init__(self, segment: int, start: int, end: int) -> None:
        self.segment = segment
        self.start, self.end = start, end
        self.kept: list[Any] = []


class Packer:
    """Finds where arrays lie; what lies elsewhere, such as what a user's function has made, is copied once.

    Used by one thread at a time.

    Args:
        file: memory of both processes.
    """

    def __init__(self, file: SharedFile) -> None:
        self.file = file
        self.copies = BufferPool(file=file)
        self.constants: dict[int, Constant] = {}  # by id
        self.numbers = 0
        self.layout: Sequence[Array] = ()  # of the last batch

    def pack(self, value: Any, whole: Collection[str] = ()) -> Packed:
        """A batch. Raises GraphError for tensors that stay in this process.

        Args:
            value: what the reader gets.
            whole: names of its arrays that go with all samples together.
        """
        if type(value) is dict and (packed := self.like_the_last(value, whole)) is not None:
            return packed
        found = Found(self)
        if type(value) is dict and found.all_arrays(value, whole):
            layout = tuple(found.layout)
            known, self.layout = self.layout == layout, layout
            spans, places, kept = found.told()
            return Packed(Arrays(None if known else layout, tuple(whole), spans, places), kept)
        found = Found(self)
        meta, buffers = pack(value, dumps)
        for buffer in buffers:
            found.add(buffer, buffer.__array_interface__["data"][0], buffer.nbytes)
        sizes = tuple((buffer.nbytes, buffer.flags.writeable) for buffer in buffers)
        spans, places, kept = found.told()
        return Packed(Value(meta, sizes, spans, places), kept)

    def like_the_last(self, value: Mapping[Any, Any], whole: Collection[str]) -> Packed | None:
        """A batch of arrays that look as those of the last one, and lie in one segment; None: it is another.

        Nearly all are such; of games, a batch takes 60 us in all, and told in full it would take 14 of them.
        """
        if len(value) != len(self.layout) or not self.file.segments:
            return None
        segment = self.file.segments[-1]
        starts = []
        low, high = segment.size, 0
        for known, (key, each) in zip(self.layout, value.items(), strict=True):
            if type(each) is not np.ndarray or key in whole or key != known.key or each.dtype != known.dtype:
                return None
            face = each.__array_interface__
            address, read_only = face["data"]
            if face["shape"] != known.shape or face["strides"] != known.strides or known.strides is not None:
                return None
            start = address - segment.address
            end = start + each.nbytes
            if read_only is known.writeable or known.tensor is not None or start < 0 or end > segment.size:
                return None
            starts.append(start)
            low, high = min(low, start), max(high, end)
        places = tuple((0, start - low, 0) for start in starts)
        return Packed(Arrays(None, (), ((segment.number, low, high - low),), places), [value])

    def constant(self, array: NDArray[Any]) -> Constant:
        """A read-only array of many batches, copied once where it must be."""
        known = self.constants.get(id(array))
        if known is not None and known.array() is array:
            return known
        self.numbers += 1
        copy = None
        if self.file.find(array.ctypes.data, extent(array)) is None:
            copy = self.copies.lease(max(1, array.nbytes))
            placed(copy, array, 0)
        made = Constant(self.numbers, weakref.ref(array, partial(self.forget, id(array))), copy)
        self.constants[id(array)] = made
        return made

    def forget(self, number: int, gone: object) -> None:
        """An array is gone; the place of its copy with the last batch that has it."""
        known = self.constants.get(number)
        if known is not None and known.array is gone:
            self.constants.pop(number, None)


class Found:
    """Where the arrays of one batch lie."""

    def __init__(self, packer: Packer) -> None:
        self.packer = packer
        self.layout: list[Array] = []
        self.spans: list[Span] = []
        self.own: dict[int, int] = {}  # by segment: the span of what this batch alone has
        self.places: list[tuple[int, int, int]] = []  # span, start in the segment, number
        self.elsewhere: list[tuple[int, NDArray[Any]]] = []  # places that wait for a copy, and of what

    def all_arrays(self, value: Mapping[Any, Any], whole: Collection[str]) -> bool:
        """Whether a dict has but plain arrays and tensors; then it is in the layout."""
        torch = sys.modules.get("torch")
        tensor_type = None if torch is None else torch.Tensor
        for key, each in value.items():
            kind = type(each)
            if type(key) is not str:
                return False
            if kind is np.ndarray and not each.dtype.hasobject:
                self.array(key, each, shared=key in whole)
            elif kind is tensor_type and not each.requires_grad:
                plain, name = plain_tensor(each)
                self.layout.append(Array(key, plain.dtype, plain.shape, None, name, True))
                self.add(plain, plain.__array_interface__["data"][0], plain.nbytes)
            else:
                return False
        return True

    def array(self, key: str, array: NDArray[Any], *, shared: bool) -> None:
        """One array."""
        flags = array.flags
        strides = None if flags.c_contiguous else array.strides
        address = array.__array_interface__["data"][0]
        number, keep, nbytes = 0, array, array.nbytes
        if strides is not None:
            if min(strides) < 0 or self.packer.file.find(address, extent(array)) is None:
                strides, address = None, 0  # copied, and its rows are one behind the other there
            else:
                nbytes = extent(array)
        if shared and not flags.writeable and nbytes:
            constant = self.packer.constant(array)
            number = constant.number
            if constant.copy is not None:
                keep, address = constant.copy, constant.copy.__array_interface__["data"][0]
        self.layout.append(Array(key, array.dtype, array.shape, strides, None, flags.writeable))
        self.add(keep, address, nbytes, number)

    def add(self, array: NDArray[Any], address: int, nbytes: int, number: int = 0) -> None:
        """Note where something lies, and that it must stay."""
        if not nbytes:
            self.places.append((-1, 0, 0))
            return
        found = self.packer.file.find(address, nbytes)
        if found is None:
            self.elsewhere.append((len(self.places), array))
            self.places.append((-1, 0, 0))
        else:
            self.places.append((*self.spanned(found[0].number, found[1], nbytes, array, number), number))

    def spanned(self, segment: int, start: int, nbytes: int, kept: Any, number: int = 0) -> tuple[int, int]:
        """The span of a place, and the place."""
        which = None if number else self.own.get(segment)
        if which is None:
            which = len(self.spans)
            self.spans.append(Span(segment, start, start + nbytes))
            if not number:
                self.own[segment] = which
        span = self.spans[which]
        span.start, span.end = min(span.start, start), max(span.end, start + nbytes)
        span.kept.append(kept)
        return which, start

    def told(self) -> tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int, int], ...], list[Any]]:
        """Spans, places in them, and what they keep; now what lies elsewhere is copied."""
        if self.elsewhere:
            self.copy()
        spans = self.spans
        places = tuple(
            (which, start - spans[which].start, number) if which >= 0 else (which, start, number)
            for which, start, number in self.places
        )
        told = tuple((span.segment, span.start, span.end - span.start) for span in spans)
        return told, places, [span.kept for span in spans]

    def copy(self) -> None:
        """Copy what lies elsewhere, one behind the other."""
        sizes = [-(-array.nbytes // ALIGNED) * ALIGNED for _, array in self.elsewhere]
        memory = self.packer.copies.lease(sum(sizes))
        found = self.packer.file.find(memory.__array_interface__["data"][0], memory.nbytes)
        assert found is not None  # noqa: S101 - it was leased there
        segment, start = found
        at = 0
        for (number, array), size in zip(self.elsewhere, sizes, strict=True):
            placed(memory, array, at)
            self.places[number] = (*self.spanned(segment.number, start + at, array.nbytes, memory), 0)
            at += size


def placed(memory: Bytes, array: NDArray[Any], at: int) -> None:
    """Copy an array into memory."""
    np.copyto(np.ndarray(array.shape, array.dtype, memory, at), array)


def extent(array: NDArray[Any]) -> int:
    """Bytes from the first of an array to its last, where its strides are not negative."""
    steps = zip(array.shape, array.strides, strict=True)
    return sum((count - 1) * step for count, step in steps) + array.itemsize if array.size else 0
