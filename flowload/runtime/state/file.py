"""States in files: a small head of JSON, columns of numbers as they are, and a digest of all behind them.

b"flowload state\\n"   what it is
8 bytes               length of the head, little-endian
the head              JSON; an array is {"$array": [dtype, shape, [dtype, [offset, bytes]] ...]}
the columns           at offsets from the end of the head
16 bytes              BLAKE2b of everything before: a file that was cut short is not taken for whole
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import Any, Protocol

from flowload.abc.operators import State
from flowload.errors import DataError
from flowload.files.replacing import replacing
from flowload.graph.keywords import names_keywords

from .columns import from_values, with_arrays, without_arrays

__all__ = ["load_state", "save_state", "states_in"]

log = logging.getLogger("flowload")

MAGIC = b"flowload state\n"
DIGEST = 16  #: bytes
NAME = re.compile(r"step-(\d{12,})\.state")


class Stated(Protocol):
    """What a state can be taken of: a run, or a loader over one."""

    def state_dict(self) -> State:
        """See `Batches.state_dict`."""


@names_keywords
def save_state(path: str | os.PathLike[str], batches: Stated | State, *, step: int | None = None) -> Path:
    """Write the state of a run to a file, which appears under its name when all of it is on disk.

    It is written under another name, synced and renamed: a process that is killed in the midst of it, or a
    full disk, leaves what was there before. Arrays take as many bytes as their numbers need, not base64.

    Args:
        path: a file; or a folder that is there (or ends with a slash): the file in it has its step in the
            name, and those before it stay.
        batches: the run; or what its `state_dict()` gave.
        step: of the file's name in a folder; None: the batches that were delivered.

    Returns:
        the file.

    Raises OSError that names the file.

    Examples:
        >>> graph = fl.rows({"x": np.arange(64)}) >> fl.shuffle() >> fl.batch(16)
        >>> with graph.iterate(seed=0) as batches:
        ...     first = next(batches)["x"]
        ...     fl.save_state("run.state", batches).name
        'run.state'
        >>> with graph.iterate(seed=0, state=fl.load_state("run.state")) as batches:
        ...     print(sum(len(batch["x"]) for batch in batches))
        48
    """
    state = from_values(taken(batches))
    folder = Path(path).is_dir() or os.fspath(path).endswith(os.sep)
    out = Path(path)
    if folder:
        out.mkdir(parents=True, exist_ok=True)
        step = sum(state["delivered"].values()) if step is None else step
        out /= f"step-{step:012}.state"
    with replacing(out) as file:
        for part in parts_of(state):
            file.write(part)
    return out


def taken(batches: Stated | State) -> State:
    """A state of what may be a run, with arrays in it where it can give them."""
    own = getattr(batches, "state", None)
    if callable(own):
        given: State = own()
        return given
    return batches.state_dict() if hasattr(batches, "state_dict") else batches


def parts_of(state: State) -> list[bytes | memoryview]:
    """The bytes of a file, in order."""
    columns: list[memoryview] = []
    ends = [0]

    def store(data: memoryview) -> list[int]:
        columns.append(data)
        ends.append(ends[-1] + len(data))
        return [ends[-2], len(data)]

    head = json.dumps(without_arrays(state, store)).encode()
    parts: list[bytes | memoryview] = [MAGIC, len(head).to_bytes(8, "little"), head, *columns]
    digest = hashlib.blake2b(digest_size=DIGEST)
    for part in parts:
        digest.update(part)
    return [*parts, digest.digest()]


@names_keywords
def load_state(path: str | os.PathLike[str]) -> State | None:
    """What `save_state` wrote, for `graph.iterate(state=...)`; None where there is none yet.

    Of a folder the state with the highest step that is whole: one that is not is left out, which is logged.
    A state that somebody wrote as JSON (`on_preempt`, or `json.dumps(batches.state_dict())`) is read as well.

    Raises DataError for a file that is not whole, or no state.

    Examples:
        >>> fl.load_state("no such file") is None
        True
    """
    place = Path(path)
    if not place.is_dir():
        return read(place) if place.exists() else None
    for _, found in reversed(states_in(place)):
        try:
            return read(found)
        except DataError as error:
            log.warning("a state is left out: %s", error)
    return None


def states_in(folder: Path) -> list[tuple[int, Path]]:
    """The states of a folder by their steps, the newest last; none where there is no folder."""
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted((int(found[1]), each) for each in files if (found := NAME.fullmatch(each.name)))


def read(path: Path) -> State:
    """The state in a file. Raises DataError."""
    data = memoryview(path.read_bytes())
    if bytes(data[:1]) == b"{":
        return read_json(path, bytes(data))
    body, digest = data[:-DIGEST], data[-DIGEST:]
    if bytes(data[: len(MAGIC)]) != MAGIC:
        found = bytes(data[: len(MAGIC)])
        raise DataError("no state of a run", where=str(path), found=repr(found), wanted=repr(MAGIC))
    if hashlib.blake2b(body, digest_size=DIGEST).digest() != digest:
        raise DataError("not whole", where=str(path), found=f"{len(data):,} bytes", wanted="its digest")
    begin = len(MAGIC) + 8
    end = begin + int.from_bytes(body[len(MAGIC) : begin], "little")

    def fetch(place: Any) -> memoryview:
        offset, size = place
        return body[end + offset : end + offset + size]

    state: State = with_arrays(json.loads(bytes(body[begin:end])), fetch)
    return state


def read_json(path: Path, text: bytes) -> State:
    """A state that is text. Raises DataError."""
    try:
        state: State = json.loads(text)
    except ValueError as error:
        raise DataError("no state of a run", where=str(path), found=str(error)) from error
    return state
