"""Parts of rows that are read and taken in one call, beside a twin that takes a number at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowload.formats.recordings.selection.taking import pread_address
from flowload.kernels.rows import parts as kernels
from flowload.kernels.rows.cells import WORDS
from flowload.kernels.rows.parts import BFLOAT16, COLUMNS, FLOAT16, SAME, Room, read_parts, take_parts

from .naive_parts import DTYPES, lost, part_of

EDGE = 24  #: bytes around each target that must stay as they are


def numbers(shape: tuple[int, ...], dtype: str) -> Any:
    rng = np.random.default_rng(0)
    if dtype.startswith("f"):
        return (rng.standard_normal(shape) * 10.0 ** rng.integers(-8, 6, shape)).astype(dtype)
    return rng.integers(0, 200, shape).astype(dtype)


@st.composite
def wanted(draw: st.DrawFn, width: int, halves: bool) -> tuple[list[int], int, int, int]:
    """Where runs begin, their length, the step between them where it is one, and what becomes of numbers."""
    kind = draw(st.sampled_from([SAME, FLOAT16, BFLOAT16])) if halves else SAME
    how = draw(st.sampled_from(["list", "steps", "runs"]))
    if how == "list":
        return draw(st.lists(st.integers(0, width - 1), min_size=1, max_size=40)), 1, 0, kind
    if how == "steps":
        step = draw(st.integers(1, 6))
        first = draw(st.integers(0, width - 1))
        count = draw(st.integers(1, (width - 1 - first) // step + 1))
        return [first + k * step for k in range(count)], 1, step, kind
    run = draw(st.integers(1, width))
    return draw(st.lists(st.integers(0, width - run), min_size=1, max_size=3)), run, 0, kind


class Targets:
    """Memory for each part, with a few bytes on either side and between rows."""

    def __init__(self, asked: list[tuple[list[int], int, int, int]], dtype: Any, rows: int, gap: int) -> None:
        self.asked = asked
        self.kinds = [DTYPES.get(kind, dtype) for *_, kind in asked]
        self.widths = [
            len(starts) * run * kind.itemsize
            for (starts, run, _, _), kind in zip(asked, self.kinds, strict=True)
        ]
        self.strides = [width + gap for width in self.widths]
        self.memory = [np.full(EDGE + stride * rows + EDGE, 77, np.uint8) for stride in self.strides]
        longest = max(len(starts) * run for starts, run, _, _ in asked)
        words = WORDS[dtype.itemsize]
        self.room = Room(np.empty(longest, words), np.empty(longest, np.uint32), np.empty(longest, np.uint16))
        self.cells = np.concatenate([np.array(starts, np.uint64) for starts, *_ in asked])

    def lines(self, stream: int) -> Any:
        lines = np.zeros((len(self.asked), COLUMNS), np.int64)
        begin = 0
        for line, (starts, run, step, kind), memory, stride in zip(
            lines, self.asked, self.memory, self.strides, strict=True
        ):
            line[kernels.TO] = memory.ctypes.data + EDGE
            line[kernels.STRIDE] = stride
            line[kernels.FIRST], line[kernels.COUNT], line[kernels.RUN] = begin, len(starts), run
            line[kernels.KIND], line[kernels.STREAM], line[kernels.STEP] = kind, stream, step
            begin += len(starts)
        return lines

    def check(self, rows: Any, first: int = 0) -> None:
        for (starts, run, _, kind), memory, stride, width, dtype in zip(
            self.asked, self.memory, self.strides, self.widths, self.kinds, strict=True
        ):
            twin = np.full(len(memory), 77, np.uint8)
            for number, row in enumerate(rows, first):
                own = np.array(part_of(row, starts, run, kind), dtype)
                begin = EDGE + number * stride
                twin[begin : begin + width] = own.view(np.uint8)
            np.testing.assert_array_equal(memory, twin)


CASES = st.tuples(
    st.integers(1, 5),
    st.integers(1, 90),
    st.sampled_from(["u1", "i2", "f4", "f8"]),
    st.integers(0, 9),
    st.integers(0, 1),
)


@pytest.mark.slow
@np.errstate(over="ignore")
@settings(max_examples=80, deadline=None)
@given(case=CASES, data=st.data())
def test_parts_of_rows_in_memory_are_those_of_the_twin(
    case: tuple[int, int, str, int, int], data: st.DataObject
) -> None:
    rows, width, dtype, gap, stream = case
    asked = data.draw(st.lists(wanted(width, dtype == "f4"), min_size=1, max_size=3))
    chunk = numbers((rows, width), dtype)
    targets = Targets(asked, chunk.dtype, rows + 1, gap)
    words = chunk.view(WORDS[chunk.itemsize])
    found = take_parts(words, 1, targets.lines(stream), targets.cells, targets.room)
    targets.check(chunk, first=1)
    assert found == sum(lost(row, starts, run, kind) for row in chunk for starts, run, _, kind in asked)


@pytest.mark.slow
@pytest.mark.skipif(pread_address() is None, reason="the system's pread is not known by its name")
@np.errstate(over="ignore")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 9), width=st.integers(1, 70), data=st.data())
def test_parts_of_rows_of_a_file_are_those_of_the_twin(
    rows: int, width: int, data: st.DataObject, tmp_path: Path
) -> None:
    asked = data.draw(st.lists(wanted(width, True), min_size=1, max_size=2))
    some, before = data.draw(st.integers(1, 10)), data.draw(st.integers(0, 7))
    there = data.draw(st.integers(0, rows))
    chunk = numbers((rows, width), "f4")
    path = tmp_path / "chunk"
    path.write_bytes(bytes(before) + chunk.tobytes()[: there * width * 4])
    targets = Targets(asked, chunk.dtype, rows, 0)
    memory = np.empty(some * width * 4, np.uint8)
    words = memory.view(np.uint32).reshape(some, width)
    pread = pread_address()
    assert pread is not None
    fd = os.open(path, os.O_RDONLY)
    try:
        done, became = read_parts(
            pread, (fd, before), memory, words, rows, targets.lines(0), targets.cells, targets.room
        )
    finally:
        os.close(fd)
    assert done == (rows if there == rows else there // some * some)  # the rest is nobody's: it is told
    targets.check(chunk[:done])
    assert became == sum(
        lost(row, starts, run, kind) for row in chunk[:done] for starts, run, _, kind in asked
    )
