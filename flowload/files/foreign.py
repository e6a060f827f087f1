"""What other people's libraries raise over bytes that they do not understand, as the one error we have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flowload.errors import DataError, FlowloadError

__all__ = ["foreign"]

WORDS = 300  #: characters of a library's message that are kept: some quote all that they were given


@contextmanager
def foreign(reason: str, where: str) -> Iterator[None]:
    """Around calls of a library: whatever it raises becomes a DataError with its place.

    Readers of damaged files raise what their authors did not foresee, from `struct.error` to `MemoryError`
    for a size that a flipped bit made: no list of them is ever whole. Put nothing of our own inside: its
    mistakes would look like the data's.

    Args:
        reason: what the file then is, such as "bad .npz".
        where: file and member.
    """
    try:
        yield
    except FlowloadError:
        raise
    except Exception as error:
        said = str(error)[:WORDS] or type(error).__name__
        raise DataError(reason, where=where, found=said) from error
