"""How much of padded batches holds something: counted where they are made, shown as a gauge."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from flowload.abc.record_powers import Padding
from flowload.abc.records import LayoutTable, Numbers

__all__ = ["PaddingGauge"]

Padded: TypeAlias = Padding | tuple[int, int]
Measure: TypeAlias = Callable[[Numbers, Mapping[str, Any]], Padded]


class PaddingGauge:
    """Places that hold something, and places in all; several threads may count at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.filled = 0
        self.places = 0
        self.parts: dict[str, tuple[int, int, int]] = {}  #: see `Padding`
        self.counts: Counter[str] = Counter()
        self.asked: LayoutTable | None = None
        self.padding: Measure | None = None  #: of that table, if its rows are padded

    def count(self, table: LayoutTable, rows: Numbers, whole: Mapping[str, Any]) -> None:
        """Count the batch of these rows, and of what goes with it, if they are padded."""
        padding = self.padding if table is self.asked else self.ask(table)
        self.add(None if padding is None else padding(rows, whole))

    def add(self, padding: Padded | None) -> None:
        """Count places that hold something, and places in all; None: nothing is padded."""
        if padding is None:
            return
        with self.lock:
            self.filled += padding[0]
            self.places += padding[1]
            if isinstance(padding, Padding):
                self.counts.update(padding.counts)
                for name, more in padding.parts.items():
                    batches, filled, places = self.parts.get(name, (0, 0, 0))
                    self.parts[name] = batches + more[0], filled + more[1], places + more[2]

    def ask(self, table: LayoutTable) -> Measure | None:
        """What measures its padding, if it is padded: see `Sized`."""
        padding: Measure | None = getattr(table, "padding_of", None)
        alone: Callable[[Numbers], Padded] | None = getattr(table, "padding", None)
        if padding is None and alone is not None:
            padding = partial(without_whole, alone)
        with self.lock:
            self.padding, self.asked = padding, table  # in this order: whoever finds the table finds both
        return padding

    def gauges(self) -> dict[str, float]:
        """`padding_efficiency`: the share of all places that holds something; nothing before the first.

        And the same by slot, where there are several, with how many batches have it.
        """
        with self.lock:
            found = {"padding_efficiency": self.filled / self.places} if self.places else {}
            for name, (batches, filled, places) in sorted(self.parts.items(), key=by_number):
                found[f"padding_efficiency_{name}"] = filled / places if places else 1.0
                found[f"batches_{name}"] = batches
            return {**found, **self.counts}


def without_whole(measure: Callable[[Numbers], Padded], rows: Numbers, whole: object) -> Padded:  # noqa: ARG001
    """What depends on the rows alone."""
    return measure(rows)


def by_number(part: tuple[str, object]) -> tuple[str, int]:
    """What "60_atoms" is sorted by: 5 before 20."""
    number, _, unit = part[0].partition("_")
    return unit, int(number) if number.isdecimal() else 0
