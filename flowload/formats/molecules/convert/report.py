"""What a converter did with the names in its source: which it used and ignored, and what it supposed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flowload.errors import DataError

__all__ = ["Told"]

NAMES = 1000  #: that are told apart; a source that calls everything otherwise must not fill the memory

LABELS = 1 << 16  #: words of a column

OTHERS = "(others)"


class Told:
    """Counts by name, in frames of XYZ, molecules of `.npz`, or groups of HDF5."""

    def __init__(self) -> None:
        self.used: dict[str, Counter[str]] = {}
        self.ignored: Counter[str] = Counter()
        self.supposed: Counter[str] = Counter()
        self.warned: Counter[str] = Counter()
        self.labels: dict[str, dict[str, int]] = {}  #: by column: words, numbered
        self.units: dict[str, tuple[str, str]] = {}  #: of energy, length ...: as the source says, and where

    def label(self, column: str, word: str) -> int:
        """The number that stands for a word in a column: words are counted as they come. Raises DataError."""
        known = self.labels.setdefault(column, {})
        if word not in known and len(known) >= LABELS:
            found, wanted = f"more than {LABELS:,} words", "one of few, such as the name of a method"
            raise DataError("too many labels", where=f"column {column}", found=found, wanted=wanted)
        return known.setdefault(word, len(known))

    def say_unit(self, what: str, word: str, where: str) -> None:
        """The source itself says in which unit something is. Raises DataError where that changes."""
        known = self.units.setdefault(what, (word, where))
        if known[0] != word:
            wanted = f"{shown(known[0])!r}, as {known[1]}"
            raise DataError(f"several units of {what}", where=where, found=repr(shown(word)), wanted=wanted)

    def use(self, what: str, name: str, count: int = 1) -> None:
        """Energies, forces, ... were taken from under a name."""
        add(self.used.setdefault(what, Counter()), name, count)

    def ignore(self, name: str, count: int = 1) -> None:
        """There was something of that name."""
        add(self.ignored, name, count)

    def suppose(self, words: str, count: int = 1) -> None:
        """Something was not said by the source, and taken for granted."""
        add(self.supposed, words, count)

    def warn(self, words: str, count: int = 1) -> None:
        """Something that a user should look at; it is logged once, too."""
        add(self.warned, words, count)

    def as_json(self) -> dict[str, Any]:
        """For a manifest."""
        return {
            "used": {what: dict(names) for what, names in self.used.items()},
            "ignored": dict(self.ignored),
            "supposed": dict(self.supposed),
            "warnings": dict(self.warned),
        }

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{what}: {listed(names)}" for what, names in self.used.items()]
        said += [f"{words}: {count:,}" for words, count in self.supposed.items()]
        said += [f"warning: {words}: {count:,}" for words, count in self.warned.items()]
        return [*said, f"ignored: {listed(self.ignored) or 'nothing'}"]


def add(counts: Counter[str], name: str, count: int) -> None:
    """Count, as long as names are few."""
    counts[name if name in counts or len(counts) < NAMES else OTHERS] += count


def listed(counts: Counter[str]) -> str:
    """Names with their counts; what is no letter is written out, so that no name commands a terminal."""
    return ", ".join(f"{shown(name)} ({count:,})" for name, count in counts.items())


def shown(name: str) -> str:
    """A name as people can read it."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= 60 else f"{text[:60]}..."
