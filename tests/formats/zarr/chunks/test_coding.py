"""How many threads decode at a time; what they decode is tested with the arrays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BoundedSemaphore

import numpy as np
import pytest

from flowload.abc.operators import Bytes
from flowload.cpus import usable_cpus
from flowload.formats.zarr.chunks import coding as chunk_coding
from flowload.formats.zarr.chunks.coding import Coding, InTurn, decoder, turns

NOTHING = np.empty(0, np.uint8)
F4 = np.dtype("<f4")


def test_as_many_decode_as_there_are_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    two = BoundedSemaphore(2)
    monkeypatch.setattr(chunk_coding, "turns", lambda: two)
    both = Barrier(2)

    def decode(data: Bytes, out: Bytes) -> None:
        both.wait(60)  # two are in here
        assert not two.acquire(blocking=False)  # and nobody else can be
        both.wait(60)

    with ThreadPoolExecutor(6) as threads:
        for job in [threads.submit(InTurn(decode), NOTHING, NOTHING) for _ in range(6)]:
            job.result()
    assert [two.acquire(blocking=False) for _ in range(3)] == [True, True, False]


def test_a_turn_is_given_back_after_an_error() -> None:
    def decode(data: Bytes, out: Bytes) -> None:
        raise ValueError("no chunk")

    for _ in range(2 * usable_cpus()):
        with pytest.raises(ValueError, match="no chunk"):
            InTurn(decode)(NOTHING, NOTHING)


def test_bytes_as_they_are_wait_for_nobody() -> None:
    taken = 0
    while turns().acquire(blocking=False):
        taken += 1
    try:
        assert taken == usable_cpus()
        out = np.zeros(3, np.uint8)
        decoder(Coding(F4, "C", "", checked=False))(np.arange(3, dtype=np.uint8), out)
        assert out.tolist() == [0, 1, 2]
    finally:
        turns().release(taken)
    assert isinstance(decoder(Coding(F4, "C", "zstd", checked=False)), InTurn)
