"""Random windows of a recording, loaded ahead by a function of the user's: for `RandomChunkLoader`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flowload.abc.stage import whole
from flowload.errors import ClosedRun
from flowload.graph import Graph
from flowload.graph.faces import Batches
from flowload.stages.device.to_device import to_device
from flowload.stages.windows.read_windows import windows

__all__ = ["RandomChunkLoader"]

START = "start"  #: key of a chunk's first row; the keys of its arrays are numbers
PAIR = 2  #: arrays of a chunk, where none was loaded yet: data and stimulus


class RandomChunkLoader:
    """Loads windows [start, start + chunk_size) of a recording ahead, start uniform on 0 ... T - chunk_size.

    Windows may overlap; a recording that is shorter than one is loaded whole. `load_fn` runs in a background
    thread, one call at a time; at most `prefetch + 1` chunks are in memory, with the one that is in use. For
    a GPU they go through a ring of page-locked memory, in a stream of their own, and as many lie there. It
    stands for this graph, which also takes the place of arrays in zarr instead of a function, and then reads
    many chunks of them at once:

    ```python
    fl.windows(load_fn, chunk_size, total=T, count=num_chunks, prefetch=1) >> fl.to_device(device)
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
        self.load = Counted(load_fn)
        self.total, self.size, self.device = total_timesteps, chunk_size, str(device)
        self.prefetch, self.seed = prefetch, seed
        self.epoch = self.given = 0
        self.arrays = PAIR
        self.run: Batches | None = None
        self.ended = True
        self.graph(1)  # raises GraphError, a ValueError, for a device that is none

    def graph(self, num_chunks: int) -> Graph:
        """What an epoch of so many chunks runs."""
        chunks = windows(self.load, self.size, total=self.total, count=num_chunks, prefetch=self.prefetch)
        return chunks >> to_device(self.device)

    def start_epoch(self, num_chunks: int) -> None:
        """Begin to load the windows of the next epoch; one that is not over is left."""
        if not whole(num_chunks) or num_chunks < 0:
            raise ValueError(f"num_chunks is {num_chunks!r}; wanted a number from 0")
        self.cleanup()
        self.load.calls = self.given = 0
        self.ended = not num_chunks
        self.run = self.graph(num_chunks or 1).iterate(seed=self.seed, first_epoch=self.epoch)
        if not self.ended:
            self.run.__enter__()
        self.epoch += 1

    def get_next_chunk(self) -> tuple[Tensor | None, ...]:
        """The next chunk as tensors on the device, in the order of `load_fn`; waits for it.

        At the end of the epoch a tuple of None, as many as there are arrays. What `load_fn` raised is raised
        here. Raises ClosedRun before the first epoch, and after `cleanup`.
        """
        if self.run is None:
            raise ClosedRun("no epoch has begun; call start_epoch(num_chunks) first")
        chunk = None if self.ended else next(self.run, None)
        if chunk is None:
            self.ended = True
            return (None,) * self.arrays
        self.given += 1
        tensors = tuple(tensor for key, tensor in chunk.items() if key != START)
        self.arrays = len(tensors)
        return tensors

    def get_stats(self) -> dict[str, int]:
        """Chunks of this epoch that were loaded, and that were given."""
        return {"chunks_loaded": self.load.calls, "chunks_transferred": self.given}

    def cleanup(self) -> None:
        """Stop loading, and leave no thread behind: waits for `load_fn` where it runs. May be repeated."""
        run, self.run = self.run, None
        if run is not None:
            run.__exit__(None, None, None)


class Counted:
    """`load_fn`, and how often it was called; knows nothing of the loader, which may be forgotten."""

    def __init__(self, load_fn: Callable[[int, int], Any]) -> None:
        self.load_fn = load_fn
        self.__name__ = "load_fn"
        self.calls = 0

    def __call__(self, start: int, end: int) -> Any:
        """Whatever it returns, as a tuple: then keys are numbers, in its order."""
        made = self.load_fn(start, end)
        self.calls += 1
        return made if made is None or isinstance(made, tuple | list) else (made,)
