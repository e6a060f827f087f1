"""lc0's loader: the tuple that its stages give, compared with the tensors of another reader of the games."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.dropin import (
    ChunkSourceLoaderConfig,
    ChunkUnpackerConfig,
    DataLoader,
    DataLoaderConfig,
    FilePathProviderConfig,
    ShufflingChunkPoolConfig,
    ShufflingFrameSamplerConfig,
    TensorGeneratorConfig,
)
from flowload.errors import ClosedRun, NoDataError
from flowload.sample import sample_path
from tests.acceptance.oracle import Digest, frames, multiset, whole
from tests.threads import none_left

SAMPLE = sample_path("chess")


def config(
    directory: Path = SAMPLE, *, size: int = 64, watch: bool = False, **unpacker: Any
) -> DataLoaderConfig:
    return DataLoaderConfig(
        file_path_provider=FilePathProviderConfig(directory, watch=watch),
        chunk_source_loader=ChunkSourceLoaderConfig(),
        shuffling_chunk_pool=ShufflingChunkPoolConfig(num_chunks=50),
        chunk_unpacker=ChunkUnpackerConfig(**unpacker),
        shuffling_frame_sampler=ShufflingFrameSamplerConfig(reservoir_size=100),
        tensor_generator=TensorGeneratorConfig(batch_size=size),
    )


def digested(batches: Iterable[tuple[Any, ...]]) -> Counter[Digest]:
    return multiset(dict(zip(("planes", "probabilities", "values"), batch, strict=True)) for batch in batches)


@pytest.mark.slow
def test_the_frames_of_all_games_are_those_of_another_reader() -> None:
    wanted = whole(SAMPLE.glob("*.tar"))
    with none_left(), DataLoader(config()) as loader:
        batches = [loader.get_next() for _ in range(2 * wanted.total() // 64)]
        found = digested(batches)
    assert set(found) <= set(wanted)
    assert len(found) > 0.9 * len(wanted)  # two passes, less what waits in the reservoir
    assert [array.shape for array in batches[0]] == [(64, 112, 8, 8), (64, 1858), (64, 6, 3)]
    assert {(type(array), array.dtype) for array in batches[0]} == {(np.ndarray, np.dtype(np.float32))}


def test_a_count_is_of_each_game() -> None:
    games = sum(len(frames(path)) for path in SAMPLE.glob("*.tar"))
    with DataLoader(config(size=games, count=1)) as loader:
        assert digested([loader.get_next()]).total() == games


def test_repeatable_by_its_seed() -> None:
    def first(seed: int) -> Counter[Digest]:
        with DataLoader(config(rate=0.5), seed=seed) as loader:
            return digested(islice(loader, 3))

    assert first(0) == first(0) != first(1)


def test_files_that_arrive_are_seen(tmp_path: Path) -> None:
    old, new = sorted(SAMPLE.glob("*.tar"))
    shutil.copy(old, tmp_path)
    late = whole([new])
    with none_left(), DataLoader(config(tmp_path, watch=True, count=1)) as loader:
        loader.get_next()
        shutil.copy(new, tmp_path / "part")
        (tmp_path / "part").rename(tmp_path / new.name)
        while not digested([loader.get_next()]).keys() & late.keys():
            pass


def test_defaults_need_a_directory_alone() -> None:
    graph = DataLoader(DataLoaderConfig(FilePathProviderConfig(SAMPLE))).graph()
    assert [node.stage.word for node in graph.nodes()] == [
        "discover", "read", "shuffle_pool", "unpack", "reservoir", "batch",
    ]  # fmt: skip


def test_every_way_out_leaves_nothing(tmp_path: Path) -> None:
    with none_left():
        loader = DataLoader(config())
        loader.stop()  # nothing has begun
        loader.stop()
        with pytest.raises(ClosedRun, match="stopped"):
            loader.get_next()
        assert list(loader) == []
        with pytest.raises(NoDataError), DataLoader(config(tmp_path)) as empty:
            empty.get_next()


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"size": 0}, "size is 0"), ({"rate": 2.0}, "rate is 2.0"), ({"rate": 0.5, "count": 3}, "count")],
)
def test_what_no_stage_takes(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        DataLoader(config(**wrong))
