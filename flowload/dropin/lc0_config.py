"""The stages of lc0's loader as dataclasses: for scripts that have `DataLoaderConfig`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

__all__ = [
    "ChunkSourceLoaderConfig",
    "ChunkUnpackerConfig",
    "DataLoaderConfig",
    "FilePathProviderConfig",
    "ShufflingChunkPoolConfig",
    "ShufflingFrameSamplerConfig",
    "TensorGeneratorConfig",
]


@dataclass
class FilePathProviderConfig:
    """Where files are looked for, those that arrive later among them: `fl.discover(directory, watch=True)`.

    Args:
        directory: with the `.tar` and `.gz` files, or a pattern.
        watch: False: the files that are there now; passes over them go on all the same.

    Examples:
        >>> FilePathProviderConfig("games", watch=False).directory
        'games'
    """

    directory: str | os.PathLike[str]
    watch: bool = True


@dataclass
class ChunkSourceLoaderConfig:
    """How files are opened and indexed: `fl.read("lc0", workers=threads)`.

    Args:
        threads: files at once; None: as many as there are CPUs.

    Examples:
        >>> ChunkSourceLoaderConfig(threads=2).threads
        2
    """

    threads: int | None = None


@dataclass
class ShufflingChunkPoolConfig:
    """The newest chunks (games), in random order: `fl.shuffle_pool(num_chunks)`.

    Examples:
        >>> ShufflingChunkPoolConfig(num_chunks=500_000).num_chunks
        500000
    """

    num_chunks: int = 50_000


@dataclass
class ChunkUnpackerConfig:
    """How games are inflated, and which positions are taken: `fl.unpack(rate=, count=, workers=threads)`.

    Args:
        rate: share of a game's positions that one use takes; None, without a count: all.
        count: positions that one use takes, instead of a rate.
        threads: games at once; None: as many as there are CPUs.

    Examples:
        >>> ChunkUnpackerConfig(rate=0.03).rate
        0.03
    """

    rate: float | None = None
    count: int | None = None
    threads: int | None = None


@dataclass
class ShufflingFrameSamplerConfig:
    """Positions that are shuffled among each other: `fl.reservoir(reservoir_size)`.

    Examples:
        >>> ShufflingFrameSamplerConfig(reservoir_size=1_000).reservoir_size
        1000
    """

    reservoir_size: int = 1_000_000


@dataclass
class TensorGeneratorConfig:
    """How positions become tensors: `fl.batch(batch_size, layout="tensors", workers=threads)`.

    Examples:
        >>> TensorGeneratorConfig(batch_size=1024).batch_size
        1024
    """

    batch_size: int = 1024
    threads: int | None = None


@dataclass
class DataLoaderConfig:
    """The stages of a loader, in the order of the flow; see `DataLoader`.

    Examples:
        >>> from flowload.dropin import ChunkUnpackerConfig, FilePathProviderConfig
        >>> files, rate = FilePathProviderConfig("games"), ChunkUnpackerConfig(rate=0.03)
        >>> config = DataLoaderConfig(files, chunk_unpacker=rate)
        >>> config.chunk_unpacker.rate
        0.03
    """

    file_path_provider: FilePathProviderConfig
    chunk_source_loader: ChunkSourceLoaderConfig = field(default_factory=ChunkSourceLoaderConfig)
    shuffling_chunk_pool: ShufflingChunkPoolConfig = field(default_factory=ShufflingChunkPoolConfig)
    chunk_unpacker: ChunkUnpackerConfig = field(default_factory=ChunkUnpackerConfig)
    shuffling_frame_sampler: ShufflingFrameSamplerConfig = field(default_factory=ShufflingFrameSamplerConfig)
    tensor_generator: TensorGeneratorConfig = field(default_factory=TensorGeneratorConfig)
