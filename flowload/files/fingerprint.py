"""What data are, told by few bytes of them: names and sizes of files, and samples of what is in them.

A run's state keeps this, so that going on with other data is refused by name. Small files are read whole, as
long as all of them may have 4 MiB together; of larger ones four places of 4 KiB, and of at most 256 files. So
one that was rewritten is noticed, and a large one of which a single byte was changed in place may not be.
Times of writing have no part in it: a copy has others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Fingerprint",
    "differences",
    "names_below",
    "of_array",
    "of_bytes",
    "of_documents",
    "of_files",
    "of_objects",
]

#: JSON values. "files": how many, "sizes": a digest of the names and sizes of all, "listed": [name, bytes,
#: digest of what was sampled] of some, in order. "arrays": a text by key.
Fingerprint: TypeAlias = Mapping[str, Any]

LISTED = 256  #: files that are sampled, and told by name, at most
STATTED = 10_000  #: files of which the size is asked: over a network each is a round trip
PLACE = 4096  #: bytes of a place
PLACES = 4  #: of a file
WHOLE = 4 << 20  #: bytes of an array, or of files together, that are digested in full: 4 ms
OF_ARRAY = 256  #: places of a larger one
TAG = "version "  #: begins what stands for the digest of an object that was not read
TOLD = 3  #: names in a message


def of_files(paths: Sequence[str], names: Sequence[str]) -> Fingerprint:
    """Of files in their order, by names that stay when their folder moves. Raises OSError."""
    every = hashlib.blake2b(digest_size=12)
    listed: list[list[object]] = []
    step = max(1, -(-len(paths) // LISTED))
    whole = WHOLE // max(1, min(len(paths), LISTED))
    for place, (path, name) in enumerate(zip(paths, names, strict=True)):
        size = os.stat(path).st_size if place < STATTED else -1  # noqa: PTH116 - of very many
        every.update(f"{name}\0{size}\0".encode(errors="surrogateescape"))
        if place % step == 0:
            listed.append([printable(name), size, sampled(path, size, whole)])
    return {"files": len(paths), "sizes": every.hexdigest(), "listed": listed}


def of_documents(documents: Sequence[bytes], names: Sequence[str]) -> Fingerprint:
    """Of small files that lie in a store: the same as of files with these bytes."""
    every = hashlib.blake2b(digest_size=12)
    listed = []
    for data, name in zip(documents, names, strict=True):
        every.update(f"{name}\0{len(data)}\0".encode(errors="surrogateescape"))
        listed.append([printable(name), len(data), of_bytes(data)])
    return {"files": len(documents), "sizes": every.hexdigest(), "listed": listed[:LISTED]}


def of_objects(names: Sequence[str], sizes: Sequence[int], tags: Sequence[str]) -> Fingerprint:
    """Of objects of a store in their order: as of files, but told by their ETags, for none is read."""
    every = hashlib.blake2b(digest_size=12)
    for place, (name, size) in enumerate(zip(names, sizes, strict=True)):
        every.update(f"{name}\0{size if place < STATTED else -1}\0".encode(errors="surrogateescape"))
    step = max(1, -(-len(names) // LISTED))
    listed = [
        [printable(names[place]), sizes[place] if place < STATTED else -1, TAG + tags[place]]
        for place in range(0, len(names), step)
    ]
    return {"files": len(names), "sizes": every.hexdigest(), "listed": listed}


def sampled(path: str, size: int, whole: int = 0) -> str:
    """A digest of a file of up to `whole` bytes; of a larger one of its beginning, its end, and two between.

    Raises OSError.
    """
    found = hashlib.blake2b(digest_size=6)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of very many
        size = size if size >= 0 else os.fstat(file.fileno()).st_size
        if size <= whole:
            found.update(file.readall())
            return found.hexdigest()
        for begin in places(size, PLACES):
            found.update(os.pread(file.fileno(), PLACE, begin))
    return found.hexdigest()


def places(size: int, most: int) -> list[int]:
    """Where places of so many bytes begin, the first and the last included."""
    last = max(0, size - PLACE)
    count = min(most, -(-size // PLACE))
    return sorted({last * place // max(1, count - 1) for place in range(count)})


def printable(name: str) -> str:
    """A name as JSON can hold it."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def names_below(paths: Sequence[str]) -> list[str]:
    """The paths from the folder on that is around all of them; a lone one's own name."""
    if not paths:
        return []
    full = [str(Path(path).absolute()) for path in paths]
    around = os.path.commonpath([os.path.dirname(path) for path in full])  # noqa: PTH120 - as text
    return [os.path.relpath(path, around) for path in full]


