"""Passes by their numbers: a run for each pass gives what one run of all of them gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.molecules.transforms import rotated
from flowload.sample import sample_path
from tests.acceptance.lines import chess, is_balanced
from tests.acceptance.oracle import Digest, multiset

Batches = list[tuple[int, dict[str, bytes]]]


def read(graph: fl.Graph, **how: Any) -> Batches:
    with graph.iterate(seed=5, **how) as run:
        made = [(run.epoch, {key: as_bytes(array) for key, array in batch.items()}) for batch in run]
        assert is_balanced(run.stats())
    return made


def as_bytes(array: Any) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def games() -> fl.Graph:
    return fl.discover(sample_path("chess")) >> fl.read("lc0")


def pooled(chunks: int) -> fl.Graph:
    return games() >> fl.shuffle_pool(chunks)


def dealt() -> fl.Graph:
    return games() >> fl.shard(1, world=2)


def molecules() -> fl.Graph:
    records = PackedMolecules(sample_path("molecules"), num_atoms=26, pairs="real", cutoff=5.0)
    shuffled = fl.rows(records) >> fl.shuffle() >> fl.bucket(64)
    return shuffled >> fl.batch(32, layout="physnet") >> fl.map(rotated, random=True)


def mixed() -> fl.Graph:
    heads = [fl.rows(100) >> fl.shuffle() >> fl.batch(7), fl.rows({"index": np.arange(50)}) >> fl.batch(7)]
    return heads >> fl.mix(2, 1) >> fl.batch(9)


def noisy() -> fl.Graph:
    noise = fl.map(lambda batch, rng: {"x": batch["index"] + rng.random(len(batch["index"]))}, random=True)
    return fl.rows(100) >> fl.shuffle() >> fl.shard(1, world=3) >> fl.batch(8, drop_last=True) >> noise


GRAPHS: dict[str, Callable[[], fl.Graph]] = {
    "pool and reservoir": lambda: pooled(7) >> fl.unpack(rate=0.3) >> fl.reservoir(200) >> fl.batch(64),
    "everything fits": lambda: pooled(9999) >> fl.unpack(0.5) >> fl.reservoir(9999) >> fl.batch(64),
    "a rank's share": lambda: dealt() >> fl.shuffle_pool(5) >> fl.unpack(0.4) >> fl.batch(64),
    "molecules": molecules,
    "mixed": mixed,
    "noisy": noisy,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_a_pass_that_is_kept_apart_is_a_run_of_its_own(name: str) -> None:
    make = GRAPHS[name]
    whole = read(make(), epochs=3, align=True)
    parts = [read(make(), first_epoch=e, align=True) for e in range(3)]
    assert whole == parts[0] + parts[1] + parts[2]
    assert [e for e, _ in whole] == sorted(e for e, _ in whole)
    assert len({str([batch for _, batch in part]) for part in parts}) == 3
    assert [batch for _, batch in parts[0]] == [batch for _, batch in read(make())]


@pytest.mark.parametrize(
    "make",
    [
        lambda: fl.rows(96) >> fl.shuffle() >> fl.batch(8),
        lambda: fl.rows(70_000) >> fl.shuffle() >> fl.batch(7000),
        lambda: fl.source(lambda epoch: iter([{"x": np.full(4, epoch)}])) >> fl.batch(2),
        lambda: games() >> fl.shuffle_pool(9) >> fl.unpack(rate=0.25) >> fl.batch(1),
        lambda: games() >> fl.shuffle_pool(9999) >> fl.unpack(count=3) >> fl.batch(1),
    ],
)
def test_where_passes_share_nothing_it_is_what_follows_in_a_longer_run(make: Callable[[], fl.Graph]) -> None:
    whole = read(make(), epochs=3)
    parts = [read(make(), first_epoch=e) for e in range(3)]
    assert whole == parts[0] + parts[1] + parts[2]


@pytest.mark.parametrize("align", [False, True])
def test_a_run_for_each_pass_gives_every_position_once(
    sample: list[Path], sample_frames: Counter[Digest], align: bool
) -> None:
    """With a rate of a quarter, over four runs."""
    found: Counter[Digest] = Counter()
    for epoch in range(4):
        graph = chess(sample, rate=0.25, pool=7, reservoir=100, size=256)
        with graph.iterate(seed=5, first_epoch=epoch, align=align) as run:
            found += multiset(run)
    assert found == sample_frames


def test_aligned_chess_gives_each_pass_its_quarter(
    sample: list[Path], sample_frames: Counter[Digest]
) -> None:
    graph = chess(sample, rate=0.25, pool=7, reservoir=100, size=256)
    with graph.iterate(seed=5, epochs=4, align=True) as run:
        sizes: dict[int, list[int]] = {}
        for batch in run:
            sizes.setdefault(run.epoch, []).append(len(batch["planes"]))
        stats = run.stats()
    assert is_balanced(stats)
    assert list(sizes) == [0, 1, 2, 3]
    assert all(set(some[:-1]) <= {256} and 0 < some[-1] <= 256 for some in sizes.values())
    assert sum(map(sum, sizes.values())) == sample_frames.total()
