"""What the frames of tars are, found with tarfile, gzip and numpy alone, as the format's description says."""

from __future__ import annotations

import gzip
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

Digest: TypeAlias = tuple[int, ...]
Arrays: TypeAlias = Mapping[str, NDArray[Any]]

__all__ = ["SIZE", "V6", "Digest", "decode", "digests", "frames", "games", "multiset", "whole"]

SCALARS = ["ooo", "oo", "them_ooo", "them_oo", "stm", "rule50", "invariance", "dummy"]
FLOATS = ["root_q", "best_q", "root_d", "best_d", "root_m", "best_m", "plies_left", "result_q", "result_d"]
FLOATS += ["played_q", "played_d", "played_m", "orig_q", "orig_d", "orig_m"]
V6 = np.dtype(
    [("version", "<u4"), ("form", "<u4"), ("probabilities", "<f4", (1858,)), ("planes", "u1", (104, 8))]
    + [(name, "u1") for name in SCALARS]
    + [(name, "<f4") for name in FLOATS]
    + [("visits", "<u4"), ("played_idx", "<u2"), ("best_idx", "<u2"), ("policy_kld", "<f4"), ("q_st", "<f4")]
)
SIZE = 8356  #: bytes of a V6 record
assert V6.itemsize == SIZE

ROWS = [
    ("result_q", "result_d", "plies_left"),
    ("best_q", "best_d", "best_m"),
    ("played_q", "played_d", "played_m"),
    ("orig_q", "orig_d", "orig_m"),
    ("root_q", "root_d", "root_m"),
]


def games(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and records of every game of a tar, in its order."""
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".gz"):
                file = tar.extractfile(member)
                assert file is not None
                yield member.name, gzip.decompress(file.read())


def decode(data: bytes) -> Arrays:
    """The arrays of layout `tensors` that records of version 6 and input format 1 mean."""
    records = np.frombuffer(data, V6)
    assert set(records["version"]) == {6}
    assert set(records["form"]) == {1}
    planes = np.ones((len(records), 112, 8, 8), np.float32)
    planes[:, :104] = np.unpackbits(records["planes"], axis=-1).reshape(-1, 104, 8, 8)
    for plane, name in enumerate(["ooo", "oo", "them_ooo", "them_oo", "stm"], 104):
        planes[:, plane] = records[name][:, None, None]
    planes[:, 109] = (records["rule50"].astype(np.float32) / np.float32(99))[:, None, None]
    planes[:, 110] = 0
    values = np.full((len(records), 6, 3), np.nan, np.float32)
    for row, names in enumerate(ROWS):
        values[:, row] = np.stack([records[name] for name in names], axis=-1)
    values[:, 5, 0] = records["q_st"]
    values[:, 5, 1] = 0  # d_st came with version 7
    return {"planes": planes, "probabilities": records["probabilities"], "values": values}


def digests(arrays: Mapping[str, Any]) -> list[Digest]:
    """A checksum of every array of every sample; which NaN a NaN is does not count."""
    clean = {key: np.asarray(array) for key, array in arrays.items()}
    if "values" in clean:
        clean["values"] = np.where(np.isnan(clean["values"]), np.float32(np.nan), clean["values"])
    columns = [[crc32(np.ascontiguousarray(row)) for row in clean[key]] for key in sorted(clean)]
    return list(zip(*columns, strict=True))


def frames(path: Path) -> list[list[Digest]]:
    """The digests of every frame of a tar, game by game."""
    return [digests(decode(data)) for _, data in games(path)]


def whole(paths: Iterable[Path]) -> Counter[Digest]:
    """How often each frame is in tars."""
    return Counter(frame for path in paths for game in frames(path) for frame in game)


def multiset(batches: Iterable[Mapping[str, Any]]) -> Counter[Digest]:
    """How often each frame is in batches; none of them is kept."""
    found: Counter[Digest] = Counter()
    for batch in batches:
        found.update(digests(batch))
    return found
