"""Whatever a library raises over somebody's data, as an error that names the place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flowload.errors import DataError, FlowloadError

__all__ = ["named_faults"]

LONG = 300  #: letters of a message that is passed on


@contextmanager
def named_faults(reason: str, where: str, wanted: str = "") -> Iterator[None]:
    """In `with named_faults("corrupt chunk", place):` an exception that is not ours becomes a DataError.

    Codecs, stores and their transports raise what they like: `lzma.LZMAError`, `struct.error`, botocore's and
    aiohttp's own, which have nothing in common but `Exception`. What is ours goes on as it is, and so do
    interrupts.
    """
    try:
        yield
    except FlowloadError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        told = told if len(told) <= LONG else f"{told[:LONG]} ..."
        raise DataError(reason, where=where, found=told, wanted=wanted) from error
