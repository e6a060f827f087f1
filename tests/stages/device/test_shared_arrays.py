from __future__ import annotations

import threading
from typing import Any

import numpy as np

from flowload.blocks import Batch, is_shared
from flowload.stages.device.shared_arrays import Shared


def test_it_is_made_once_an_array_and_let_go_with_it() -> None:
    calls: list[str] = []

    def make(array: Any, key: str) -> int:
        calls.append(key)
        return int(array.sum())

    shared = Shared(make)
    one, two = np.arange(3), np.arange(3)
    assert [shared.get(one, "a"), shared.get(two, "b"), shared.get(one, "c")] == [3, 3, 3]
    assert calls == ["a", "b"]
    assert shared.knows(one)
    del two  # what was made of it may be large: it goes at once, not when the next one comes
    assert len(shared.made) == 1
    assert shared.get(np.arange(9), "d") == 36
    assert len(shared.made) == 1


def test_another_array_at_the_same_place_is_another() -> None:
    shared = Shared(lambda array, key: array.tolist())
    for k in range(50):  # an id comes again as soon as its array is gone
        assert shared.get(np.full(2, k), "x") == [k, k]
        assert not shared.made


def test_threads_that_ask_at_once_get_the_same() -> None:
    array, gate = np.arange(3), threading.Barrier(4)
    shared: Shared[object] = Shared(lambda array, key: object())
    found: list[object] = []

    def ask() -> None:
        gate.wait()
        found.append(shared.get(array, "x"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_only_what_a_batch_has_for_itself_counts_as_its_bytes() -> None:
    pairs = np.arange(6)
    assert Batch({"x": np.zeros(2)}, {"pairs": pairs}).nbytes == 64
    pairs.flags.writeable = False
    assert is_shared(pairs)
    assert not is_shared("text")
    assert Batch({"x": np.zeros(2)}, {"pairs": pairs}).nbytes == 16
