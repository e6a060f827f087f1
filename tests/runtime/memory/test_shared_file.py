"""Memory that two processes map: pieces of one file, told by where they begin."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import numpy as np
import pytest

from flowload.runtime.memory.map_file import HUGE
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.memory.shared_file import SEGMENT, Piece, SharedFile

PAGE = mmap.PAGESIZE
needs_holes = pytest.mark.skipif(not hasattr(mmap, "MADV_REMOVE"), reason="pages go with the file")


@pytest.fixture
def file() -> Iterator[SharedFile]:
    made = SharedFile()
    yield made
    made.close()


def seen(piece: Piece) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(piece.segment.map, np.uint8, piece.size, piece.segment.base + piece.start)


def pages(file: SharedFile) -> int:
    return os.fstat(file.fd).st_blocks * 512 // PAGE


def test_pieces_lie_beside_each_other_and_are_used_again(file: SharedFile) -> None:
    first, second, third = (file.take(size) for size in (PAGE, PAGE, 2 * PAGE))
    seen(first)[:], seen(second)[:], seen(third)[:] = 1, 2, 3
    assert [set(seen(each).tolist()) for each in (first, second, third)] == [{1}, {2}, {3}]
    file.give_back(second)
    assert file.take(2 * PAGE).start == third.start + 2 * PAGE
    assert file.take(PAGE) == second


def test_another_mapping_sees_the_same(file: SharedFile) -> None:
    piece = file.take(PAGE)
    other = SharedFile(os.dup(file.fd))
    segment = other.map(piece.segment.offset, piece.segment.size)
    there = seen(Piece(segment, piece.start, piece.size))
    seen(piece)[7] = 9
    assert there[7] == 9
    there[8] = 10
    assert seen(piece)[8] == 10
    other.close()
    assert there[7] == 9, "what is seen stays"


def test_what_is_larger_than_a_segment_has_one_of_its_own(file: SharedFile) -> None:
    small, large, next_one = file.take(PAGE), file.take(SEGMENT + PAGE), file.take(PAGE)
    assert [each.segment.number for each in (small, large, next_one)] == [0, 1, 1]
    assert large.segment.offset == small.segment.offset + small.segment.size
    assert pages(file) == 0, "addresses alone"


def test_big_pieces_begin_on_the_border_of_a_huge_page(file: SharedFile) -> None:
    file.take(PAGE)
    piece = file.take(HUGE)
    assert seen(piece).ctypes.data % HUGE == 0
    seen(piece)[:] = 3
    file.settle(piece)
    assert (seen(piece) == 3).all()


@needs_holes
def test_pages_go_with_a_piece(file: SharedFile) -> None:
    pieces = [file.take(4 * PAGE) for _ in range(3)]
    for number, piece in enumerate(pieces, 1):
        seen(piece)[:] = number
    assert pages(file) == 12
    file.give_back(pieces[1])
    assert pages(file) == 8
    file.keep([(0, pieces[2].start + PAGE, PAGE)])
    assert pages(file) == 1
    assert seen(pieces[2])[PAGE] == 3


def test_where_an_address_lies_is_found(file: SharedFile) -> None:
    pieces = [file.take(PAGE), file.take(SEGMENT)]
    for piece in pieces:
        address = seen(piece).ctypes.data
        assert file.find(address + 5, 10) == (piece.segment, piece.start + 5)
        assert file.find(address, piece.segment.size - piece.start) is not None
        assert file.find(address, piece.segment.size - piece.start + 1) is None
    assert file.find(np.empty(8).ctypes.data, 8) is None


@needs_holes
def test_a_pool_leases_from_it_and_gives_back_once(file: SharedFile) -> None:
    pool = BufferPool(file=file)
    lease = pool.lease(3 * PAGE)
    address = lease.ctypes.data
    assert file.find(address, len(lease)) is not None
    lease[:] = 1
    del lease
    assert pool.lease(3 * PAGE).ctypes.data == address
    kept = pool.lease(PAGE)
    kept[:] = 7
    pool.close()
    assert pages(file) == 1
    assert (kept == 7).all()
    del kept
    pool.bury()
    assert pages(file) == 0
    pieces = [file.take(PAGE), file.take(PAGE), file.take(3 * PAGE)]
    assert len({each.start for each in pieces}) == 3
