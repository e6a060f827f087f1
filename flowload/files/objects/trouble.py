"""What goes wrong with a store: what passes is tried again, what stays is named."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from flowload.errors import DataError, FlowloadError, NoDataError

from .request import Wait

__all__ = ["UNREACHED", "Budget", "again", "named", "passes"]

T = TypeVar("T")

UNREACHED = "cannot be reached"  #: reason of errors that may pass
WORDS = 200  #: characters of a library's message that are kept
#: By the class of what a library raised: obstore's, then what fsspec's file systems raise.
REASONS = {
    "PermissionDeniedError": "permission denied",
    "UnauthenticatedError": "no valid credentials",
    "InvalidPathError": "bad name",
    "UnknownConfigurationKeyError": UNREACHED,
    "NotSupportedError": "cannot be listed",
    "PermissionError": "permission denied",
}
PASSING = frozenset({"GenericError", "JoinError", "FSTimeoutError", "ClientError", "ServerDisconnectedError"})
BY_STATUS = {
    "401": "no valid credentials",
    "403": "permission denied",
    "404": "no such bucket",
    "405": "cannot be listed",  # by servers that know single objects alone
    "501": "cannot be listed",
}
ANSWER = re.compile(r"status code: (\d{3}[ A-Za-z]*)")
CODE = re.compile(r"<Code>(\w+)</Code>")
#: What a later request will be told again.
STATUS = re.compile(
    r"\b(?:status(?: code)?|HTTP error)[: (]*(4\d\d|501)\b|\b(4\d\d|501) [A-Z][a-z]+", re.IGNORECASE
)
FOR_GOOD = re.compile(
    r"NoSuchBucket|InvalidBucketName|Missing bucket|PermanentRedirect|Not Supported|builder error", re.I
)
LATER = frozenset({"408", "425", "429"})  #: client errors that pass


@dataclass
class Budget:
    """How long failures are borne: so many seconds in a row without a byte, waiting longer each time."""

    seconds: float = 60.0
    first: float = 0.1
    most: float = 10.0
    failures: int = 0
    began: float = field(default=0.0)

    def progressed(self) -> None:
        """Something came: what was borne is forgotten."""
        self.failures = 0

    def pause(self) -> float | None:
        """Seconds to wait after another failure; None: it has been enough."""
        now = time.monotonic()
        if not self.failures:
            self.began = now
        pause = min(self.most, self.first * 2**self.failures) * random.uniform(0.5, 1.0)
        self.failures += 1
        return None if now + pause - self.began > self.seconds else pause


def again(work: Callable[[], T], url: str, wait: Wait, budget: Budget) -> T:
    """Do work until it succeeds, fails for good, or the budget is spent. Raises DataError."""
    while True:
        try:
            return work()
        except FlowloadError:
            raise
        except Exception as error:  # libraries raise what their authors did not foresee, too
            pause = budget.pause() if passes(error) else None
            if pause is None:
                raise named(error, url, budget.failures) from error
            wait(pause)


def passes(error: Exception) -> bool:
    """Whether trying again may help."""
    if isinstance(error, FileNotFoundError) or type(error).__name__ in REASONS:
        return False
    said = str(error)
    status = STATUS.search(said)
    if FOR_GOOD.search(said) or (status and (status[1] or status[2]) not in LATER):
        return False
    # Any other OSError is of this machine's disk.
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__name__ in PASSING


def named(error: Exception, url: str, failures: int = 0) -> DataError:
    """What a library raised, with a constant word for counting."""
    said = str(error)
    status, code = ANSWER.search(said), CODE.search(said)
    told = ": ".join(found[1] for found in (status, code) if found) or " ".join(said.split())[:WORDS]
    told = (told or type(error).__name__) + (f", {failures} times in a row" if failures > 1 else "")
    reason = REASONS.get(type(error).__name__) or BY_STATUS.get(told[:3], UNREACHED)
    if "NoSuchBucket" in said:
        reason = "no such bucket"
    elif isinstance(error, FileNotFoundError):
        reason = "no such object"
    kind = NoDataError if reason.startswith("no such") else DataError
    return kind(reason, where=url, found=told)
