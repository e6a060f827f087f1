"""Anything with a length that gives samples by number, as records: torch's and Hugging Face's data sets, too.

Its code runs under Python's own lock, one sample after the other, and by one thread at a time: most data sets
have a file handle that two threads would move under each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from operator import index
from typing import Any, ClassVar

import numpy as np

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.record_powers import Uniform
from flowload.abc.records import Fields, Numbers
from flowload.blocks import Batch, Items
from flowload.errors import DataError, FlowloadError, GraphError
from flowload.stages.user.samples import arrays_of, check, fields_of

from .given_arrays import library

__all__ = ["CollatedTable", "Dataset", "SampleTable", "is_dataset"]

Collate = Callable[[list[Any]], Any]


def is_dataset(given: object) -> bool:
    """Whether it has a length and gives samples by number."""
    return hasattr(given, "__len__") and (hasattr(given, "__getitem__") or hasattr(given, "__getitems__"))


class Dataset:
    """Samples by number, 0 to len - 1, as records; compared by identity.

    Args:
        samples: has `__len__` and `__getitem__`, or `__getitems__`, which is given several numbers at once.
        collate: makes the batch of a list of samples, such as `torch.utils.data.default_collate`; a dict
            of arrays, or anything else. None: samples are dicts, tuples, arrays or numbers, all alike, and
            are copied to arrays with one row a sample.

    Raises GraphError for what is no data set.
    """

    name: ClassVar[str] = "dataset"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = ("samples",)

    def __init__(self, samples: Any, collate: Collate | None = None) -> None:
        if not is_dataset(samples):
            raise GraphError(
                f"rows: {type(samples).__name__} has no length, or gives no samples by number; wanted an"
                " object with __len__ and __getitem__; for what only iterates there is fl.source"
            )
        if collate is not None and not callable(collate):
            raise GraphError(f"rows: collate is {collate!r}; wanted a function of a list of samples")
        self.samples = samples
        self.collate = collate
        self.lock = threading.Lock()  #: of all runs: each opens it for itself, and asks the same object

    def __reduce__(self) -> tuple[object, ...]:
        return Dataset, (self.samples, self.collate)

    def __repr__(self) -> str:
        return f"Dataset({type(self.samples).__name__})"

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the first sample says
        """Not known before a sample was looked at."""
        return {}

    def open(self) -> SampleTable | CollatedTable:
        """Nothing is asked before it is needed."""
        fetch = Fetch(self.samples, self.lock)
        return SampleTable(fetch) if self.collate is None else CollatedTable(fetch, self.collate)


class Fetch:
    """Asks a data set for samples: one thread at a time, all of a call at once where it can."""

    def __init__(self, samples: Any, lock: threading.Lock) -> None:
        self.samples = samples
        self.lock = lock
        self.where = type(samples).__name__
        # Hugging Face's give columns of numpy arrays, unless the user has set a function that makes samples.
        plain = library(samples) == "datasets" and getattr(samples, "format", {}).get("type") != "custom"
        self.columns: Any = samples.with_format("numpy") if plain else None

    def __len__(self) -> int:
        return index(len(self.samples))

    def many(self, rows: Numbers) -> Sequence[Any]:
        """Samples, in the order of their numbers. What the data set raises gets a note."""
        with self.lock:
            several = getattr(self.samples, "__getitems__", None)
            if several is None:
                return [self.one(row) for row in rows.tolist()]
            try:
                found: Sequence[Any] = several(rows.tolist())
            except Exception as error:
                error.add_note(f"in {self.where}.__getitems__ of {len(rows)} samples, the first {rows[0]}")
                raise
        if len(found) != len(rows):
            raise DataError(
                "another number of samples",
                where=f"{self.where}.__getitems__",
                found=f"{len(found)}",
                wanted=f"the {len(rows)} that were asked for",
            )
        return found

    def one(self, row: int) -> Any:
        """One sample. What the dataset raises is noted with its row; an IndexError becomes a DataError."""
        try:
            return self.samples[row]
        except Exception as error:
            error.add_note(f"in {self.where}[{row}]")
            if isinstance(error, IndexError | StopIteration):  # not the end of anything
                raise DataError("no such sample", where=f"{self.where}[{row}]", found=str(error)) from error
            raise


class SampleTable(Uniform):
    """Samples that are alike: those of the first."""

    layouts: Sequence[str] = Dataset.layouts

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.looking = threading.Lock()
        self.seen: Fields | None = None

    @property
    def like(self) -> Fields:
        """What the first sample is like; it is looked at once. Raises DataError."""
        with self.looking:
            if self.seen is None:
                first, where = np.zeros(1, np.int64), f"{self.fetch.where}[0]"
                plain = self.fetch.columns is not None
                sample = self.columns(first, {}) if plain else self.fetch.many(first)[0]
                arrays = arrays_of(sample, where, OUT)
                self.seen = {
                    key: (shape[1:] if plain else shape, dtype)
                    for key, (shape, dtype) in fields_of(arrays).items()
                }
            return self.seen

    def __len__(self) -> int:
        return len(self.fetch)

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """Those of the first sample."""
        return self.like

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Copy the samples. Raises DataError for one that is unlike the first."""
        if self.fetch.columns is not None:
            for key, column in self.columns(rows, self.like).items():
                np.copyto(out[key], column, casting="no")
            return {}
        for begin in range(0, len(rows), AT_ONCE):
            call.go_on()
            part = rows[begin : begin + AT_ONCE]
            for place, sample in enumerate(self.fetch.many(part), begin):
                where = f"{self.fetch.where}[{rows[place]}]"
                arrays = arrays_of(sample, where, OUT)
                check(arrays, self.like, where)
                for key, array in arrays.items():
                    out[key][place] = array
        return {}

    def columns(self, rows: Numbers, like: Fields) -> NamedArrays:
        """Columns of a Hugging Face data set, with these fields if some are known. Raises DataError."""
        with self.fetch.lock:
            found = self.fetch.columns[rows.tolist()]
        columns = {key: np.asarray(column) for key, column in found.items()}
        for key, column in columns.items():
            wanted = like.get(key)
            shown = column.dtype, column.shape[1:]
            if column.dtype.hasobject or (wanted is not None and shown != (wanted[1], wanted[0])):
                raise DataError(
                    "unlike samples",
                    where=f"{self.fetch.where}: {key!r}, rows {rows[0]} ...",
                    found=f"{column.dtype}{list(column.shape[1:])}",
                    wanted=f"numbers of one shape and dtype in every sample; {OUT}",
                )
        return columns

    def describe(self, row: int) -> str:
        """The data set's kind, and the number."""
        return f"{self.fetch.where}[{row}]"

    def close(self) -> None:
        """It is the user's."""


