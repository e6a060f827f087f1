"""How much of padded batches holds something: counted where they are made, shown as a gauge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from flowload.abc.records import LayoutTable, Numbers

__all__ = ["PaddingGauge"]

Measure: TypeAlias = Callable[[Numbers], tuple[int, int]]


class PaddingGauge:
    """Places that hold something, and places in all; several threads may count at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.filled = 0
        self.places = 0
        self.asked: LayoutTable | None = None
        self.padding: Measure | None = None  #: of that table, if its rows are padded

    def count(self, table: LayoutTable, rows: Numbers) -> None:
        """Count the batch of these rows, if they are padded."""
        padding = self.padding if table is self.asked else self.ask(table)
        self.add(None if padding is None else padding(rows))

    def add(self, padding: tuple[int, int] | None) -> None:
        """Count places that hold something, and places in all; None: nothing is padded."""
        if padding is not None:
            with self.lock:
                self.filled += padding[0]
                self.places += padding[1]

    def ask(self, table: LayoutTable) -> Measure | None:
        """What measures its padding, if it is padded: see `Sized`."""
        padding: Measure | None = getattr(table, "padding", None)
        with self.lock:
            self.padding, self.asked = padding, table  # in this order: whoever finds the table finds both
        return padding

    def gauges(self) -> dict[str, float]:
        """`padding_efficiency`: the share of all places that holds something; nothing before the first."""
        with self.lock:
            return {"padding_efficiency": self.filled / self.places} if self.places else {}
