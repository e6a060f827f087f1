from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from flowload.blocks import Batch, Item
from tools.whatif.recorded_inputs import Cache, copied


def batch(size: int) -> Batch:
    return Batch({"x": np.zeros(size, np.uint8)})


def test_blocks_are_kept_as_they_were_when_they_were_shown() -> None:
    cache, block = Cache(4, 1000), batch(10)
    cache.show(block)
    block.arrays["x"][:] = 7
    (kept,) = cache.kept
    assert isinstance(kept, Batch)
    assert not kept.arrays["x"].any()


def test_no_more_blocks_are_kept_than_wanted() -> None:
    cache = Cache(2, 1000)
    for _ in range(5):
        cache.show(batch(1))
    assert len(cache.kept) == 2
    assert cache.full


def test_no_more_bytes_are_kept_than_wanted_but_always_one_block() -> None:
    cache = Cache(10, 100)
    for size in (150, 1):
        cache.show(batch(size))
    assert [kept.nbytes for kept in cache.kept] == [150]
    cache = Cache(10, 100)
    for size in (60, 50, 1):
        cache.show(batch(size))
    assert [kept.nbytes for kept in cache.kept] == [60]


def test_what_nobody_can_write_to_is_not_copied() -> None:
    array = np.arange(3)
    array.flags.writeable = False
    block = Batch({"x": np.zeros(3)}, whole={"pairs": array})
    made = copied(block)
    assert made.whole["pairs"] is array
    assert made.arrays["x"] is not block.arrays["x"]


def test_arrays_in_containers_are_copied_and_other_values_are_not() -> None:
    handle, array = object(), np.zeros(3)
    made = copied(Item([{"a": (array, handle)}]))
    inner = made.value[0]["a"]
    assert inner[1] is handle
    assert not np.shares_memory(inner[0], array)


def test_tensors_are_cloned(monkeypatch: Any) -> None:
    made: list[object] = []

    class Tensor:
        def clone(self) -> str:
            made.append(self)
            return "clone"

    Tensor.__module__ = "torch"
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    tensor = Tensor()
    assert copied(Batch({"x": tensor})).arrays == {"x": "clone"}
    assert made == [tensor]
