"""A run in a file: its moments, small and bounded, to be looked at and compared afterwards.

The file is gzip of lines of JSON: first what was run and how it ended, then a moment a line. The older, the
fewer moments are kept (see `tape`), so that a recording of any length is a few hundred kilobytes.
"""

from __future__ import annotations

import gzip
import json
import os
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from flowload.errors import DataError
from flowload.files.drafts import naming, sync_folder
from flowload.observe.json_values import plain
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.scene.rails_json import rails_from, rails_json

from .feed import Seen
from .sampler import Sampler
from .tape import Kept

__all__ = ["FileRun", "Recorder", "Recording", "read_recording"]

VERSION = 1
SAVED = 60.0  #: seconds between two savings while a run goes on
MOST = 256 << 20  #: bytes of what a recording unpacks to
NUMBERS = (int, float)


class Recorder(Sampler):
    """While inside, a run is recorded; the file is there from the first minute on, and whole at every moment.

    Args:
        run: what is recorded.
        title: what it is called.
        path: the file, which is replaced.
    """

    def __init__(self, run: Seen, title: str, path: Path) -> None:
        super().__init__(run, title)
        self.path = path
        self._saved = monotonic()
        self._saving = threading.Lock()

    def __exit__(self, *why: Any) -> None:
        super().__exit__(*why)
        self.save()

    def looked(self) -> None:
        """Save now and then: a process that is killed leaves what there was."""
        if monotonic() - self._saved > SAVED:
            self.save()

    def save(self) -> None:
        """Write beside the path, then take its name. Raises OSError that names the file."""
        feed = self.feed
        if feed.rails is None:
            return
        head = {
            "flowload": "recording",
            "version": VERSION,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "title": feed.title,
            "rails": rails_json(feed.rails),
            "stats": plain(feed.past[-1].as_json()) if feed.past else {},
        }
        lines = [json.dumps(head, ensure_ascii=False).encode(), *feed.tape.moments()]
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        with self._saving:
            try:
                with naming(self.path):
                    made = gzip.compress(b"\n".join(lines) + b"\n", 5, mtime=0)
                    with draft.open("xb") as file:
                        file.write(made)
                        file.flush()
                        os.fsync(file.fileno())
                draft.replace(self.path)
                sync_folder(self.path.absolute().parent)
            finally:
                draft.unlink(missing_ok=True)
            self._saved = monotonic()


@dataclass(frozen=True)
class Recording:
    """A run that was recorded."""

    path: Path
    title: str
    at: str  #: when it was written
    rails: Rails
    stats: Mapping[str, Any]  #: the last, as `RunStats.as_json()` gives them
    moments: tuple[Moment, ...]


def read_recording(path: Path) -> Recording:
    """A recording from its file. Raises DataError for what is none, OSError for what cannot be read."""
    where = str(path)
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(MOST + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError("no recording", where=where, found=str(error), wanted="a file of --record") from error
    if len(content) > MOST:
        raise DataError("too large", where=where, found=f"more than {MOST} bytes", wanted="a recording")
    try:
        lines = [json.loads(line) for line in content.splitlines()]
        head, moments = lines[0], lines[1:]
        if head["flowload"] != "recording" or head["version"] != VERSION:
            raise DataError(
                "of another kind",
                where=where,
                found=f"{head['flowload']!r}, version {head['version']!r}",
                wanted=f"a recording of version {VERSION}",
            )
        rails = rails_from(head["rails"])
        if rails is None or not moments:
            raise DataError("empty", where=where, found="no moment", wanted="a recording of a run")
        for moment in moments:
            check_moment(moment, rails)
        return Recording(
            path, str(head["title"]), str(head["at"]), rails, dict(head["stats"]), tuple(moments)
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise DataError("damaged", where=where, found=told, wanted="a recording as it was written") from error


def check_moment(moment: Any, rails: Rails) -> None:
    """See that a moment is drawn without surprises. Raises ValueError, LookupError or TypeError."""
    cells, queues = moment["cells"], moment["queues"]
    if (
        not isinstance(moment["at"], NUMBERS)
        or len(cells) != len(rails.rows)
        or len(queues) != len(rails.links)
    ):
        raise ValueError("a moment that is not of this graph")
    for cell in cells:
        numbers = [cell["rate"], cell["full"], *cell["time"]]
        words = [cell[name] for name in ("out", "late", "run", "lost", "note", "queue", "mark", "speaks")]
        if len(numbers) != 8 or not all(isinstance(number, NUMBERS) for number in numbers):
            raise ValueError("a row whose numbers are none")
        if not all(isinstance(word, str) for word in words):
            raise ValueError("a row whose words are none")
    if not all(isinstance(number, int) for pair in queues for number in pair):
        raise ValueError("a queue whose numbers are none")
    for part in [*moment["say"]["head"], *moment["say"]["sub"], *moment["say"]["tail"]]:
        if [type(word) for word in part] != [str, str]:
            raise ValueError("a sentence that is none")


class FileRun:
    """A recording on a page."""

    ended = True

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.title = recording.title
        self.rails: Rails | None = recording.rails
        self.last = len(recording.moments)

    def since(self, number: int) -> list[Kept[bytes]]:
        """See `Shown`."""
        return [
            Kept(k, json.dumps(moment, separators=(",", ":"), ensure_ascii=False).encode())
            for k, moment in enumerate(self.recording.moments, 1)
            if k > number
        ]

    def gone(self) -> float:
        """It is here."""
        return 0.0

    def ask(self, what: str) -> tuple[bytes, str]:
        """See `Shown`."""
        if what != "stats.json":
            raise LookupError("this is a recording: the run is over")
        return json.dumps(self.recording.stats, indent=1).encode(), "application/json"
