"""The stream is a function of data, parameters and seed alone: one hash for all ways to run it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.graph import Graph
from flowload.stages.batches.arrays.collate import Collate
from flowload.stages.batches.rebatch import Rebatch
from flowload.stages.chunks.inflate.decompress import Decompress
from flowload.stages.chunks.inflate.rechunk import Rechunk
from flowload.stages.chunks.pool import ChunkPool
from flowload.stages.chunks.read import Index
from flowload.stages.chunks.reservoir_fold import Exchange
from tests.acceptance.lines import chess
from tests.runtime.reading import FACES, Face
from tests.threads import give_way

Wrap = Callable[..., Any]


class Hash:
    """Keys, dtypes, shapes and bytes of every batch, in order."""

    def __init__(self) -> None:
        self.word = hashlib.sha1(usedforsecurity=False)
        self.got: str = ""

    def __call__(self, batch: dict[str, Any], _: Any) -> bool:
        for key, tensor in batch.items():
            array = np.ascontiguousarray(tensor)
            self.word.update(f"{key} {array.dtype} {array.shape}".encode())
            self.word.update(array.data)
        self.got = self.word.hexdigest()
        return True


def hashed(graph: Graph, face: Face = FACES[0], **how: Any) -> str:
    """One hash of a whole run."""
    found = face.use(graph, Hash(), **how)
    assert isinstance(found, str)
    return found


def drawn(sample: list[Path], workers: int | None = None) -> Graph:
    """Every stage that is random, over more than one epoch, ending in a partial batch."""
    return chess(sample, pool=9, reservoir=300, size=97, workers=workers, rate=0.3, layout="tensors")


HOW: dict[str, Any] = {"seed": 11, "epochs": 2}


@pytest.fixture(scope="module")
def wanted(sample: list[Path]) -> str:
    return hashed(drawn(sample, 1), cpus=1, **HOW)


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operator of the chess stages waits at random, never alike in two runs; blocks are many."""
    monkeypatch.setattr("flowload.stages.chunks.unpack.BLOCK", 1 << 20)
    for operator, method in (
        (Index, "apply"),
        (Decompress, "apply"),
        (Collate, "apply"),
        (ChunkPool, "push"),
        (Rechunk, "push"),
        (Exchange, "push"),
        (Rebatch, "push"),
    ):
        monkeypatch.setattr(operator, method, delayed(getattr(operator, method)))


def delayed(method: Wrap) -> Wrap:
    """The same method, now and then a little late."""
    luck = random.Random()

    def late(*args: Any) -> Any:
        if luck.random() < 0.5:
            give_way(luck.randrange(100))
        return method(*args)

    return late


@pytest.mark.hammer
@pytest.mark.usefixtures("weather")
@pytest.mark.parametrize("cpus", [1, 2, 4])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_one_hash_for_any_workers_cpus_face_and_weather(
    sample: list[Path], wanted: str, face: Face, workers: int, cpus: int
) -> None:
    assert hashed(drawn(sample, workers), face, cpus=cpus, **HOW) == wanted


@pytest.mark.slow
def test_the_same_graph_twice_and_as_it_comes(sample: list[Path], wanted: str) -> None:
    graph = drawn(sample)
    assert hashed(graph, **HOW) == hashed(graph, **HOW) == wanted


def test_another_seed_is_another_stream(sample: list[Path], wanted: str) -> None:
    assert hashed(drawn(sample), epochs=2, seed=12) != wanted


def test_another_epoch_is_another_order(sample: list[Path]) -> None:
    with chess(sample, pool=9, reservoir=1, size=10, layout="bits").iterate(epochs=2) as run:
        rows = np.concatenate([batch["scalars"].numpy() for batch in run])
    first, second = np.split(rows, 2)
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))


def test_where_the_files_are_does_not_matter(sample: list[Path], wanted: str, tmp_path: Path) -> None:
    for path in sample:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert hashed(drawn([tmp_path]), **HOW) == wanted


@pytest.mark.parametrize("layout", ["tuple", "bits"])
def test_other_layouts_too(sample: list[Path], layout: str) -> None:
    def run(workers: int, cpus: int) -> str:
        return hashed(chess(sample, layout=layout, workers=workers, count=20), cpus=cpus, **HOW)

    assert run(1, 1) == run(8, 4) == run(3, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("weather")
def test_two_outputs_of_a_split_each(sample: list[Path]) -> None:
    def draw(workers: int) -> Graph:
        parts = (
            fl.discover([str(path) for path in sample])
            >> fl.read("lc0", workers=workers)
            >> fl.split(train=0.5, valid=0.5)
        )
        train = parts["train"] >> fl.shuffle_pool(5) >> fl.unpack(workers=workers) >> fl.reservoir(50)
        valid = parts["valid"] >> fl.unpack(rate=0.5, workers=workers)
        return fl.outputs(train=train >> fl.batch(64), valid=valid >> fl.batch(64))

    def hashes(workers: int, cpus: int) -> Iterator[str]:
        with draw(workers).iterate(seed=3, cpus=cpus) as run:
            for name in ("valid", "train"):
                word = Hash()
                for batch in run[name]:
                    word(batch, run)
                yield word.got

    assert list(hashes(1, 1)) == list(hashes(4, 2)) == list(hashes(8, 4))
