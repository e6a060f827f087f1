"""Where everything random comes from: counter-based generators keyed by seed, stage and operator alone.

Never by time, thread or global state: so a stream is the same for any number of workers. A run and the
exam in `flowload.testing` share these two functions, and therefore draw the same numbers.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from flowload.errors import GraphError

__all__ = ["generator", "stage_key"]

WORD = (1 << 64) - 1
WORDS = 3  #: key words of a generator


def stage_key(seed: int, name: str, index: int, epoch: int = 0) -> tuple[int, int]:
    """The two 64-bit words that key one operator's Philox.

    blake2b-128 of the seed and the operator's index (8 bytes each, little-endian) and the node's name
    (UTF-8), read as two little-endian words. A run that begins at another pass than 0, or keeps passes apart,
    draws other numbers: then the number of the pass (8 bytes) stands before them.

    Args:
        seed: of the run; GraphError outside 0 … 2**64 - 1.
        name: of the stage's node in its graph.
        index: of the operator among the stage's operators.
        epoch: number of the pass.
    """
    if not 0 <= seed <= WORD:
        raise GraphError(f"seed is {seed!r}; wanted a whole number from 0 below 2**64")
    words = int(seed).to_bytes(8, "little") + index.to_bytes(8, "little")
    if epoch:
        words = epoch.to_bytes(8, "little") + words
    digest = hashlib.blake2b(words + name.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def generator(key: tuple[int, int], words: tuple[int, ...]) -> np.random.Generator:
    """The Philox generator of these key words: at most three of 64 bits; absent ones are 0.

    They are the upper words of the counter, so that each generator has 2**64 draws of its own.
    """
    if len(words) > WORDS:
        raise ValueError(f"{len(words)} key words; wanted at most {WORDS}")
    upper = [int(word) & WORD for word in words] + [0] * (WORDS - len(words))
    counter = np.array([0, *upper], dtype=np.uint64)
    keyed = Key(np.array(key, dtype=np.uint64))
    # numpy takes any ISeedSequence; its stubs know one kind.
    return np.random.Generator(np.random.Philox(keyed, counter=counter))  # type: ignore[arg-type]


class Key(ISeedSequence):
    """The key itself in the place of a seed: `Philox(key=)` asks the system for entropy that it never uses.

    That took two thirds of making a generator, and let go of Python's lock. `spawn` of such a generator is an
    error of numpy's, where it would have been keyed by that entropy.

    Args:
        words: (2,) uint64.
    """

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self.words = words

    def generate_state(self, n_words: int, dtype: object = np.uint32) -> NDArray[Any]:  # noqa: ARG002 - two of 64 bits
        """The key."""
        return self.words
