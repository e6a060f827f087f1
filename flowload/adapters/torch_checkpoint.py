"""Torch: a model and its place in the stream in one file, which is there whole or not at all."""

from __future__ import annotations

import os
import pickle
import secrets
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
import torch.distributed as dist

from flowload.abc.operators import State
from flowload.errors import DataError, RankError
from flowload.files.replacing import replacing
from flowload.runtime.state.gather import gathered

__all__ = ["Checkpoint", "Stated", "load_checkpoint", "save_checkpoint"]

OWN = "flowload"  #: the key of what is not the user's: a word for this checkpoint, and the streams by rank


class Stated(Protocol):
    """A run, or a data set of one."""

    def state_dict(self) -> State:
        """Where it is."""


class Checkpoint(NamedTuple):
    """What `save_checkpoint` saved.

    Examples:
        >>> save_checkpoint("done.pt", {"step": 7})
        >>> load_checkpoint("done.pt")
        Checkpoint(values={'step': 7}, stream=None)
    """

    values: dict[str, Any]
    stream: State | None  #: this rank's, for `graph.iterate(state=...)`; None: a pass begins


def save_checkpoint(
    path: str | os.PathLike[str], values: Mapping[str, Any], batches: Stated | None = None
) -> None:
    """Write the values of a training together with the place in its stream.

    They are written under another name, synced, and renamed: a process that is killed, or a full disk, leaves
    the checkpoint that was there before. Under a torch process group all ranks call it; each gives its own
    stream, rank 0 writes its values, and all return when the file is there.

    ```python
    save_checkpoint("run.pt", {"net": net.state_dict(), "step": step}, batches)
    ```

    Args:
        path: the file; `torch.load` reads it, too.
        values: what `torch.load` takes with `weights_only`: state dicts, tensors, numbers, strings, and dicts
            and lists of them.
        batches: the run; None: it is over, and the next one begins a pass.

    Raises ValueError for the key "flowload", OSError; RankError where rank 0 could not write.

    Examples:
        >>> import torch
        >>> net = torch.nn.Linear(2, 1)
        >>> graph = fl.rows({"x": np.zeros((8, 2), np.float32)}) >> fl.batch(2)
        >>> with graph.iterate(seed=0) as batches:
        ...     batch = next(batches)
        ...     save_checkpoint("run.pt", {"net": net.state_dict(), "step": 1}, batches)
        >>> saved = load_checkpoint("run.pt")
        >>> with graph.iterate(seed=0, state=saved.stream) as batches:
        ...     print(saved.values["step"], sum(1 for _ in batches))
        1 3
    """
    if OWN in values:
        raise ValueError(f"values have the key {OWN!r}, under which the stream is kept; wanted another name")
    rank, world = place()
    streams: list[State | None] = [None if batches is None else batches.state_dict()]
    if world > 1:
        streams *= world
        dist.all_gather_object(streams, streams[rank])
    failed = [True]
    try:
        if rank == 0:
            with replacing(path) as file:
                torch.save({**values, OWN: {"id": secrets.token_hex(8), "streams": streams}}, file)
        failed = [False]
    finally:  # the others must not wait for a rank that failed
        if world > 1:
            dist.broadcast_object_list(failed, src=0)
    if failed[0]:
        raise RankError(f"rank 0 could not write the checkpoint {os.fspath(path)}; its own error says why")


def load_checkpoint(path: str | os.PathLike[str], device: Any = "cpu") -> Checkpoint | None:
    """What `save_checkpoint` wrote; None where there is no such file yet.

    ```python
    if checkpoint := load_checkpoint("run.pt"):
        net.load_state_dict(checkpoint.values["net"])
    ```

    Args:
        path: the file. Under a torch process group all ranks call this, and must see the same one.
        device: where tensors go.

    Raises DataError for a file that is something else, or of which the streams are of another number of ranks
    (in the middle of a pass; between two it does not matter, nor with `fl.shard(lanes=...)`); RankError where
    ranks see different files.

    Examples:
        >>> load_checkpoint("not-there-yet.pt") is None
        True
    """
    found = read(Path(path), device)
    rank, world = place()
    own = {"id": None, "streams": []} if found is None else found.pop(OWN)
    if world > 1:
        check_same(path, own["id"], world)
    if found is None:
        return None
    streams = own["streams"]
    if all(stream is None for stream in streams):
        return Checkpoint(found, None)
    if "lanes" in (streams[0] or ()):  # each is the state of all ranks, however many go on
        alike = [each for each in streams if each and each["delivered"] == streams[0]["delivered"]]
        return Checkpoint(found, gathered(alike))
    if len(streams) != world:
        raise DataError(
            "a checkpoint of another number of ranks, in the middle of a pass",
            where=os.fspath(path),
            found=f"{len(streams)}",
            wanted=f"{world}, as there are now",
        )
    return Checkpoint(found, streams[rank])


def place() -> tuple[int, int]:
    """Rank and world of the process group; (0, 1) without one."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def read(path: Path, device: Any) -> dict[str, Any] | None:
    """The content of a checkpoint; None if there is none. Raises DataError for any other file."""
    wanted = "what save_checkpoint() writes"
    if not path.exists():
        return None
    if not zipfile.is_zipfile(path):  # torch would take it for a file of long ago, and fail anyhow
        raise DataError("no checkpoint", where=str(path), found="no file of torch", wanted=wanted)
    try:
        found = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise DataError("no checkpoint", where=str(path), found=str(error).partition("\n")[0]) from error
    if not (isinstance(found, dict) and isinstance(found.get(OWN), dict)):
        raise DataError("no checkpoint", where=str(path), found="no streams", wanted=wanted)
    return found


def check_same(path: str | os.PathLike[str], word: str | None, world: int) -> None:
    """Raise RankError unless all ranks have read the same file, or none."""
    words: Sequence[Any] = [None] * world
    dist.all_gather_object(words, word)
    if other := [rank for rank in range(world) if words[rank] != words[0]]:
        told = "sees no checkpoint" if words[other[0]] is None else "sees another checkpoint than rank 0"
        if words[0] is None:
            told = "sees a checkpoint that rank 0 does not see"
        raise RankError(
            f"rank {other[0]} {told} at {os.fspath(path)}; it must lie where all ranks can read it"
        )
