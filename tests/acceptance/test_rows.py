"""Rows by reference, whole graphs: each once an epoch, one hash for any workers, memory that knows no N."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.graph import Graph
from tests.acceptance.test_determinism import Hash, hashed
from tests.runtime.reading import Face
from tests.stages.toy_rows import ToyRecords, numbers_of

ROOT = Path(__file__).parents[2]
MB = 1 << 20


def drawn(workers: int | None = None) -> Graph:
    """Every stage over rows, more than one block of them, ending in a partial batch."""
    return (
        fl.rows(ToyRecords(150_000, bad=(3, 99_999)))
        >> fl.shuffle()
        >> fl.shard(1, 2)
        >> fl.bucket(5_000)
        >> fl.batch(777, layout="padded", workers=workers)
        >> fl.to_device("cpu")
    )


@pytest.fixture(scope="module")
def wanted() -> str:
    return hashed(drawn(1), cpus=1, seed=5, epochs=2)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_one_hash_for_any_workers_and_face(face: Face, workers: int, wanted: str) -> None:
    assert hashed(drawn(workers), face, cpus=min(workers, 4), seed=5, epochs=2) == wanted


def test_another_seed_is_another_stream(wanted: str) -> None:
    assert hashed(drawn(), seed=6, epochs=2) != wanted


def test_two_outputs_of_a_split_each() -> None:
    def hashes(workers: int) -> list[str]:
        parts = fl.rows(ToyRecords(100_000)) >> fl.split(by="trio", train=0.9, valid=0.1)
        graph = fl.outputs(
            train=parts["train"] >> fl.shuffle() >> fl.batch(1000, workers=workers),
            valid=parts["valid"] >> fl.batch(1000, workers=workers),
        )
        words = {"train": Hash(), "valid": Hash()}
        with graph.iterate(seed=3, cpus=workers) as run:
            for name, word in words.items():
                for batch in run[name]:
                    word(batch, run)
        return [word.got for word in words.values()]

    assert hashes(1) == hashes(2) == hashes(4)


@pytest.mark.parametrize("n", [1, 5, 65_536, 65_537, 200_001])
@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_every_row_once_in_every_epoch(n: int, size: int) -> None:
    with (fl.rows(n) >> fl.shuffle() >> fl.batch(size)).iterate(epochs=2) as run:
        rows = np.concatenate([batch["index"] for batch in run])
    for part in np.split(rows, 2):
        assert (np.sort(part) == np.arange(n)).all()


def test_ranks_together_are_the_whole() -> None:
    def share(rank: int) -> list[int]:
        graph = fl.rows(ToyRecords(1000)) >> fl.shuffle() >> fl.shard(rank, 3, even=False) >> fl.batch(64)
        with graph.iterate(seed=1) as run:
            return list(numbers_of(run))

    shares = [share(rank) for rank in range(3)]
    assert Counter(row for own in shares for row in own) == dict.fromkeys(range(1000), 1)


@pytest.mark.slow
def test_a_resumed_run_goes_on_exactly() -> None:
    graph = drawn()

    def content(batch: Mapping[str, Any]) -> list[Any]:
        return [tensor.numpy().tobytes() for tensor in batch.values()]

    with graph.iterate(seed=5, epochs=2) as run:
        whole = [content(batch) for batch in run]
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        with graph.iterate(seed=5, epochs=2) as run:
            for _ in range(cut):
                next(iter(run))
            state = run.state_dict()
        with graph.iterate(seed=5, epochs=2, state=state) as run:
            assert [content(batch) for batch in run] == whole[cut:]


def peak(graph: Graph, limit: int | None = None) -> int:
    """The most bytes that Python and numpy held for the run at once, leased buffers not counted."""
    tracemalloc.start()
    try:
        with graph.iterate(cpus=2) as run:
            for number, _ in enumerate(run):
                if number == limit:
                    break
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_depend_on_the_number_of_rows() -> None:
    def graph(n: int) -> Graph:
        return fl.rows(n) >> fl.shuffle() >> fl.shard(0, 2) >> fl.batch(4096)

    peak(graph(100_000))  # kernels and libraries are loaded
    assert peak(graph(20_000_000), 300) < peak(graph(200_000)) + 2 * MB


def test_a_shuffled_part_takes_a_few_bytes_a_row() -> None:
    """Four that stay; the same again while they are put together."""

    def graph(n: int) -> Graph:
        parts = fl.rows(n) >> fl.split(train=0.5, valid=0.5)
        return parts.drop("valid") >> fl.shuffle() >> fl.batch(4096)

    n = 4_000_000
    peak(graph(n // 4), 0)  # kernels and libraries are loaded: fewer rows take none
    assert peak(graph(n), 10) < n / 2 * 10 + 8 * MB


CODE = """
import re
from pathlib import Path
import flowload as fl
def own():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)) >> 10
def run(n):
    with (fl.rows(n) >> fl.shuffle() >> fl.batch(16384)).iterate(epochs=1) as run:
        return sum(len(batch["index"]) for batch in run)
run(1_000_000)
before = own()
assert run(20_000_000) == 20_000_000
print(own() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_process_over_20_million_rows_stays_small() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, check=True, text=True)
    assert int(done.stdout) < 40
