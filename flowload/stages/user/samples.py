"""Samples that come one by one, stacked to blocks of many, so that nothing behind works sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.records import Fields
from flowload.blocks import Batch
from flowload.errors import DataError, GraphError
from flowload.stages.batches.arrays.buffer_layout import batch_bytes, split_lease
from flowload.stages.rows.given_arrays import as_array

__all__ = ["SAMPLES", "SampleStack", "named", "stack"]

SAMPLES = 256  #: of a block: a hop between stages, of 100 us at most, is then below 1 us a sample
BYTES = 4 << 20  #: of a block, where samples are large
ALONE = "x"  #: the key of a sample that is one array or number


def named(sample: Any) -> Mapping[str, Any]:
    """The values of a sample by key: of a tuple by their place, "0" and so on, or by its fields' names."""
    if isinstance(sample, Mapping):
        return sample
    if isinstance(sample, tuple | list):
        names: Sequence[str] = getattr(sample, "_fields", None) or [str(k) for k in range(len(sample))]
        return dict(zip(names, sample, strict=True))
    return {ALONE: sample}


def stack(samples: Iterable[Any], where: str) -> dict[str, NDArray[Any]]:
    """Samples as arrays, one row a sample. Raises DataError for unlike ones."""
    first: Fields | None = None
    columns: dict[str, list[NDArray[Any]]] = {}
    for number, sample in enumerate(samples):
        arrays = arrays_of(sample, f"{where}: sample {number}")
        first = first or fields_of(arrays)
        check(arrays, first, f"{where}: sample {number}")
        for key, array in arrays.items():
            columns.setdefault(key, []).append(array)
    return {key: np.stack(column) for key, column in columns.items()}


class SampleStack:
    """Copies samples, as they come, to the rows of a block: whoever gives them may use their memory again.

    Args:
        most: samples of a block; fewer where they are large.
        where: what messages call their source.
    """

    def __init__(self, most: int, where: str) -> None:
        self.most = most
        self.where = where
        self.number = 0  # of the next sample in its pass
        self.first: Fields | None = None  # of the first sample; all are like it
        self.rows = 0  # of a block
        self.out: dict[str, NDArray[Any]] = {}
        self.count = 0  # samples in it

    def adopt(self, first: Fields) -> None:
        """Take the fields of the first sample, and size the blocks by them."""
        self.first = first
        self.rows = max(1, min(self.most, BYTES // max(1, batch_bytes(first, 1))))

    def take(self, sample: Any, call: Call) -> Batch | None:
        """Take a sample; the block that is full with it. Raises DataError for one unlike the first."""
        where = f"{self.where}: sample {self.number}"
        arrays = arrays_of(sample, where)
        if self.first is None:
            self.adopt(fields_of(arrays))
        assert self.first is not None  # noqa: S101 - adopted
        check(arrays, self.first, where)
        if not self.out:
            self.out = split_lease(call.lease(batch_bytes(self.first, self.rows)), self.first, self.rows)
        for key, array in arrays.items():
            self.out[key][self.count] = array
        self.number += 1
        self.count += 1
        return self.rest() if self.count == self.rows else None

    def rest(self) -> Batch | None:
        """The samples taken since the last full block; None: there are none."""
        out, count = self.out, self.count
        self.out, self.count = {}, 0
        return Batch({key: array[:count] for key, array in out.items()}) if count else None


def arrays_of(sample: Any, where: str, hint: str = "or leave samples= out") -> dict[str, NDArray[Any]]:
    """The values of a sample as arrays, perhaps without an axis. Raises DataError with a way out."""
    values = named(sample)
    if not values:
        raise DataError(
            "an empty sample", where=where, found=type(sample).__name__, wanted="at least one value"
        )
    try:
        return {str(key): as_array(value, repr(key)) for key, value in values.items()}
    except GraphError as error:
        wanted = f"arrays and numbers; {hint}"
        raise DataError("not a sample", where=where, found=str(error), wanted=wanted) from error


def fields_of(arrays: NamedArrays) -> Fields:
    """Shapes and dtypes, in the machine's byte order."""
    return {key: (array.shape, array.dtype.newbyteorder("=")) for key, array in arrays.items()}


def check(arrays: NamedArrays, first: Fields, where: str) -> None:
    """Raise DataError unless a sample has the keys, shapes and dtypes of the first."""
    for key, array in arrays.items():
        wanted = first.get(key)
        if wanted is None or array.shape != wanted[0] or array.dtype.newbyteorder("=") != wanted[1]:
            break
    else:
        if len(arrays) == len(first):
            return
    hint = ""
    if any(dtype.kind in "US" for _, dtype in first.values()):
        hint = '; text needs one width: np.array(text, "U32")'
    raise DataError(
        "unlike samples",
        where=where,
        found=in_words(fields_of(arrays)),
        wanted=f"{in_words(first)}, as the first{hint}",
    )


def in_words(fields: Fields) -> str:
    """Keys, dtypes and shapes."""
    return ", ".join(f"{key} {dtype}{list(shape)}" for key, (shape, dtype) in fields.items())
