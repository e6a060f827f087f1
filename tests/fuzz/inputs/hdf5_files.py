"""HDF5 files of every kind that h5py can write, drawn by a generator of random numbers."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["draw", "missing_rows"]

KINDS: tuple[Any, ...] = (
    "u1", "<i2", ">i2", "<f2", "<f4", ">f4", "<f8", ">f8", "<u8", ">c16", "<c8", "?", "S5", "V3",
    "<i4,<f8", "<i4,>f8", [("a", ">i2", (2,)), ("b", [("c", "<f4"), ("d", ">u2")])],
    {"names": ["a", "b"], "formats": ["u1", "<i4"], "offsets": [0, 4], "itemsize": 12},
    ("<f4", (2,)), (">i2", (1, 3)),
)  # fmt: skip
LIBRARIES = ("earliest", "v108", "v110", "latest")


def draw(path: Path, rng: np.random.Generator) -> None:
    """Write a file with the dataset "x"."""
    shape = tuple(int(n) for n in rng.integers(1, 24, rng.integers(1, 4)))
    kind = np.dtype(KINDS[rng.integers(len(KINDS))])
    chunked = bool(rng.random() < 0.8)
    low, high = sorted(int(k) for k in rng.integers(0, len(LIBRARIES), 2))
    low = high if rng.random() < 0.6 else low
    block = int(rng.choice([0, 0, 512, 2048]))
    with h5py.File(path, "w", libver=(LIBRARIES[low], LIBRARIES[max(high, 1)]), userblock_size=block) as file:
        file.attrs["pad"] = np.arange(int(rng.integers(1, 60)), dtype="u1")
        if rng.random() < 0.5:
            file["odd"] = np.arange(int(rng.integers(1, 9)), dtype="u1")
        plist, maxshape = creation(shape, kind, rng) if chunked else (contiguous(rng), shape)
        space = h5py.h5s.create_simple(shape, tuple(h5py.h5s.UNLIMITED if n is None else n for n in maxshape))
        if rng.random() < 0.3 and kind.subdtype is None and kind.kind in "iuf":
            plist.set_fill_value(np.array(7, kind))
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.py_create(kind, logical=True), space, plist)
        fill(h5py.Dataset(made), maxshape, rng)


def contiguous(rng: np.random.Generator) -> Any:
    """Creation properties of a set without chunks."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT if rng.random() < 0.2 else h5py.h5d.CONTIGUOUS)
    return plist


def creation(shape: tuple[int, ...], kind: np.dtype[Any], rng: np.random.Generator) -> Any:
    """Creation properties of a set in chunks, and its largest shape."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    chunk = [int(rng.integers(1, n + 1)) for n in shape]
    if rng.random() < 0.75:
        chunk[1:] = shape[1:]
    grows = rng.random() < 0.6
    maxshape: list[int | None] = list(shape)
    for axis, n in enumerate(shape):
        if grows and rng.random() < 0.6:
            maxshape[axis] = None if rng.random() < 0.7 else n + int(rng.integers(0, 20))
    plist.set_chunk(tuple(chunk))
    add_filters(plist, rng)
    if rng.random() < 0.3 and kind.kind in "iu" and not plist.get_nfilters():  # behind gzip, HDF5 dies of it
        plist.set_scaleoffset(h5py.h5z.SO_INT, 0)
    times = (h5py.h5d.ALLOC_TIME_EARLY, h5py.h5d.ALLOC_TIME_LATE, h5py.h5d.ALLOC_TIME_INCR)
    if rng.random() < 0.4:
        plist.set_alloc_time(times[rng.integers(3)])
    if rng.random() < 0.2:
        plist.set_fill_time((h5py.h5d.FILL_TIME_NEVER, h5py.h5d.FILL_TIME_ALLOC)[rng.integers(2)])
    return plist, tuple(maxshape)


def add_filters(plist: Any, rng: np.random.Generator) -> None:
    """None to three, in any order; but LZF gets nothing that may be longer than a chunk.

    It is of h5py, and writes behind its memory then: HDF5 dies of it, now or later.
    """
    longer = False
    for step in rng.permutation(["shuffle", "deflate", "lzf", "fletcher32"])[
        : rng.choice([0, 0, 1, 1, 2, 3])
    ]:
        if step == "shuffle":
            plist.set_shuffle()
        elif step == "deflate":
            plist.set_deflate(int(rng.integers(0, 10)))
            longer = True
        elif step == "lzf":
            if not longer:
                plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
        else:
            plist.set_fletcher32()
            longer = True


def fill(dataset: h5py.Dataset, maxshape: tuple[int | None, ...], rng: np.random.Generator) -> None:
    """Write some of it, and make it larger or smaller, now and then several times."""
    write(dataset, rng)
    for _ in range(int(rng.integers(0, 3))):
        axis = int(rng.integers(len(maxshape)))
        most = 40 if maxshape[axis] is None else maxshape[axis]
        if dataset.chunks is not None and maxshape != dataset.shape:
            dataset.resize(int(rng.integers(1, (most or 1) + 1)), axis)
            if rng.random() < 0.6:
                write(dataset, rng)
    if dataset.chunks is not None and rng.random() < 0.15:
        write_raw(dataset)


def write(dataset: h5py.Dataset, rng: np.random.Generator) -> None:
    """Write rows at random: all, some, or none."""
    first, end = sorted(int(k) for k in rng.integers(0, len(dataset) + 1, 2))
    if rng.random() < 0.5:
        first, end = 0, len(dataset)
    base, inner = dataset.dtype.subdtype or (dataset.dtype, ())
    shape = (end - first, *dataset.shape[1:], *inner)
    few = int(rng.choice([2, 256]))  # of few different bytes a filter makes less
    data = rng.integers(0, few, prod(shape) * base.itemsize, np.uint8)
    if base.kind == "b":
        data &= 1
    if end > first:
        dataset[first:end] = data.view(base).reshape(shape)


def write_raw(dataset: h5py.Dataset) -> None:
    """Write the first chunk as if every filter had left it alone."""
    count = dataset.id.get_create_plist().get_nfilters()
    nbytes = prod(dataset.chunks) * dataset.dtype.itemsize
    if count and dataset.dtype.kind != "b":
        data = (np.arange(nbytes) % 251).astype(np.uint8).tobytes()
        dataset.id.write_direct_chunk((0,) * dataset.ndim, data, filter_mask=(1 << count) - 1)


def missing_rows(dataset: h5py.Dataset) -> NDArray[np.bool_]:
    """Rows of which a chunk was never written: HDF5 is asked to read each."""
    mask = np.zeros(len(dataset), bool)
    if dataset.chunks is None:
        return mask
    grid = tuple(-(-n // chunk) for n, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    for place in np.ndindex(grid):
        offset = tuple(k * chunk for k, chunk in zip(place, dataset.chunks, strict=True))
        try:
            dataset.id.read_direct_chunk(offset)
        except (OSError, RuntimeError, ValueError):
            mask[offset[0] : offset[0] + dataset.chunks[0]] = True
    return mask
