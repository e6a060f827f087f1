"""Text that people and logs read: what a terminal would obey, or what hides or reorders text, as escapes.

File names, members of archives, reasons of users and texts of exceptions may hold anything: colour codes,
commands for the clipboard, line breaks that forge a line of a log. `printable` is for whatever is shown;
JSON needs none of it, for it has escapes of its own.

An object of a store lies in a cache under a path that nobody knows it by: what is shown is its URL.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote

__all__ = ["LOGGERS", "PrintableLines", "filter_logs", "printable", "text_of"]

LOGGERS = ("flowload", "flowload.progress")  #: a filter is asked by its own logger alone, not by those above

#: Letters of some languages and pictures are written with these two, which are nothing by themselves.
JOINERS = "\u200c\u200d"

CACHE = "/objects=1/"
#: The path of an object in a cache, up to its name: see `flowload.files.objects.place`.
CACHED = re.compile(
    rf"(?:^|(?<=[\s'\"(]))(?:/(?:(?!\s/).)*?)?{CACHE}(\w+)/((?:[^/\n]+/)*?)[0-9a-f]{{16}}=\d+/"
)


def printable(text: str, keep: str = "") -> str:
    r"""A text with everything that does not print as the escape that Python has for it; idempotent.

    Letters, signs and blanks of every language stay as they are. Control characters, line breaks, marks of
    direction, and what is no character at all do not.

    Args:
        text: of anybody.
        keep: characters that are kept all the same, such as "\n" of a text of several lines.

    Examples:
        >>> printable("evil\x1b[2J.gz")
        'evil\\x1b[2J.gz'
        >>> printable("read: /cache/objects=1/s3/bucket/run%201/0123456789abcdef=512/x.tar: no chunks")
        'read: s3://bucket/run 1/x.tar: no chunks'
    """
    if CACHE in text:
        text = CACHED.sub(url_of, text)
    if text.isprintable():
        return text
    return "".join(c if c in keep or shows(c) else repr(c)[1:-1] for c in text)


def url_of(path: re.Match[str]) -> str:
    """The URL of what lies in a folder of a cache."""
    folders = ["" if folder == "%" else unquote(folder) for folder in path[2].split("/")]
    return f"{path[1]}://{'/'.join(folders)}"


def text_of(error: BaseException, how: Callable[[object], str] = str) -> str:
    """What an error of somebody else says of itself; its class where its own `__str__` fails.

    Args:
        error: of anybody.
        how: `str` or `repr`.
    """
    with suppress(Exception):
        return how(error)
    return f"<{type(error).__name__}, whose text cannot be had>"


def shows(character: str) -> bool:
    """Whether a character is itself to whoever reads it."""
    return (
        character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"
    )  # wide and unbreakable blanks


class PrintableLines(logging.Filter):
    """Makes a logger's lines printable, whatever handler has them; a traceback keeps its line breaks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change what has to be changed; always True."""
        message = record.getMessage()
        shown = printable(message)
        if shown != message:
            record.msg, record.args = shown, None
        if record.exc_info and not record.exc_text:
            told = logging.Formatter().formatException(record.exc_info)
            record.exc_text = printable(told, keep="\n")
        return True


def filter_logs() -> None:
    """Make all that flowload logs printable."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(LINES)


LINES = PrintableLines()
