"""Our own sampling stages take the exam that a user's stage can take, on real games."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowload.abc.operators import Block, Mark, Setting
from flowload.blocks import Batch, Chunks, Frames, SourceFile
from flowload.formats.lc0.format import FORMAT
from flowload.graph import Graph
from flowload.stages.batches.batch import batch
from flowload.stages.chunks.inflate.decompress import Decompress
from flowload.stages.chunks.inflate.sampling import Sampling
from flowload.stages.chunks.reservoir import reservoir
from flowload.stages.chunks.shuffle_pool import shuffle_pool
from flowload.stages.chunks.unpack import UnpackStage, unpack
from flowload.stages.wiring.shard import shard
from flowload.testing import check_resume, check_stage
from tests.stages.fakes import FakeCall

SETTING = Setting(seed=0, epochs=2, cpus=2)


@pytest.fixture(scope="module")
def games(sample_tar: Path) -> list[Chunks]:
    """A few games of the sample, in blocks of different size."""
    table = FORMAT.index(str(sample_tar))[:9]
    chunks = Chunks(FORMAT, (SourceFile(str(sample_tar)),), table)
    return [chunks.select(slice(a, b)) for a, b in ((0, 1), (1, 5), (5, 9))]


@pytest.fixture(scope="module")
def frames(games: list[Chunks]) -> list[Frames]:
    """Some of their records."""
    inflate = Decompress(Sampling(num=1, den=20), seed=0, limit=1 << 26)
    made = [inflate.apply(block, FakeCall()) for block in games]
    inflate.close()
    return [block for block in made if block is not None]


def passes(blocks: list[Chunks]) -> list[Block | Mark]:
    """Two epochs."""
    words: list[Block | Mark] = []
    for use in range(2):
        for block in blocks:
            table = block.table.copy()
            table["use"] = use
            words.append(replace(block, table=table))
        words.append(Mark.EPOCH)
    return words


@pytest.mark.parametrize(
    "graph", [shuffle_pool(4), shuffle_pool(100), shard(1, 3), unpack(0.1), unpack(count=3)]
)
def test_stages_over_chunks(graph: Graph, games: list[Chunks]) -> None:
    assert check_stage(graph, passes(games))
    assert check_resume(graph, passes(games)) == 9


def test_everything_unpacked(games: list[Chunks]) -> None:
    made = check_stage(unpack(), games[:2])
    assert sum(map(len, made)) == sum(int(block.table["records"].sum()) for block in games[:2])


@pytest.mark.parametrize(
    "graph", [reservoir(1), reservoir(12), reservoir(1000), batch(7), batch(7, drop_last=True)]
)
def test_stages_over_frames(graph: Graph, frames: list[Frames]) -> None:
    assert check_stage(graph, frames)
    assert check_resume(graph, frames) == 5


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["tensors", "tuple", "bits"])
def test_batches_of_arrays(layout: str, frames: list[Frames]) -> None:
    (whole,) = check_stage(batch(1000, layout=layout), frames)
    assert isinstance(whole, Batch)
    parts = [whole.select(slice(a, a + 5)) for a in range(0, len(whole), 5)]
    assert check_stage(batch(7), parts)
    assert check_resume(batch(7), parts) == len(parts) + 2


@pytest.mark.slow
def test_the_sampling_chain(games: list[Chunks]) -> None:
    graph = shard(0, 2) >> shuffle_pool(5) >> unpack(0.1) >> reservoir(30) >> batch(8)
    made = check_stage(graph, passes(games))
    stage = UnpackStage(rate=0.1)
    whole = sum(int(stage.taken(word, 0).sum()) for word in passes(games) if isinstance(word, Chunks))
    assert whole / 2 - 40 < sum(map(len, made)) <= whole / 2
    assert check_resume(graph, passes(games)) == 9
