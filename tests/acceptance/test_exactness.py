"""One epoch delivers every frame once, by content, whatever the sizes of pool, reservoir and batch."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flowload.graph import Graph
from tests.acceptance.lines import chess, dropped, is_balanced
from tests.acceptance.oracle import Digest, digests, frames, multiset, whole
from tests.runtime.reading import Face


@pytest.fixture(scope="module")
def tars(shared_lc0: Path) -> list[Path]:
    return sorted(shared_lc0.glob("*.tar"))


@pytest.fixture(scope="module")
def tars_frames(tars: list[Path]) -> Counter[Digest]:
    return whole(tars)


def delivered(graph: Graph, wanted: int, size: int, *, drop_last: bool) -> Counter[Digest]:
    """The frames of an epoch, whose batches and books are as they must be."""
    sizes: list[int] = []

    def noted(batches: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for batch in batches:
            sizes.append(len(batch["planes"]))
            yield batch

    with graph.iterate(seed=7) as run:
        found = multiset(noted(iter(run)))
        stats = run.stats()
    rest = wanted % size
    assert sizes == [size] * (wanted // size) + ([rest] if rest and not drop_last else [])
    assert is_balanced(stats)
    assert stats.delivered == found.total()
    assert dropped(stats) == ({"batch": {"partial batch": rest}} if drop_last and rest else {})
    return found


@pytest.mark.slow
def test_the_real_tars_hold_enough(tars: list[Path], tars_frames: Counter[Digest]) -> None:
    assert len(tars) == 3
    assert tars_frames.total() > 20_000
    assert len(tars_frames) > 0.9 * tars_frames.total()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pool", "reservoir", "size"),
    [
        (1, 1, 1000),
        (7, 100, 1000),
        (7, 1, 333),
        (10**6, 20_000, 1000),
        (1, 20_000, 1024),
        (10**6, 10**6, 1000),
    ],
)
def test_every_frame_of_the_real_tars_comes_once(
    tars: list[Path], tars_frames: Counter[Digest], pool: int, reservoir: int, size: int
) -> None:
    graph = chess(tars, pool=pool, reservoir=reservoir, size=size)
    assert delivered(graph, tars_frames.total(), size, drop_last=False) == tars_frames


@pytest.mark.slow
def test_of_the_real_tars_only_the_last_partial_batch_is_dropped(
    tars: list[Path], tars_frames: Counter[Digest]
) -> None:
    graph = chess(tars, pool=10**6, reservoir=100, size=1000, drop_last=True)
    found = delivered(graph, tars_frames.total(), 1000, drop_last=True)
    assert (tars_frames - found).total() == tars_frames.total() % 1000
    assert found <= tars_frames


ALL = list(itertools.product([1, 7, 10**6], [1, 100, 20_000], [1000, 10**5], [False, True]))


@pytest.mark.parametrize(("pool", "reservoir", "size", "drop_last"), [*ALL, (7, 100, 1, False)])
def test_every_frame_of_the_sample_comes_once(
    sample: list[Path],
    sample_frames: Counter[Digest],
    pool: int,
    reservoir: int,
    size: int,
    drop_last: bool,
) -> None:
    graph = chess(sample, pool=pool, reservoir=reservoir, size=size, drop_last=drop_last)
    total = sample_frames.total()
    found = delivered(graph, total, size, drop_last=drop_last)
    assert found <= sample_frames
    assert found.total() == (total - total % size if drop_last else total)


def test_reservoir_and_pool_of_one_keep_the_order_of_the_files(sample: list[Path], face: Face) -> None:
    graph = chess(sample, pool=1, reservoir=1, size=100)
    found = [digest for batch in face.read(graph) for digest in digests(batch)]
    assert found == [digest for path in sample for game in frames(path) for digest in game]


def test_a_large_pool_and_reservoir_do_not(sample: list[Path]) -> None:
    with chess(sample).iterate() as run:
        found = [digest for batch in run for digest in digests(batch)]
    assert found != [digest for path in sample for game in frames(path) for digest in game]
