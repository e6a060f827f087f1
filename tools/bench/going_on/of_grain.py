"""Grain: ArrayRecord files, `MapDataset`, shuffled and repeated, read by `mp_prefetch`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grain
import numpy as np
from absl import flags
from array_record.python.array_record_module import ArrayRecordWriter

from .setting import EPOCHS, Numbers, Place

__all__ = ["open", "rows", "settings", "write"]


def write(folder: Path, numbers: Numbers, each: int) -> None:
    """Records one by one, so that any can be read alone."""
    for first in range(0, len(numbers), each):
        writer = ArrayRecordWriter(str(folder / f"{first // each:03d}.array_record"), "group_size:1")
        for number in numbers[first : first + each]:
            writer.write(number.tobytes())
        writer.close()


def number_of(record: bytes) -> Any:
    """Of a record."""
    return np.frombuffer(record, np.int64)[0]


def rows(place: Place) -> Any:
    """All rows of all epochs, each epoch in another order."""
    files = sorted(map(str, Path(place.folder).glob("*.array_record")))
    source = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(files))
    return source.map(number_of).seed(0).shuffle().repeat(EPOCHS)


def settings(place: Place) -> Any:
    """As many processes."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["bench"])
    return grain.MultiprocessingOptions(num_workers=place.workers)


class Rows:
    """An iterator of Grain's."""

    def __init__(self, reader: Any, state: Any) -> None:
        self.reader = reader
        if state is not None:
            reader.set_state(state)

    def __iter__(self) -> Iterator[Iterable[int]]:
        for batch in self.reader:
            yield np.asarray(batch).tolist()

    def state(self) -> Any:
        """Of the iterator."""
        return self.reader.get_state()


def open(place: Place, state: Any) -> Rows:  # noqa: A001 - what it does
    """Every rank has each so many-th row."""
    share = rows(place)[place.rank :: place.world].batch(place.share)
    return Rows(iter(share.to_iter_dataset().mp_prefetch(settings(place))), state)
