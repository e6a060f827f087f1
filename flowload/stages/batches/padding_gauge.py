"""How much of padded batches holds something: counted where they are made, shown as a gauge."""

from __future__ import annotations

import threading

from flowload.abc.records import Numbers, Padded, Table

__all__ = ["Padding"]


class Padding:
    """Places that hold something, and places in all; several threads may count at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.filled = 0
        self.places = 0
        self.asked: Table | None = None
        self.padded: Padded | None = None  #: that table, if its rows are padded

    def count(self, table: Table, rows: Numbers) -> None:
        """Count the batch of these rows, if they are padded."""
        padded = self.padded if table is self.asked else self.ask(table)
        self.add(None if padded is None else padded.padding(rows))

    def add(self, padding: tuple[int, int] | None) -> None:
        """Count places that hold something, and places in all; None: nothing is padded."""
        if padding is not None:
            with self.lock:
                self.filled += padding[0]
                self.places += padding[1]

    def ask(self, table: Table) -> Padded | None:
        """Whether its rows are padded; asked once a table, for it takes longer than to gather a few rows."""
        padded = table if isinstance(table, Padded) else None
        with self.lock:
            self.padded, self.asked = padded, table  # in this order: whoever finds the table finds both
        return padded

    def gauges(self) -> dict[str, float]:
        """`padding_efficiency`: the share of all places that holds something; nothing before the first."""
        with self.lock:
            return {"padding_efficiency": self.filled / self.places} if self.places else {}
