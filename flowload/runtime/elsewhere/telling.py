"""What is logged and warned of in a worker, kept until it next answers."""

from __future__ import annotations

import contextlib
import logging
import pickle
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from .workers import Told

__all__ = ["Telling", "tell"]

MOST = 1000  #: lines that are kept


class Telling(logging.Handler):
    """Keeps what is logged in this process; used by the only worker in it.

    Args:
        levels: of loggers, as they are where it will be shown; None: what is told here is shown here.
    """

    def __init__(self, levels: Mapping[str, int] | None) -> None:
        super().__init__()
        self.levels = levels
        self.lines: deque[Told] = deque(maxlen=MOST)

    def begin(self) -> None:
        """Keep what comes from now on."""
        if self.levels is None:
            return
        for name, level in self.levels.items():
            logging.getLogger(name or None).setLevel(level)
        logging.getLogger("flowload").addHandler(self)
        shown = warnings.showwarning

        def show(message: Any, category: Any, filename: str, line: int, *rest: Any, **more: Any) -> None:
            try:
                pickle.loads(pickle.dumps(category))
            except Exception:  # noqa: BLE001 - a category of the user's own that is in no module
                shown(message, category, filename, line, *rest, **more)
            else:
                self.lines.append(Told("warning", (str(message), category, filename, line)))

        warnings.showwarning = show  # type: ignore[assignment]  # it is called so, and by position

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line: its words are made here, since what it has to show may not be picklable."""
        own: dict[str, Any] = {
            name: value for name, value in vars(record).items() if isinstance(value, str | int | float)
        }
        told: dict[str, Any] = {
            **own,
            "msg": record.getMessage(),
            "args": None,
            "exc_info": None,
            "exc_text": None,
        }
        if record.exc_info:
            told["msg"] += "\n" + logging.Formatter().formatException(record.exc_info)
        self.lines.append(Told("log", (told,)))

    def take(self) -> Sequence[Told]:
        """What was told since the last time."""
        return tuple(self.lines.popleft() for _ in range(len(self.lines)))


def tell(told: Sequence[Told], where: str) -> None:
    """Log and warn here of what was told in a worker."""
    for kind, what in told:
        with contextlib.suppress(Exception):  # of a handler of the user's; or a warning that is an error here
            if kind == "warning":
                warnings.warn_explicit(*what)
            else:
                record = logging.makeLogRecord({**what[0], "msg": f"{what[0]['msg']} ({where})"})
                if logging.getLogger(record.name).isEnabledFor(record.levelno):
                    logging.getLogger(record.name).handle(record)
