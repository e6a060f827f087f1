"""JAX: a tree of arrays and its place in the stream in one file, which is there whole or not at all."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowload.abc.operators import State
from flowload.errors import DataError
from flowload.files.replacing import replacing

from .jax_library import import_jax

if TYPE_CHECKING:
    from .torch_checkpoint import Stated

__all__ = ["load_checkpoint", "save_checkpoint"]

STREAM = "stream"  #: the member that is not the user's; leaves have names that begin with "tree"


def save_checkpoint(path: str | os.PathLike[str], tree: Any, batches: Stated | None = None) -> None:
    """Write a tree of arrays (parameters, optimiser, step) together with the place in its stream, as `.npz`.

    It is written under another name, synced, and renamed: a process that is killed, or a full disk, leaves
    the checkpoint that was there before.

    ```python
    save_checkpoint("run.npz", {"weights": weights, "step": step}, batches)
    ```

    Args:
        path: the file; `numpy.load` reads it, too.
        tree: JAX's word for nested dicts, lists and tuples of arrays and numbers.
        batches: the run; None: it is over, and the next one begins a pass.

    Examples:
        >>> save_checkpoint("run.npz", {"weights": np.ones(2), "step": 3})
        >>> tree, stream = load_checkpoint("run.npz", like={"weights": np.zeros(2), "step": 0})
        >>> int(tree["step"]), stream
        (3, None)
    """
    stream = None if batches is None else batches.state_dict()
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(tree)}
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **{STREAM: np.array(json.dumps(stream))}, **leaves)


def load_checkpoint(path: str | os.PathLike[str], like: Any) -> tuple[Any, State | None] | None:
    """What `save_checkpoint` wrote: the tree, and the stream for `graph.iterate(state=...)`; None: no file.

    ```python
    if loaded := load_checkpoint("run.npz", like=start):
        start, stream = loaded
    ```

    Args:
        path: the file.
        like: a tree of the same structure, shapes and dtypes.

    Raises DataError for a file that is something else, and for other leaves than those of `like`.

    Examples:
        >>> load_checkpoint("not-there-yet.npz", like={"step": 0}) is None
        True
    """
    if not Path(path).exists():
        return None
    wanted = dict(named_leaves(like))
    try:
        with np.load(path, allow_pickle=False) as file:
            stream = json.loads(str(file[STREAM]))
            found = {name: file[name] for name in file.files if name != STREAM}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError("no checkpoint", where=os.fspath(path), found=str(error)) from error
    if missing := sorted(wanted.keys() ^ found.keys()):
        told = "not in the checkpoint" if missing[0] in wanted else "only in the checkpoint"
        raise DataError("another tree", where=os.fspath(path), found=f"{missing[0]} is {told}")
    jax = import_jax()
    leaves = [leaf_of(found[name], leaf, f"{os.fspath(path)}: {name}") for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves), stream


def named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """The leaves of a tree with their names, in JAX's order."""
    words = import_jax().tree_util
    return [(f"tree{words.keystr(path)}", leaf) for path, leaf in words.tree_flatten_with_path(tree)[0]]


def leaf_of(found: Any, like: Any, where: str) -> Any:
    """A leaf as it was saved. Raises DataError where it is unlike the one that is there."""
    wanted = np.asarray(like)
    if found.dtype.kind == "V" and found.dtype.itemsize == wanted.dtype.itemsize:
        found = found.view(wanted.dtype)  # numpy has no name for bfloat16 and its kind
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise DataError(
            "another leaf",
            where=where,
            found=f"{found.dtype} {list(found.shape)}",
            wanted=f"{wanted.dtype} {list(wanted.shape)}",
        )
    if np.isscalar(like):
        return found.item()
    if isinstance(like, np.ndarray):
        return found
    # One that may go anywhere stays so: what is bound to a device is compiled for once more.
    return import_jax().device_put(found, like.sharding if like.committed else None)
