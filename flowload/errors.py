"""Every exception of flowload; the tree is this docstring.

FlowloadError
├── GraphError (ValueError)      a drawing that cannot be run: wiring, names, parameters, options
│   └── OptionError              a pipeline option that does not exist or does not fit its type
├── DataError (ValueError)       bytes that are not what they should be; names file, member and record
│   ├── NoDataError              nothing to read where data was expected
│   └── TooManyErrors            the skip budget of a stage is spent
├── UserCodeError (RuntimeError) user code raised what Python takes for an end, or ended its own process
├── ProcessDied (RuntimeError)   a process that worked for this one was killed, or ended by itself
├── LedgerError                  samples in are not out + dropped + held, or were lost between stages: a bug
├── RankError                    another rank of the training failed, or left its run before the end
├── NoLength (TypeError)         nobody knows how many batches there are; what `len` wants to hear
├── MissingExtra (ImportError)   an optional dependency is absent; the message says how to install it
└── ClosedRun                    a run is used after it was left
"""

from __future__ import annotations

from flowload.printable import printable

__all__ = [
    "ClosedRun",
    "DataError",
    "FlowloadError",
    "GraphError",
    "LedgerError",
    "MissingExtra",
    "NoDataError",
    "NoLength",
    "OptionError",
    "ProcessDied",
    "RankError",
    "TooManyErrors",
    "UserCodeError",
]


class FlowloadError(Exception):
    """What every error of flowload is. Its message is printable, whatever names and values are in it."""

    def __str__(self) -> str:
        return printable(super().__str__(), keep="\n")


class GraphError(FlowloadError, ValueError):
    """A drawing that cannot be run."""


class OptionError(GraphError):
    """A pipeline option that does not exist or does not fit its type."""


class DataError(FlowloadError, ValueError):
    """Bytes on disk that are not what they should be.

    Args:
        reason: a short constant word for counting, such as ``"bad gzip"``.
        where: file, member and record, as far as they are known.
        found: what was found.
        wanted: what was wanted.
    """

    def __init__(self, reason: str, *, where: str, found: str = "", wanted: str = "") -> None:
        self.reason = reason
        self.where = where
        self.found = found
        self.wanted = wanted
        parts = [f"{where}: {reason}"]
        if found:
            parts.append(f"found {found}")
        if wanted:
            parts.append(f"wanted {wanted}")
        super().__init__(printable("; ".join(parts)))  # one line: a name must not look like one of its own

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive BaseException's own pickling.
        return _rebuild, (type(self), self.reason, self.where, self.found, self.wanted)


def _rebuild(kind: type[DataError], reason: str, where: str, found: str, wanted: str) -> DataError:
    return kind(reason, where=where, found=found, wanted=wanted)


class NoDataError(DataError):
    """Nothing to read where data was expected."""


class TooManyErrors(DataError):  # noqa: N818 - it says what happened
    """The skip budget of a stage is spent."""


class UserCodeError(FlowloadError, RuntimeError):
    """User code raised something that is no error to Python: the original is the `__cause__`.

    `StopIteration` and `StopAsyncIteration` mean the end of a stream, `GeneratorExit` that a generator is
    closed, `CancelledError` that a task is cancelled; `SystemExit` ends a thread, or a whole program with
    the status 0. Raised bare, each would end the reader's loop, or its event loop, as if the data were
    complete. `KeyboardInterrupt` and `SystemExit` in the main thread go on as themselves: a signal's
    handler may have raised them there. Any other exception of user code reaches the reader as it is.
    """


class ProcessDied(FlowloadError, RuntimeError):  # noqa: N818 - it says what happened
    """A process that worked for this one has ended before its work: killed, or by a fault in its code."""


class LedgerError(FlowloadError):
    """Samples in are not samples out + dropped + held, or what one stage gave is not what the next took."""


class RankError(FlowloadError):
    """Another rank of the training failed, or left its run before the end; the message names it."""


class NoLength(FlowloadError, TypeError):  # noqa: N818 - it says what happened
    """Nobody knows how many batches there are; the message says which stage decides it when it runs."""


class MissingExtra(FlowloadError, ImportError):  # noqa: N818 - it says what happened
    """An optional dependency is absent."""


class ClosedRun(FlowloadError):  # noqa: N818 - it says what happened
    """A run is used after it was left."""
