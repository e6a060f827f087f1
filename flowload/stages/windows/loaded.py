"""A function of the user's as a recording: it loads the rows of a window."""

from __future__ import annotations

import ctypes
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.records import Fields, Numbers
from flowload.abc.stage import whole
from flowload.errors import GraphError

__all__ = ["Loaded", "LoadedTable", "called", "keeping", "loaded"]

log = logging.getLogger("flowload")

TAKEN = ("start", "recording")  #: what windows carry beside their arrays

LoadRows = Callable[[int, int], Any]


class Learned:
    """How many bytes a window was, of those that were loaded; and whether somebody was told of none yet."""

    def __init__(self) -> None:
        self.nbytes = 0
        self.told = False

    def note(self, nbytes: int) -> None:
        """A window of so many bytes was loaded; from any thread."""
        self.nbytes = max(self.nbytes, nbytes)

    def asked(self, function: str) -> int:
        """Bytes of a window; 0, and a warning once, where none was loaded yet."""
        if not self.nbytes and not self.told:
            self.told = True
            log.warning(
                "graph.memory(): windows of %s are not counted: their size is known when it was called",
                function,
            )
        return self.nbytes


@dataclass(frozen=True)
class Loaded:
    """The function, how many rows there are, and which are used; see `windows`."""

    load: LoadRows
    total: int
    size: int
    rows: tuple[int, int]

    name: ClassVar[str] = "function"
    layouts: ClassVar[Sequence[str]] = ("windows",)
    drops: ClassVar[bool] = False

    def __post_init__(self) -> None:
        # No field: what a run has learned is no part of what was drawn, and of no state.
        object.__setattr__(self, "learned", Learned())

    learned: ClassVar[Learned]

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "learned"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the function says
        """None: known only when it was called."""
        return {}

    def open(self) -> LoadedTable:
        """A table of it."""
        return LoadedTable(self)


