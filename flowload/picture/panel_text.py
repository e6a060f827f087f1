"""The details of a run or a stage as lines of letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowload.picture.scene.panel import Section
from flowload.picture.svg.marks import crop, fold

from .terminal import Line, Piece

__all__ = ["panel_lines"]


def panel_lines(sections: Sequence[Section], width: int, *, brief: str = "") -> list[Line]:
    """Every section under its title.

    Args:
        sections: see `Section`.
        width: columns.
        brief: of a run: its ledger in a line, which stands for the table of it.
    """
    made: list[Line] = (
        [[Piece(crop(words, width, 1), "")] for words in fold(brief, width, 1)] if brief else []
    )
    for section in sections:
        if brief and section["kind"] in ("ledger",):
            continue
        lines = list(lines_of(section, width))
        if brief and not lines:
            continue
        if section["title"]:
            made.append([Piece(crop(section["title"], width, 1), "dim")])
        if section["kind"] != "calls":  # whose numbers follow as pairs
            made += lines or [[Piece("nothing" if section["title"] != "warnings" else "none", "dim")]]
    return made


def lines_of(section: Section, width: int) -> Iterator[Line]:
    """The rows of a section."""
    for row in section["rows"]:
        if section["kind"] == "pairs":
            yield pair(str(row[0]), str(row[1]), width)
        elif section["kind"] == "ledger":
            name, out, lost, held, missing, why = row
            books = "✓" if not missing else f"{missing:+,} {why}"
            told = f"{out:>8} {lost:>10} {held:>8}  {books}"
            role = "hot" if missing and why == "wrong" else "dim" if missing else "good"
            yield [
                Piece(f"{crop(str(name), max(4, width - len(told) - 1), 1)}"),
                *right(told, str(name), width, role),
            ]
        elif section["kind"] == "lines":
            yield from ([Piece(words, "hot" if row[1] else "")] for words in fold(str(row[0]), width, 1))
        elif section["kind"] == "calls":
            continue  # its numbers follow as pairs
        else:
            yield from ([Piece(words, "dim")] for words in fold(str(row[0]), width, 1))


def pair(name: str, value: str, width: int) -> Line:
    """A name on the left, a value on the right."""
    value = crop(value, max(8, width - 10), 1)
    name = crop(name, max(4, width - len(value) - 2), 1)
    return [Piece(name, "dim"), Piece(" " * max(1, width - len(name) - len(value)) + value)]


def right(told: str, name: str, width: int, role: str) -> list[Piece]:
    """Numbers at the right edge, the last word in its colour."""
    space = max(1, width - len(crop(name, max(4, width - len(told) - 1), 1)) - len(told))
    numbers, books = told.rsplit("  ", 1)
    return [Piece(" " * space + numbers + "  "), Piece(books, role)]
