"""A JSON file that is there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from flowload.files.drafts import naming, sync_folder
from flowload.observe.json_values import plain

__all__ = ["Sheet", "checked", "open_sheet"]


class Sheet:
    """The content of a JSON file that is written when the command ends."""

    def __init__(self) -> None:
        self.content: Mapping[str, Any] | None = None

    def write(self, file: TextIO) -> None:
        """The content as JSON."""
        json.dump(plain(self.content), file, indent=2, allow_nan=False)
        file.write("\n")


@contextmanager
def open_sheet(path: Path | None) -> Iterator[Sheet]:
    """A sheet that is written to `path` on leaving, by rename; without content nothing is touched.

    A place that cannot be written to is found out at once, with OSError, not after hours of running.
    """
    sheet = Sheet()
    if path is None:
        yield sheet
    elif path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    elif path.exists() and not path.is_file():  # a device or a pipe: nothing to replace
        with opened_end(path) as file:
            yield sheet
            if sheet.content is not None:
                with naming(path):
                    sheet.write(file)
                    file.flush()
    else:
        yield from draft_of(path, sheet)


@contextmanager
def opened_end(path: Path) -> Iterator[TextIO]:
    """A device or a pipe, for writing. Raises OSError for a pipe that nobody reads, instead of waiting."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    os.set_blocking(fd, True)  # once it is open, a slow reader is waited for
    with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
        yield file


@contextmanager
def checked(sheet: AbstractContextManager[Sheet], option: str) -> Iterator[Sheet]:
    """A sheet; a place that cannot be written to is a mistake in the option."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(sheet)
        except OSError as error:
            raise click.UsageError(f"{option}: {error.strerror}") from error
        yield opened


def draft_of(path: Path, sheet: Sheet) -> Iterator[Sheet]:
    """Lend the sheet; then write it beside `path`, and let it take that name."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("x", encoding="utf-8") as file:
            yield sheet
            if sheet.content is None:
                return
            with naming(path):
                sheet.write(file)
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.absolute().parent)
    finally:
        draft.unlink(missing_ok=True)
