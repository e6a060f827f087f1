"""Folders of packed molecules for tests, whole or damaged, and the batches that numpy makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FILES", "Content", "content", "masked", "pair_lists", "physnet", "write"]

Content = dict[str, NDArray[Any]]  #: by file name

FILES = ("offsets.npy", "n_atoms.npy", "Z_pack.int32", "R_pack.f32", "F_pack.f32", "E.f64", "Qtot.f64")


def content(sizes: Sequence[int], seed: int = 0) -> Content:
    """Random molecules of these sizes."""
    rng = np.random.default_rng(seed)
    atoms = int(np.sum(sizes))
    return {
        "offsets.npy": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        "n_atoms.npy": np.array(sizes, np.int32),
        "Z_pack.int32": rng.integers(1, 10, atoms, np.int32),
        "R_pack.f32": rng.normal(size=(atoms, 3), scale=2).astype(np.float32),
        "F_pack.f32": rng.normal(size=(atoms, 3)).astype(np.float32),
        "E.f64": rng.normal(size=len(sizes)) - 407_268.0,
        "Qtot.f64": rng.integers(-1, 2, len(sizes)).astype(np.float64),
    }


def write(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """A folder of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if name.endswith(".npy"):
            np.save(folder / name, array)
        else:
            (folder / name).write_bytes(array.tobytes())
    return folder


def padded(arrays: Content, rows: Sequence[int], slots: int) -> Content:
    """What both layouts have."""
    offsets = arrays["offsets.npy"]
    out: Content = {
        "Z": np.zeros((len(rows), slots), np.int32),
        "R": np.zeros((len(rows), slots, 3), np.float32),
        "F": np.zeros((len(rows), slots, 3), np.float32),
        "E": arrays["E.f64"][list(rows)],
        "Qtot": arrays["Qtot.f64"][list(rows)] if "Qtot.f64" in arrays else np.zeros(len(rows)),
    }
    for place, row in enumerate(rows):
        part = slice(offsets[row], offsets[row + 1])
        count = offsets[row + 1] - offsets[row]
        for key, name in (("Z", "Z_pack.int32"), ("R", "R_pack.f32"), ("F", "F_pack.f32")):
            out[key][place, :count] = arrays[name][part]
    return out


def physnet(arrays: Content, rows: Sequence[int], slots: int) -> Content:
    """The batch of these rows, but for pairs."""
    return {
        **padded(arrays, rows, slots),
        "N": arrays["n_atoms.npy"][list(rows)],
        "batch_segments": np.repeat(np.arange(len(rows), dtype=np.int32), slots),
    }


def masked(arrays: Content, rows: Sequence[int], slots: int) -> Content:
    """The batch of these rows."""
    sizes = arrays["n_atoms.npy"][list(rows)]
    return {**padded(arrays, rows, slots), "mask": np.arange(slots) < sizes[:, None]}


def pair_lists(arrays: Content, rows: Sequence[int], slots: int, pairs: str, cutoff: float | None) -> Content:
    """`dst_idx` and `src_idx` as FORMATS says, by brute force."""
    if pairs == "none":
        return {}
    sizes = arrays["n_atoms.npy"][list(rows)] if pairs == "real" else np.full(len(rows), slots)
    found: list[tuple[int, int]] = []
    for b, row in enumerate(rows if pairs != "molecule" else rows[:1]):
        near = np.ones((sizes[b], sizes[b]), bool)
        if cutoff is not None:
            begin = arrays["offsets.npy"][row]
            places = arrays["R_pack.f32"][begin : begin + sizes[b]].astype(np.float64)
            near = np.linalg.norm(places[:, None] - places[None], axis=-1) < cutoff
        found += [(b * slots + i, b * slots + j) for i, j in np.argwhere(near).tolist() if i != j]
    dst, src = np.array(found, np.int32).reshape(-1, 2).T
    return {"dst_idx": dst, "src_idx": src}
