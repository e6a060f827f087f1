"""What the files of an opened table were, for states: known even when the table is closed."""

from __future__ import annotations

from typing import Any

from flowload.abc.records import LayoutTable
from flowload.files.fingerprint import Fingerprint, names_below, of_documents, of_files
from flowload.files.objects.place import is_place
from flowload.stages.batches.arrays.gather import guard_of

__all__ = ["PrintedFiles"]


class PrintedFiles:
    """Notes which files a table reads when it was opened; looks into them when a state is written."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.documents: dict[str, bytes] = {}  #: of a store, by URL
        self.amount: dict[str, Any] | None = None  #: of the table; None: it was not opened yet
        self.printed: Fingerprint | None = None

    def of(self, table: LayoutTable, **amount: Any) -> None:
        """Note the files of a table, and how much there is in it, by name."""
        guard = guard_of(table)
        self.paths = sorted({*guard.read, *guard.mapped, *guard.copied})
        self.documents = dict(sorted(guard.noted.items()))
        self.amount = amount
        if any(map(is_place, self.paths)):  # links to objects, which go with the table
            self.fingerprint()

    def fingerprint(self) -> Fingerprint | None:
        """What they are; None before the table was opened. Raises OSError."""
        if self.printed is None and self.amount is not None:
            files = of_files(self.paths, names_below(self.paths)) if self.paths else {}
            if self.documents:
                told = of_documents(list(self.documents.values()), names_below(list(self.documents)))
                files = {**files, "documents": told} if files else told
            self.printed = {**self.amount, **files}
        return self.printed
