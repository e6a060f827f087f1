"""Damage to bytes, as disks, networks and people with bad intentions do it: deterministic by seed.

What is wanted of a reader of `mutants(valid, count=300, seed=1)` says `survives`.
"""

from __future__ import annotations

import resource
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from flowload.errors import FlowloadError

__all__ = ["bounded_memory", "mutants", "survives"]

#: Values that readers trip over, as bytes: borders of integers, NaN and infinities, as numbers and as text.
TELLING = (
    *(value.to_bytes(width, "little") for width in (1, 2, 4, 8) for value in (0, 1, (1 << 8 * width) - 1)),
    *(((1 << 8 * width - 1) + k).to_bytes(width, "little") for width in (2, 4, 8) for k in (-1, 0)),
    *(np.array(value, kind).tobytes() for value in (np.nan, np.inf, -1.0) for kind in ("<f4", "<f8")),
    *(b"-1", b"9" * 30, b"nan", b"1e999", b"\0", b"\n", b"\x1b[31m", b"\xff\xfe", "\u0661".encode()),
)

Change = Callable[[bytearray, np.random.Generator], None]


def flip(data: bytearray, rng: np.random.Generator) -> None:
    """One bit becomes the other."""
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))


def overwrite(data: bytearray, rng: np.random.Generator) -> None:
    """A telling value stands where something else stood."""
    value = TELLING[rng.integers(len(TELLING))]
    at = int(rng.integers(len(data)))
    data[at : at + len(value)] = value


def insert(data: bytearray, rng: np.random.Generator) -> None:
    """A telling value comes between."""
    at = int(rng.integers(len(data) + 1))
    data[at:at] = TELLING[rng.integers(len(TELLING))]


def remove(data: bytearray, rng: np.random.Generator) -> None:
    """A short stretch is gone."""
    at = int(rng.integers(len(data)))
    del data[at : at + int(rng.integers(1, 17))]


def truncate(data: bytearray, rng: np.random.Generator) -> None:
    """The end is gone."""
    del data[int(rng.integers(len(data))) :]


def repeat(data: bytearray, rng: np.random.Generator) -> None:
    """A stretch stands there twice."""
    first, end = sorted(int(k) for k in rng.integers(len(data) + 1, size=2))
    stretch = bytes(data[first : min(end, first + 4096)])
    data[first:first] = stretch


def blank(data: bytearray, rng: np.random.Generator) -> None:
    """A block of zeros, as of a disk that lost it."""
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 513))
    stretch = len(data[at : at + size])
    data[at : at + stretch] = bytes(stretch)


CHANGES: Sequence[Change] = (flip, flip, overwrite, overwrite, insert, remove, truncate, repeat, blank)


def mutants(valid: bytes, *, count: int, seed: int, first: int | None = None) -> Iterator[bytes]:
    """Damaged copies of valid bytes; the same for the same seed.

    Args:
        valid: what a reader accepts.
        count: how many.
        seed: of the changes.
        first: bytes at the beginning, such as a header, that every second mutant is damaged in.
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    for number in range(count):
        head = len(valid) if first is None or number % 2 else min(first, len(valid))
        data, rest = bytearray(valid[:head]), valid[head:]
        for _ in range(int(rng.integers(1, 5))):
            if data:
                CHANGES[int(rng.integers(len(CHANGES)))](data, rng)
        yield bytes(data) + rest


def survives(read: Callable[[], object], what: str) -> bool:
    """Whether a read came to its end; False: a FlowloadError said what is wrong.

    Anything else fails the test.
    """
    try:
        read()
    except FlowloadError as error:
        if not str(error).strip():
            raise AssertionError(f"{what}: an error without a word") from error
        return False
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        raise AssertionError(f"{what}: {type(error).__name__} instead of a FlowloadError\n{told}") from error
    return True


@contextmanager
def bounded_memory(nbytes: int) -> Iterator[None]:
    """In `with bounded_memory(n):` this process may take so many bytes of addresses more than it has now.

    Only for a process of one's own: threads that begin meanwhile need room for their stacks.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - no path of ours
        pages = int(statm.read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + nbytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
