"""A small simulated recording: rate neurons on a ring, driven by a moving stimulus."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flowload.errors import GraphError

__all__ = ["simulate"]

LEAK, DRIVE, CALCIUM = 0.9, 0.3, 0.95
TYPES = 4  #: kinds of neurons
QUANTUM = np.float32(1 / 64)  #: values are rounded to it, as a digitiser does


def simulate(
    folder: str | Path,
    *,
    rows: int = 1536,
    neurons: int = 32,
    degree: int = 4,
    seed: int = 0,
    chunk: int = 256,
    codec: Literal["zstd", "raw"] = "zstd",
    zarr_format: Literal[2, 3] = 3,
) -> Path:
    """Write a recording: `timeseries.zarr`, `metadata.zarr`, and its graph `indptr.npy`, `indices.npy`.

    The same arguments give the same numbers on every machine. The folder appears when it is complete.

    Args:
        folder: is made; GraphError if it is there and holds something.
        rows: moments.
        neurons: more than `degree`.
        degree: neurons that each one listens to.
        seed: of graph, types and noise.
        chunk: rows of a chunk.
        codec: of chunks: zstd, or raw for none.
        zarr_format: 2 or 3.
    """
    if rows < 1 or not 1 <= degree < neurons or chunk < 1:
        raise GraphError(f"simulate: {rows=}, {neurons=}, {degree=}, {chunk=}; wanted 1 <= degree < neurons")
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(folder.iterdir()):
        raise GraphError(f"simulate: {folder} is there already, and holds something")
    rng = np.random.Generator(np.random.Philox(seed))
    indices = listened(rng, neurons, degree)
    series, metadata = run(rng, indices, rows)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
        whole = Path(made) / "whole"
        write(whole / "timeseries.zarr", series, (min(chunk, rows), *series.shape[1:]), codec, zarr_format)
        write(whole / "metadata.zarr", metadata, metadata.shape, codec, zarr_format)
        np.save(whole / "indptr.npy", np.arange(0, indices.size + 1, degree, dtype=np.int64))
        np.save(whole / "indices.npy", indices.reshape(-1).astype(np.int32))
        whole.replace(folder)
    return folder


def write(
    path: Path, array: NDArray[Any], chunks: tuple[int, ...], codec: str, zarr_format: Literal[2, 3]
) -> None:
    """One array."""
    import zarr  # noqa: PLC0415 - takes 160 ms, and starts a thread
    from zarr.storage import LocalStore  # noqa: PLC0415

    compressors: Any = "auto" if codec == "zstd" else None
    zarr.create_array(
        LocalStore(path), data=array, chunks=chunks, compressors=compressors, zarr_format=zarr_format
    )


def listened(rng: np.random.Generator, neurons: int, degree: int) -> NDArray[np.int64]:
    """For each neuron: others, sorted, (neurons, degree)."""
    others = [np.sort(rng.permutation(neurons - 1)[:degree]) for _ in range(neurons)]
    return np.array([own + (own >= k) for k, own in enumerate(others)], np.int64)


def run(
    rng: np.random.Generator, indices: NDArray[np.int64], rows: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The recording.

    Returns time series (T, N, 4): voltage, stimulus, calcium, fluorescence; and metadata (N, 5): index, x
    and y on the ring in units of its side, group type, type.
    """
    neurons = len(indices)
    angle = (np.arange(neurons) / neurons).astype(np.float32)
    kind = rng.integers(0, TYPES, neurons)
    sign = np.where(rng.random(indices.shape) < 0.5, -1, 1).astype(np.float32)
    series = np.empty((rows, neurons, 4), np.float32)
    voltage = np.zeros(neurons, np.float32)
    calcium = np.zeros(neurons, np.float32)
    for t in range(rows):
        stimulus = around(angle + np.float32(t % 128) / 128)
        heard = (sign * np.clip(voltage[indices], 0, 1)).sum(axis=1) / indices.shape[1]
        noise = rng.integers(-32, 33, neurons).astype(np.float32) / 256
        voltage = rounded(LEAK * voltage + DRIVE * (stimulus + heard) + noise)
        calcium = rounded(CALCIUM * calcium + np.clip(voltage, 0, None) / 8)
        series[t] = np.stack([voltage, rounded(stimulus), calcium, rounded(calcium / (1 + calcium))], axis=1)
    x, y = around(angle), around(angle + np.float32(0.25))
    metadata = np.stack([np.arange(neurons), x, y, kind // 2, kind], axis=1)
    return series, metadata.astype(np.float32)


def around(turns: NDArray[np.float32]) -> NDArray[np.float32]:
    """A triangle that goes round once a turn, from -1 to 1: exact, where a sine would differ by machine."""
    return np.asarray(1 - 4 * np.abs(turns % 1 - np.float32(0.5)), np.float32)


def rounded(values: NDArray[Any]) -> NDArray[np.float32]:
    """To the nearest quantum: what differs by machine in the last bits does not add up."""
    return (np.round(values / QUANTUM) * QUANTUM).astype(np.float32)
