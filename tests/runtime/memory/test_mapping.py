from __future__ import annotations

import mmap
import weakref

import numpy as np
import pytest

from flowload.runtime.memory.map_file import HUGE
from flowload.runtime.memory.mapping import BufferMemory, Watch
from tests.runtime.views import Ledger


@pytest.mark.parametrize("size", [mmap.PAGESIZE, HUGE, 2 * HUGE + mmap.PAGESIZE])
def test_all_of_it_is_there_and_shown_exactly(size: int) -> None:
    memory = BufferMemory(size, None)
    array = memory.show(size - 3, lambda _: None)
    array[:] = 7
    assert array.size == size - 3
    assert memory.face.size == size
    assert (memory.face[:-3] == 7).all()
    assert (memory.face[-3:] == 0).all()


def test_big_memory_starts_on_the_border_of_a_huge_page() -> None:
    assert BufferMemory(HUGE, None).face.ctypes.data % HUGE == 0


def test_a_system_without_huge_pages_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 12345)
    assert BufferMemory(HUGE, None).face.size == HUGE
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert BufferMemory(HUGE, None).face.size == HUGE


def test_the_end_of_every_showing_is_told_once() -> None:
    ended: list[Watch] = []
    memory = BufferMemory(mmap.PAGESIZE, None)
    for count in (1, 2):
        array = memory.show(10, ended.append)
        view = array[2:4].view(np.int8)
        del array
        assert len(ended) == count - 1
        del view
        assert [watch.memory for watch in ended] == [memory] * count


def test_another_may_be_told_instead_unless_it_is_over() -> None:
    first: list[Watch] = []
    second: list[Watch] = []
    memory = BufferMemory(mmap.PAGESIZE, None)
    memory.tell_instead(second.append)
    array = memory.show(10, first.append)
    memory.tell_instead(second.append)
    del array
    memory.tell_instead(first.append)
    assert (len(first), [watch.memory for watch in second]) == (0, [memory])


def test_a_device_is_told_before_and_after() -> None:
    device = Ledger()
    memory = BufferMemory(mmap.PAGESIZE, device)
    assert device.registered == {memory.face.ctypes.data: mmap.PAGESIZE}
    memory.free()
    assert not device.registered


def test_a_view_outlives_the_memory_object() -> None:
    memory = BufferMemory(mmap.PAGESIZE, None)
    array = memory.show(10, lambda _: None)
    array[:] = 5
    gone = weakref.ref(memory)
    memory.watch = None  # else the callback keeps it
    del memory
    assert gone() is None
    assert (array == 5).all()