class CollatedTable:
    """Samples of which a function of the user's makes batches; see `record_powers.Collating`."""

    layouts: Sequence[str] = Dataset.layouts

    def __init__(self, fetch: Fetch, collate: Collate) -> None:
        self.fetch = fetch
        self.function = collate

    def __len__(self) -> int:
        return len(self.fetch)

    def usable(self, rows: Numbers, call: Call) -> Numbers:  # noqa: ARG002 - it shows when they are read
        """All rows: a bad one shows only when it is read."""
        return rows

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the function says
        """Nothing: what a batch holds is known only when the function has made it."""
        return {}

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Never called: see `collated`."""
        raise FlowloadError("batches of these rows are made by collate= alone")

    def collated(self, rows: Numbers) -> Batch | Items:
        """What the function makes of these samples; a dict whose arrays have one row a sample is a batch."""
        made = self.function(list(self.fetch.many(rows)))
        if made is None:
            raise DataError("None for a batch", where="collate", wanted="a return")
        if isinstance(made, dict):
            own = {key: value for key, value in made.items() if first_axis(value) == len(rows)}
            if own:
                return Batch(own, {key: value for key, value in made.items() if key not in own})
        return Items(made, len(rows))

    def describe(self, row: int) -> str:
        """The data set's kind, and the number."""
        return f"{self.fetch.where}[{row}]"

    def close(self) -> None:
        """It is the user's."""


AT_ONCE = 64  #: samples between two looks whether anybody still waits

OUT = "fl.rows(data, collate=function) makes batches of anything"


def first_axis(value: Any) -> int | None:
    """Rows of an array or a tensor; None for anything else."""
    shape: Sequence[int] = getattr(value, "shape", ()) if hasattr(value, "dtype") else ()
    return shape[0] if shape else None
