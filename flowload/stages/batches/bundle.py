"""Several small batches as one block: what a block costs beside its bytes is then paid once for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowload.abc.operators import NamedArrays
from flowload.blocks import Batch, Bundle

__all__ = ["MOST", "SWIFT", "TARGET", "bundle", "how_many"]

TARGET = 2 << 20  #: bytes of a bundle, at most, where it is more than one batch: made in little time
SWIFT = 12 << 20  #: and where kernels make it from what lies in memory
MOST = 64  #: batches of a bundle


def how_many(nbytes: int, *, swift: bool) -> int:
    """Batches of so many bytes that go together; `swift` as in `record_powers.Bulk`."""
    return max(1, min(MOST, (SWIFT if swift else TARGET) // max(1, nbytes)))


def bundle(arrays: NamedArrays, size: int, whole: Mapping[str, Any]) -> Bundle:
    """Batches of `size` rows of these arrays, each with `whole` beside them; all are whole batches."""
    nbytes = sum(array.nbytes for array in arrays.values())
    samples = len(next(iter(arrays.values())))
    return Bundle(tuple(parts(arrays, size, dict(whole))), nbytes, samples)


def parts(arrays: NamedArrays, size: int, whole: dict[str, Any]) -> Iterator[Batch]:
    """The arrays cut along their rows: a step of numpy's own iterator costs half of a slice."""
    cut = [array.reshape(len(array) // size, size, *array.shape[1:]) for array in arrays.values()]
    more = False
    for rows in zip(*cut, strict=True):
        yield Batch(dict(zip(arrays, rows, strict=True)), whole, more)
        more = True
