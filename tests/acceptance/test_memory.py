"""Memory is a constant of the graph; a batch that is held is the holder's."""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from tests.acceptance.lines import chess
from tests.runtime.reading import Face

MB = 1 << 20


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
def test_many_epochs_take_no_more_than_is_estimated(sample: list[Path]) -> None:
    graph = chess(sample, size=256, reservoir=1000)
    for batch in graph.iterate(epochs=2, cpus=2):  # kernels and libraries are loaded
        assert len(batch["planes"])
    before, most, leased = resident(), 0, 0
    estimate = graph.memory(cpus=2, epochs=30)["total"]
    with graph.iterate(epochs=30, cpus=2) as run:
        for _ in run:
            most = max(most, resident())
            leased = max(leased, run.stats().buffer_bytes)
        stats = run.stats()
    assert stats.stages["batch"].bytes_out > 20 * estimate  # one batch an epoch that stays would show
    assert leased <= 1.1 * estimate
    assert most - before <= 1.1 * estimate + 32 * MB
    assert stats.buffers_made < stats.blocks_delivered / 4  # most serve again
    del _, batch
    gc.collect()
    assert run.stats().buffers_leased == 0


@pytest.mark.parametrize("across", [False, True])
def test_lanes_lease_no_more_than_is_estimated(sample: list[Path], across: bool) -> None:
    games = fl.discover([str(path) for path in sample]) >> fl.read("lc0") >> fl.shard(0, 1, lanes=6)
    records = games >> fl.shuffle_pool(600) >> fl.unpack(rate=0.5) >> fl.reservoir(1200)
    graph = records >> fl.batch(240, across_lanes=across)
    leased = 0
    with graph.iterate(epochs=4, cpus=2) as run:
        for _ in run:
            leased = max(leased, run.stats().buffer_bytes)
    assert leased <= 1.1 * graph.memory(cpus=2, epochs=4)["total"]


@pytest.mark.parametrize("layout", ["tensors", "tuple", "bits"])
def test_batches_that_are_held_stay_as_they_were(sample: list[Path], face: Face, layout: str) -> None:
    held: list[tuple[dict[str, Any], str]] = []
    seen = 0

    def see(batch: dict[str, Any], _: Any) -> bool:
        nonlocal seen
        if seen % 5 == 0:  # between them come others, whose buffers are used again
            held.append((batch, digest(batch)))
        seen += 1
        return len(held) < 20

    face.use(chess(sample, size=64, layout=layout), see, epochs=None)
    assert len(held) == 20
    assert [digest(batch) for batch, _ in held] == [word for _, word in held]
    assert len({word for _, word in held}) == 20


@pytest.mark.slow
def test_a_view_of_a_batch_holds_it(sample: list[Path]) -> None:
    rows: list[tuple[Any, bytes]] = []
    with chess(sample, size=64).iterate(epochs=None) as run:
        for batch in run:
            row = batch["planes"][7:8].numpy().reshape(-1)[::2]
            rows.append((row, row.tobytes()))
            if len(rows) == 100:
                break
    assert all(row.tobytes() == before for row, before in rows)


def test_a_batch_may_be_written_to(sample: list[Path]) -> None:
    def scalars(*, spoil: bool) -> list[bytes]:
        found = []
        with chess(sample, size=64, layout="bits").iterate(epochs=2) as run:
            for batch in run:
                found.append(batch["scalars"].numpy().tobytes())
                if spoil:
                    for tensor in batch.values():
                        tensor.numpy().view(np.uint8)[:] = 255
        return found

    assert scalars(spoil=True) == scalars(spoil=False)


def digest(batch: dict[str, Any]) -> str:
    """Of all bytes."""
    word = hashlib.sha1(usedforsecurity=False)
    for tensor in batch.values():
        word.update(np.ascontiguousarray(tensor).data)
    return word.hexdigest()