def of_array(array: NDArray[Any]) -> str:
    """Of an array in memory: dtype, shape, and a digest: of all of it up to 4 MiB, of places beyond."""
    if array.dtype.hasobject:
        return f"{array.dtype}{list(array.shape)}"
    if array.nbytes <= WHOLE:
        return f"{array.dtype}{list(array.shape)} {of_bytes(np.ascontiguousarray(array).tobytes())}"
    found = hashlib.blake2b(digest_size=6)
    each = max(1, PLACE * array.shape[0] // array.nbytes)  # rows of a place
    for row in np.linspace(0, array.shape[0] - each, OF_ARRAY).astype(np.int64).tolist():
        part = array[row : row + each]
        found.update(np.ascontiguousarray(part.reshape(-1)[: 4 * PLACE]).tobytes())
    return f"{array.dtype}{list(array.shape)} {found.hexdigest()}"


def of_bytes(data: bytes) -> str:
    """Of bytes in memory, all of them."""
    return hashlib.blake2b(data, digest_size=6).hexdigest()


def differences(saved: Fingerprint, found: Fingerprint) -> list[str]:
    """What is not as it was, in words, by name; nothing where the data are the same."""
    told = unlike_arrays(saved.get("arrays") or {}, found.get("arrays") or {})
    told += [
        f"{what}: was {was!r}, is {now!r}"
        for what in sorted((saved.keys() | found.keys()) - {"files", "sizes", "listed", "arrays"})
        if (was := saved.get(what)) != (now := found.get(what))
    ]
    if "sizes" in saved or "sizes" in found:
        told += unlike_files(saved, found)
    return told


def unlike_arrays(saved: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Arrays that are others, have come, or have gone."""
    return [
        f"array {key!r} was {saved.get(key, 'not there')}, is {found.get(key, 'not there')}"
        for key in [*saved, *(key for key in found if key not in saved)]
        if saved.get(key) != found.get(key)
    ]


def unlike_files(saved: Fingerprint, found: Fingerprint) -> list[str]:
    """Files that are others, have come, or have gone; the first of each kind by name."""
    before = {name: (size, digest) for name, size, digest in saved.get("listed", ())}
    now = {name: (size, digest) for name, size, digest in found.get("listed", ())}
    told = []
    if saved.get("files") != found.get("files"):
        told.append(f"{saved.get('files', 0)} files when it was saved, {found.get('files', 0)} now")
    if saved.get("files", 0) <= LISTED and found.get("files", 0) <= LISTED:  # all are listed
        told += some("new", [name for name in now if name not in before])
        told += some("gone", [name for name in before if name not in now])
    for name in [name for name in before if name in now and are_unlike(before[name], now[name])][:TOLD]:
        (was, _), (size, _) = before[name], now[name]
        told.append(
            f"{name} has other bytes than then" if was == size else f"{name} had {was:,} bytes, has {size:,}"
        )
    if not told and saved.get("sizes") != found.get("sizes"):
        told.append("their names, order or sizes are others")
    return told


def are_unlike(saved: tuple[int, str], found: tuple[int, str]) -> bool:
    """Whether sizes and digests are of different files; of an object and a file the sizes alone can tell."""
    comparable = saved[1].startswith(TAG) == found[1].startswith(TAG)
    return saved[0] != found[0] or (comparable and saved[1] != found[1])


def some(what: str, names: Sequence[str]) -> list[str]:
    """The first names of a kind."""
    if not names:
        return []
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return [f"{what}: {', '.join(names[:TOLD])}{more}"]
