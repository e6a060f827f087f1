"""How many rows an LMDB database has, where nobody says: entries are counted, but not each may be a row."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flowload.errors import DataError, NoDataError

from .lmdb_keys import key_reader, key_writer

if TYPE_CHECKING:
    import lmdb

__all__ = ["count_rows"]

PROBED = 1024  #: rows that are looked for behind what seems to be the last; each takes about 1 us
TRIED = 64  #: rows, evenly apart, of which one must be there


def count_rows(where: str, transaction: lmdb.Transaction, database: Any, keys: str, count: int | None) -> int:
    """Rows of a database; some of them may have no key.

    Args:
        where: file and database.
        transaction: to ask.
        database: which.
        keys: how row numbers are written.
        count: what the user says; None: from row 0 to the greatest that has a key.

    Raises DataError where entries are no rows, or most rows would have none; NoDataError for none at all.
    """
    entries: int = transaction.stat(database)["entries"]
    if not entries:
        return 0
    known = Known(where, transaction, keys, entries)
    if count is None:
        return known.counted()
    if not any(map(known.has, {*range(0, count, max(1, count // TRIED)), count - 1})):
        raise known.error("no such keys", f"{known.write(0)!r} to {known.write(count - 1)!r}", none=True)
    return count


class Known:
    """What the keys of a database tell."""

    def __init__(self, where: str, transaction: lmdb.Transaction, keys: str, entries: int) -> None:
        self.where = where
        self.transaction = transaction
        self.write = key_writer(keys)
        self.read = key_reader(keys)
        self.entries = entries

    def has(self, row: int) -> bool:
        """Whether a row is there."""
        with suppress(struct.error):  # a number that is too large for such a key
            return self.transaction.get(self.write(row)) is not None
        return False

    def ends(self) -> tuple[bytes, bytes]:
        """The first and the last key as LMDB orders them."""
        cursor = self.transaction.cursor()
        cursor.first()
        first = bytes(cursor.key())
        cursor.last()
        return first, bytes(cursor.key())

    def counted(self) -> int:
        """From row 0 to the greatest. Raises DataError where that is not clear."""
        numbers = [self.entries - 1]
        for key in self.ends():
            row = None if self.read is None else self.read(key)
            if row is None and self.read is not None:
                raise self.error("keys that are no rows", f"keys of rows alone, such as {self.write(0)!r}")
            numbers.append(row or 0)
        if not self.has(0):
            raise self.error("missing key", f"{self.write(0)!r}, for row 0")
        last = max(numbers)
        while (more := self.last_of(last + 1)) is not None:
            last = more
        if not self.has(last):
            raise self.error("missing key", f"{self.write(last)!r}, for row {last}")
        if last + 1 > 2 * self.entries:
            raise self.error("most rows are missing", f"an entry for each row up to {last}")
        return last + 1

    def last_of(self, begin: int) -> int | None:
        """The greatest of some rows from `begin` on that is there."""
        return next((row for row in range(begin + PROBED - 1, begin - 1, -1) if self.has(row)), None)

    def error(self, reason: str, wanted: str, *, none: bool = False) -> DataError:
        """The error where no entry, or not every entry, is a row."""
        first, last = self.ends()
        found = f"{self.entries:,} entries, the first {first!r}, the last {last!r}"
        kind = NoDataError if none else DataError
        return kind(reason, where=self.where, found=found, wanted=f"{wanted}; or say count=")