class LoadedTable:
    """See `Windowed`; what reads a window calls `load` instead of `read`."""

    layouts: Sequence[str] = ("windows",)
    missing = 0
    scratch = 0

    def __init__(self, records: Loaded) -> None:
        self.records = records
        self.size = records.size
        begin, end = records.rows
        self.lengths = [end - begin]
        self.offsets = [begin]
        self.routes: Mapping[str, str] = {}

    def __len__(self) -> int:
        return self.lengths[0]

    @property
    def most(self) -> int:
        """Rows of the largest window."""
        return min(self.size, len(self))

    def window(self, row: int) -> tuple[int, int, int]:
        """Recording 0, first row, and rows of the window that begins at a row."""
        begin, end = self.records.rows
        return 0, begin + row, min(self.size, end - begin - row)

    def load(self, row: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arrays of the window that begins at a row: those with its rows, and others.

        Raises what the function raises, with a note that says for which rows; ValueError for no arrays.
        """
        _, start, rows = self.window(row)
        try:
            made = self.records.load(start, start + rows)
        except Exception as error:
            error.add_note(f"in {called(self.records.load)}({start}, {start + rows})")
            raise
        arrays = named(made, f"{called(self.records.load)}({start}, {start + rows})")
        own = {key: array for key, array in arrays.items() if np.shape(array)[:1] == (rows,)}
        if not own:
            shapes = ", ".join(f"{key!r} {list(np.shape(array))}" for key, array in arrays.items())
            call = f"{called(self.records.load)}({start}, {start + rows})"
            raise ValueError(f"{call} returned no array of {rows:,} rows, but {shapes}")
        self.records.learned.note(sum(getattr(array, "nbytes", 0) for array in arrays.values()))
        return own, {key: array for key, array in arrays.items() if key not in own}

    def arrays(self) -> Fields:
        """None: known only when the function was called."""
        return {}

    def fields(self, layout: str, rows: Numbers | None = None) -> Fields:  # noqa: ARG002 - see `arrays`
        """None: known only when the function was called."""
        return {}

    def pieces(self, row: int) -> list[int]:  # noqa: ARG002 - one call
        """One piece: a window is loaded by one call."""
        return [0]

    def settle(self, row: int, call: Call) -> bool:  # noqa: ARG002 - nothing is missing
        """True: what a function loads has no gaps."""
        return True

    def read(self, row: int, piece: int, out: NamedArrays, call: Call) -> None:
        """Never called: see `load`."""
        raise NotImplementedError

    def usable(self, rows: Numbers, call: Call) -> NoReturn:  # noqa: ARG002 - the shape of a table
        """Raises GraphError: batches of windows have memory of a known size."""
        raise GraphError("windows that a function loads are read by read_windows, not by batch")

    def write(self, layout: str, rows: Numbers, out: Any, call: Call) -> NoReturn:
        """Never called: see `usable`."""
        raise NotImplementedError

    def describe(self, row: int) -> str:
        """Which rows, for messages."""
        _, start, rows = self.window(row)
        return f"{called(self.records.load)}: rows {start:,} to {start + rows:,}"

    def close(self) -> None:
        """Nothing to close."""


def called(function: LoadRows) -> str:
    """The name of a function, for messages."""
    return getattr(function, "__name__", type(function).__name__)


def named(made: Any, call: str) -> dict[str, Any]:
    """The arrays of what a function returned, by key. Raises ValueError."""
    if isinstance(made, Mapping):
        arrays = dict(made)
    elif isinstance(made, tuple | list):
        arrays = {str(number): array for number, array in enumerate(made)}
    else:
        arrays = {"x": made}
    if not arrays or any(array is None for array in arrays.values()):
        raise ValueError(f"{call} returned {made!r}; wanted an array, a tuple of arrays, or a dict of them")
    for key in arrays:
        if not isinstance(key, str) or key in TAKEN:
            raise ValueError(f"{call} returned a dict with {key!r}; wanted names, other than 'start'")
    return {key: plain(array) for key, array in arrays.items()}


def plain(array: Any) -> Any:
    """An array in C order that may be written to, as tensors lie on such; a tensor on a card as it is."""
    if getattr(getattr(array, "device", None), "type", "cpu") != "cpu":
        return array
    found = np.asarray(array)
    return found if found.dtype.hasobject else np.require(found, requirements=["C", "W"])


def keeping(array: Any, what: object) -> Any:
    """The same memory; as long as any view of it lives, `what` does."""
    if not isinstance(array, np.ndarray) or array.dtype.hasobject or not array.nbytes:
        return array
    flat = array.reshape(-1).view(np.uint8)
    # A buffer of its own: numpy would take a view of the user's array for one of what that was cut from.
    buffer: Any = (ctypes.c_char * array.nbytes).from_buffer(flat.data)
    buffer.kept = what
    return np.frombuffer(memoryview(buffer), np.uint8).view(array.dtype).reshape(array.shape)


def loaded(load: LoadRows, size: int, total: Any, rows: Any, others: Mapping[str, Any]) -> Loaded:
    """A function as a recording. Raises GraphError.

    Args:
        load: it.
        size: rows of a window.
        total: rows that there are.
        rows: (first, behind the last) that are used; None: all.
        others: what only files can have, by name; None or the default: was not said.
    """
    if inspect.iscoroutinefunction(load):
        raise GraphError("windows: the function is async; wanted a plain one, which is called in a thread")
    for name, value in (("total", total), ("size", size)):
        if not whole(value) or value < 1:
            raise GraphError(f"windows: {name} is {value!r}; wanted a number of rows from 1")
    for name, value in others.items():
        if value is not None:
            raise GraphError(f"windows: {name} is for files; the function decides what it returns")
    begin, end = (0, None) if rows is None else rows if isinstance(rows, tuple) and len(rows) == 2 else (0, 0)
    begin, end = begin or 0, total if end is None else end
    if not (whole(begin) and whole(end) and 0 <= begin < end <= total):
        raise GraphError(f"windows: rows is {rows!r}; wanted (first, behind the last) of {total:,} rows")
    if rows is not None and end - begin < size:
        raise GraphError(f"windows: rows is {rows!r}; wanted at least the {size:,} of a window")
    return Loaded(load, total, size, (begin, end))
