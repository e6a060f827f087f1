"""The tables of the records upstream of a stage, for a fold that was restored and holds rows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowload.abc.adapted import full_table
from flowload.abc.operators import Setting
from flowload.abc.records import LayoutRecords, LayoutTable, Picks
from flowload.blocks import Rows
from flowload.errors import GraphError
from flowload.files.regular import refused

__all__ = ["ReopenedTables", "lacking", "open_table", "own_records"]


def own_records(setting: Setting) -> list[LayoutRecords]:
    """The records that declarations upstream were given, nearest first."""
    given = (getattr(stage, "records", None) for stage in setting.upstream)
    return [records for records in given if isinstance(records, LayoutRecords)]


def open_table(records: LayoutRecords) -> LayoutTable:
    """The table of records. Raises DataError, also for what the operating system says of a file."""
    try:
        return full_table(records.open(), records.name)
    except OSError as error:
        raise refused(error, str(error.filename or repr(records))) from error


def lacking(setting: Setting) -> str | None:
    """Why ranks may get different numbers of rows that are read: some are left out for what they lack."""
    skip = any(getattr(records, "missing", None) == "skip" for records in own_records(setting))
    return "missing='skip' leaves out what was never stored" if skip else None


class ReopenedTables:
    """Names tables by number in a state; opens one anew only where no block brings it.

    Args:
        known: the records upstream, nearest first.
    """

    def __init__(self, known: Sequence[LayoutRecords]) -> None:
        self.known = list(known)
        self.opened: dict[int, LayoutTable] = {}

    @classmethod
    def before(cls, setting: Setting) -> ReopenedTables:
        """The tables of the records upstream of a stage."""
        return cls(own_records(setting))

    def number(self, block: Rows) -> int:
        """Which records a block refers to."""
        # By identity: equality of what a user wrote may be anything.
        return next((k for k, records in enumerate(self.known) if records is block.records), 0)

    def block(self, number: int, picks: Picks, near: Rows | None) -> Rows:
        """Rows of the records of this number; of the table of a block near by, where it is theirs."""
        if near is not None and self.number(near) == number:
            return replace(near, picks=picks)
        return Rows(self.find(number), picks, self.known[number])

    def find(self, number: int) -> LayoutTable:
        """The table of these records; opened once."""
        if number >= len(self.known):
            raise GraphError("the state names rows, and no stage upstream has their records")
        if number not in self.opened:
            self.opened[number] = open_table(self.known[number])
        return self.opened[number]

    def close(self) -> None:
        """Close what was opened here."""
        for table in self.opened.values():
            table.close()
        self.opened.clear()
