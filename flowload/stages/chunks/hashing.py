"""A hash of a chunk that is the same in every process, on every machine and in every version."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from flowload.abc.record_powers import Grouped
from flowload.blocks import Chunks, Frames, Rows, SourceFile
from flowload.errors import GraphError
from flowload.stages.batches.arrays.gather import guard_of

__all__ = ["choose_output", "chunk_hash", "hash_rows", "salt_word", "thresholds"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: the step of splitmix64


def mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def chunk_hash(keys: NDArray[np.uint64], indexes: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """64 bits for each chunk: mix(mix(key + salt · GOLDEN) + (index + 1) · GOLDEN), all modulo 2**64.

    Args:
        keys: `SourceFile.key` of each chunk's file.
        indexes: of each chunk in its file.
        salt: another salt is an independent hash.
    """
    salted = keys + np.array([salt], np.uint64) * GOLDEN
    return mix(mix(salted) + (indexes + np.uint64(1)) * GOLDEN)


def salt_word(salt: float | str | None) -> int:
    """A user's salt as a number far from the small ones, which tell splits in a row apart; None: 0.

    The first 8 bytes, little-endian, of blake2b of the salt as text: a number and its digits are one salt.
    """
    if salt is None:
        return 0
    return int.from_bytes(hashlib.blake2b(str(salt).encode(), digest_size=8).digest(), "little") >> 1


def hash_rows(block: Chunks | Frames | Rows, salt: int, by: str | None = None) -> NDArray[np.uint64]:
    """The hash of each row's chunk or group: what has the same is never separated."""
    if isinstance(block, Rows):
        numbers = block.picks.array()
        keys = numbers.view(np.uint64) if by is None else group_keys(block, by, numbers)
        return chunk_hash(np.zeros(1, np.uint64), keys, salt)
    rows, column = (block.table, "index") if isinstance(block, Chunks) else (block.origin, "chunk")
    keys = source_keys(block.sources)
    return chunk_hash(keys[rows["source"]], rows[column].astype(np.uint64), salt)


def group_keys(block: Rows, by: str, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The group of each row. Raises GraphError with the known groups."""
    groups = block.table.groups if isinstance(block.table, Grouped) else ()
    if isinstance(block.table, Grouped) and by in groups:
        with guard_of(block.table):
            return block.table.group(by, numbers)
    known = ", ".join(map(repr, groups)) or "none"
    raise GraphError(
        f"split: the rows of {type(block.table).__name__} have no groups {by!r}; they have {known}"
    )


def source_keys(sources: Sequence[SourceFile]) -> NDArray[np.uint64]:
    """The keys of files."""
    return np.array([source.key for source in sources], np.uint64)


def thresholds(weights: Sequence[float]) -> NDArray[np.uint64]:
    """The borders between outputs: hash < borders[0] goes to the first, and so on; exact for any weights."""
    shares = [Fraction(weight) for weight in weights]
    total = sum(shares)
    sums = [sum(shares[: place + 1]) for place in range(len(shares) - 1)]
    return np.array([int(part / total * 2**64) for part in sums], np.uint64)


def choose_output(hashes: NDArray[np.uint64], borders: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The number of each row's output."""
    return np.searchsorted(borders, hashes, side="right")
