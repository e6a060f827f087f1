"""Training tuples of lc0's games: for scripts that have lc0's `DataLoader`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from numpy.typing import NDArray

from flowload.errors import ClosedRun
from flowload.graph import Graph
from flowload.graph.faces import Batches
from flowload.stages.batches.batch import batch
from flowload.stages.chunks.read import read
from flowload.stages.chunks.reservoir import reservoir
from flowload.stages.chunks.shuffle_pool import shuffle_pool
from flowload.stages.chunks.unpack import unpack
from flowload.stages.files.discover import discover

from .lc0_config import DataLoaderConfig

__all__ = ["DataLoader"]

Tuple = tuple[NDArray[Any], ...]


class DataLoader:
    """An endless stream of batches of lc0's games, as tuples of numpy arrays; JAX takes them as they are.

    It begins with the first `get_next`. Stands for

    ```python
    graph = (
        fl.discover(directory, watch=True) >> fl.read("lc0") >> fl.shuffle_pool(num_chunks)
        >> fl.unpack(rate=rate) >> fl.reservoir(reservoir_size) >> fl.batch(batch_size, layout="tensors")
    )
    batches = graph.iterate(seed=seed, epochs=None)
    ```

    Args:
        config: its stages.
        seed: everything random follows from it.

    Examples:
        >>> from flowload.dropin import FilePathProviderConfig, ShufflingFrameSamplerConfig
        >>> from flowload.sample import sample_path
        >>> files, sampler = FilePathProviderConfig(sample_path("chess")), ShufflingFrameSamplerConfig(1000)
        >>> with DataLoader(DataLoaderConfig(files, shuffling_frame_sampler=sampler)) as loader:
        ...     planes, probabilities, values = loader.get_next()
    """

    def __init__(self, config: DataLoaderConfig, seed: int = 0) -> None:
        self.config = config
        self.run: Batches | None = self.graph().iterate(seed=seed, epochs=None)

    def graph(self) -> Graph:
        """What runs."""
        files, unpacker = self.config.file_path_provider, self.config.chunk_unpacker
        tensors = self.config.tensor_generator
        return (
            discover(files.directory, watch=files.watch)
            >> read("lc0", workers=self.config.chunk_source_loader.threads)
            >> shuffle_pool(self.config.shuffling_chunk_pool.num_chunks)
            >> unpack(rate=unpacker.rate, count=unpacker.count, workers=unpacker.threads)
            >> reservoir(self.config.shuffling_frame_sampler.reservoir_size)
            >> batch(tensors.batch_size, layout="tensors", workers=tensors.threads)
        )

    def get_next(self) -> Tuple:
        """`planes [B, 112, 8, 8]`, `probabilities [B, 1858]`, `values [B, 6, 3]`, all float32.

        Raises what is wrong with the data, and ClosedRun after `stop`.
        """
        if self.run is None:
            raise ClosedRun("this loader was stopped; make another")
        return tuple(next(self.run).values())

    def stop(self) -> None:
        """Let go of files and threads. May be repeated."""
        run, self.run = self.run, None
        if run is not None:
            run.__exit__(None, None, None)

    def __iter__(self) -> Iterator[Tuple]:
        while self.run is not None:
            yield self.get_next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
