"""Familiar doors: the loaders that existing training scripts import, by the same names, over graphs.

Change one import line and the script runs as before; each docstring shows the graph that its class stands
for, which is what to write in a new script.

    from flowload.dropin import GameDatasetMemmap, preprocess_dataset_to_memmap     # game positions
    from flowload.dropin import PackedMemmapLoader, split_loader                    # packed molecules
    from flowload.dropin import RandomChunkLoader, create_zarr_loader               # recordings over time
    from flowload.dropin import DataLoader, DataLoaderConfig                        # lc0 training games

Nothing else in the package imports this one. It imports torch.
"""

from .chunk_loader import RandomChunkLoader
from .chunk_sampling import calculate_chunk_params, sample_batch_within_chunk
from .game_positions import GameDatasetMemmap, preprocess_dataset_to_memmap
from .latency import ChunkLatencyStats
from .lc0_config import (
    ChunkSourceLoaderConfig,
    ChunkUnpackerConfig,
    DataLoaderConfig,
    FilePathProviderConfig,
    ShufflingChunkPoolConfig,
    ShufflingFrameSamplerConfig,
    TensorGeneratorConfig,
)
from .lc0_loader import DataLoader
from .packed_molecules import PackedMemmapLoader, split_loader
from .zarr_columns import create_zarr_loader

__all__ = [
    "ChunkLatencyStats",
    "ChunkSourceLoaderConfig",
    "ChunkUnpackerConfig",
    "DataLoader",
    "DataLoaderConfig",
    "FilePathProviderConfig",
    "GameDatasetMemmap",
    "PackedMemmapLoader",
    "RandomChunkLoader",
    "ShufflingChunkPoolConfig",
    "ShufflingFrameSamplerConfig",
    "TensorGeneratorConfig",
    "calculate_chunk_params",
    "create_zarr_loader",
    "preprocess_dataset_to_memmap",
    "sample_batch_within_chunk",
    "split_loader",
]
