"""Random windows of a recording, loaded ahead by a function of the user's: for `RandomChunkLoader`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowload.abc.stage import whole
from flowload.blocks import Batch, Item
from flowload.chance import generator, stage_key
from flowload.errors import ClosedRun
from flowload.graph import Graph
from flowload.graph.engine import Batches
from flowload.stages.device.to_device import to_device
from flowload.stages.user.map import map as mapped
from flowload.stages.user.source import source

__all__ = ["RandomChunkLoader"]

START = "start"  #: key of a chunk's first row; the keys of its arrays are numbers
PAIR = 2  #: arrays of a chunk, where none was loaded yet: data and stimulus


class RandomChunkLoader:
    """Loads windows [start, start + chunk_size) of a recording ahead, start uniform on 0 ... T - chunk_size.

    Windows may overlap; a recording that is shorter than one is loaded whole. `load_fn` runs in a background
    thread, one call at a time; beside the chunk that `get_next_chunk` gave last, at most `prefetch` are there
    or under way. For a GPU they go through page-locked memory, in a stream of their own. Where the arrays
    are in zarr, this graph reads the same windows by itself, many chunks of the array at once:

    ```python
    fl.windows(path, chunk_size, count=num_chunks) >> fl.to_device(device)
    ```

    Args:
        load_fn: `load_fn(start, end)` returns a tuple of arrays (data, stimulus, ...), or one array.
        total_timesteps: rows of the recording, T.
        chunk_size: rows of a window.
        device: "cpu", "cuda", "cuda:1", a `torch.device`; or "auto": a GPU where there is one.
        prefetch: chunks that are loaded ahead, from 1.
        seed: all starts follow from it and the number of the epoch.

    Raises ValueError for sizes that make no window.

    Examples:
        >>> data = np.zeros((1000, 8), np.float32)
        >>> loader = RandomChunkLoader(lambda start, end: (data[start:end],), 1000, 100, "cpu")
        >>> loader.start_epoch(num_chunks=3)
        >>> (chunk,) = loader.get_next_chunk()
        >>> loader.cleanup()
    """

    def __init__(
        self,
        load_fn: Callable[[int, int], Any],
        total_timesteps: int,
        chunk_size: int,
        device: str | torch.device = "auto",
        prefetch: int = 1,
        seed: int = 0,
    ) -> None:
        sizes = {"total_timesteps": total_timesteps, "chunk_size": chunk_size, "prefetch": prefetch}
        for name, value in sizes.items():
            if not whole(value) or value < 1:
                raise ValueError(f"{name} is {value!r}; wanted a number from 1")
        found = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = found if str(device) == "auto" else str(device)
        self.windows = Windows(load_fn, total_timesteps, chunk_size, seed, pin=self.device.startswith("cuda"))
        self.prefetch, self.seed = prefetch, seed
        self.epoch = self.given = 0
        self.arrays = PAIR
        self.run: Batches | None = None
        self.ahead = Permits(prefetch)
        self.graph(0)  # raises GraphError, a ValueError, for a device that is none

    def graph(self, num_chunks: int) -> Graph:
        """What an epoch of so many chunks runs."""
        starts = source(self.windows.starts(num_chunks, self.ahead), gives=Item)
        load = mapped(self.windows.load, workers=1, gives=Batch)
        return starts >> load >> to_device(self.device, prefetch=self.prefetch if self.windows.pin else None)

    def start_epoch(self, num_chunks: int) -> None:
        """Begin to load the windows of the next epoch; one that is not over is left."""
        if not whole(num_chunks) or num_chunks < 0:
            raise ValueError(f"num_chunks is {num_chunks!r}; wanted a number from 0")
        self.cleanup()
        self.ahead = Permits(self.prefetch)
        self.windows.loaded = self.given = 0
        self.run = self.graph(num_chunks).iterate(seed=self.seed, first_epoch=self.epoch).__enter__()
        self.epoch += 1

    def get_next_chunk(self) -> tuple[Tensor | None, ...]:
        """The next chunk as tensors on the device, in the order of `load_fn`; waits for it.

        At the end of the epoch a tuple of None, as many as there are arrays. What `load_fn` raised is raised
        here. Raises ClosedRun before the first epoch, and after `cleanup`.
        """
        if self.run is None:
            raise ClosedRun("no epoch has begun; call start_epoch(num_chunks) first")
        chunk = None if self.ahead.ended else next(self.run, None)
        if chunk is None:
            self.ahead.ended = True
            return (None,) * self.arrays
        self.ahead.give()
        self.given += 1
        tensors = tuple(tensor for key, tensor in chunk.items() if key != START)
        self.arrays = len(tensors)
        return tensors

    def get_stats(self) -> dict[str, int]:
        """Chunks of this epoch that were loaded, and that were given."""
        return {"chunks_loaded": self.windows.loaded, "chunks_transferred": self.given}

    def cleanup(self) -> None:
        """Stop loading, and leave no thread behind: waits for `load_fn` where it runs. May be repeated."""
        run, self.run = self.run, None
        if run is not None:
            run.__exit__(None, None, None)


class Windows:
    """What a run loads, and how; knows nothing of the loader, which therefore stops when it is forgotten."""

    def __init__(
        self, load_fn: Callable[[int, int], Any], total: int, size: int, seed: int, *, pin: bool
    ) -> None:
        self.load_fn, self.total, self.size, self.seed, self.pin = load_fn, total, size, seed, pin
        self.loaded = 0  #: chunks of this epoch

    def starts(self, count: int, ahead: Permits) -> Callable[[int], AsyncIterator[int]]:
        """What makes the first rows of an epoch's chunks, each as soon as it may be loaded."""
        last, seed = max(0, self.total - self.size), self.seed

        async def starts(epoch: int) -> AsyncIterator[int]:
            rng = generator(stage_key(seed, "chunks", 0, epoch), ())
            for start in rng.integers(0, last + 1, count).tolist():
                await ahead.take()
                yield start

        return starts

    def load(self, start: int) -> Batch:
        """One chunk: its arrays go together, whatever their lengths."""
        made = self.load_fn(start, min(start + self.size, self.total))
        arrays = tuple(made) if isinstance(made, tuple | list) else (made,)
        if not arrays or any(array is None for array in arrays):
            raise ValueError(f"load_fn returned {made!r} for row {start:,}; wanted a tuple of arrays")
        self.loaded += 1
        readied = (ready(array, pin=self.pin) for array in arrays)
        return Batch({START: np.array([start])}, {str(k): array for k, array in enumerate(readied)})


class Permits:
    """How many chunks may be loaded now: taken in the run's event loop, given back by the reader's thread."""

    def __init__(self, count: int) -> None:
        self.free = asyncio.Semaphore(count)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.ended = False  #: the reader has seen the end of the epoch

    async def take(self) -> None:
        """Wait for one."""
        self.loop = asyncio.get_running_loop()
        await self.free.acquire()

    def give(self) -> None:
        """One more; for nobody where the run is over."""
        if self.loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(self.free.release)


def ready(array: Any, *, pin: bool) -> Any:
    """An array that becomes a tensor without a copy; for a GPU a tensor in page-locked memory."""
    if isinstance(array, Tensor):
        return array.pin_memory() if pin and array.device.type == "cpu" else array
    writable = np.require(array, requirements=["C", "W"])  # a map of a file that is only read is copied
    return torch.from_numpy(writable).pin_memory() if pin else writable
