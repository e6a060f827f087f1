"""`fl.read_windows`, `fl.windows`: windows of recordings, read piece by piece into leased buffers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from flowload.abc.amount import Amount
from flowload.abc.needs import Compiled, Need
from flowload.abc.operators import OnError, Operator, Setting
from flowload.abc.records import LayoutRecords, Missing
from flowload.abc.stage import whole
from flowload.abc.windows import Windowed
from flowload.blocks import Batch, Rows
from flowload.errors import DataError, GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.platforms import size_class
from flowload.stages.batches.arrays.buffer_layout import batch_bytes
from flowload.stages.batches.batch_memory import device_of
from flowload.stages.device.places import ahead_on_card, goes_to_card, of_windows, workers_between
from flowload.stages.rows.reopened_tables import ReopenedTables, lacking, own_records

from .loaded import Loaded, called
from .parallel_read import CutWindows, JoinPieces, ReadInPlaces, ReadPieces
from .window_starts import Limits, Order, window_starts

__all__ = ["ReadWindowsStage", "read_windows", "windows"]

IO_WORKERS = 4  #: pieces that are read at once, at least, where nobody says how many


@dataclass(frozen=True, kw_only=True)
class ReadWindowsStage(Stage):
    """The declaration of `read_windows`."""

    word: ClassVar[str] = "read_windows"
    accepts: ClassVar[tuple[type, ...]] = (Rows,)
    makes: ClassVar[type] = Batch
    keeps: ClassVar[bool] = True
    cuts: ClassVar[bool] = True
    executor: ClassVar[str] = "io"

    prefetch: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not whole(self.prefetch) or self.prefetch < 1:
            raise GraphError(
                f"read_windows: prefetch is {self.prefetch!r}; wanted a number of windows from 1, beside the"
                " one in use"
            )

    def uneven(self, setting: Setting) -> str | None:
        """What is bad, or lacks data, is left out where it is read."""
        return super().uneven(setting) or lacking(setting)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """Cut each window by reference, read its pieces at once, and give it when the last one has come."""
        serial = self.workers is None and any(isinstance(r, Loaded) for r in own_records(setting))
        reading = ReadPieces(device_of(setting), threading.Lock() if serial else nullcontext())
        joining = JoinPieces(reading, tables=ReopenedTables.before(setting))
        return CutWindows(), ReadInPlaces(reading, partial(self.places, setting)), joining

    def places(self, setting: Setting, pieces: int) -> int:
        """Windows of so many pieces that are in memory at once.

        Those that wait for a card wait on it: then only those stay behind that are read, and copied.
        """
        ring = self.prefetch + 1
        if not goes_to_card(setting) or ahead_on_card(setting, self.prefetch) == 0:
            return ring
        return min(ring, of_windows(self.at_once(setting), pieces) + workers_between(setting))

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """One block for each window."""
        found = incoming[0]
        rows = None if found.windows is None else sum(size * n for size, n in found.windows.items())
        given = Amount(samples=rows, blocks=found.samples, unsure=found.unsure, windows=found.windows)
        return {"out": given.doubted(self.uneven(setting))}

    def needs(self, setting: Setting) -> Iterator[Need]:
        """Those that pick columns, and make halves."""
        for records in own_records(setting)[:1]:
            if isinstance(records, Compiled):
                yield from records.needs(None)

    def memory(self, setting: Setting) -> int:
        """The ring of windows, and what packed chunks are decoded in; 0 where arrays cannot be opened now."""
        for records in own_records(setting)[:1]:
            if isinstance(records, Loaded):
                return self.loaded_bytes(records, setting)
            with opened(records) as table:
                if table is None or not len(table):
                    return 0
                window = size_class(batch_bytes(table.arrays(), table.most))
                ring = self.places(setting, len(table.pieces(0)))
                return ring * window + self.at_once(setting) * table.scratch
        return 0

    def loaded_bytes(self, records: Loaded, setting: Setting) -> int:
        """Of the ring of windows that a function loads, as large as the largest so far.

        For a card they are copied to page-locked memory, and the function's own is there until then.
        """
        window = records.learned.asked(called(records.load))
        copied = min(self.at_once(setting), self.workers or 1) if goes_to_card(setting) else 0
        return (self.places(setting, 1) + copied) * window

    def at_once(self, setting: Setting) -> int:
        """Pieces that are read at once."""
        return self.workers or max(IO_WORKERS, setting.cpus)

    def given_bytes(self, setting: Setting) -> int:
        """Bytes of one window, for whoever stands behind it."""
        return sum(
            records.learned.nbytes if isinstance(records, Loaded) else window_bytes(records)
            for records in own_records(setting)[:1]
        )


@contextmanager
def opened(records: LayoutRecords) -> Iterator[Windowed | None]:
    """The arrays, if they can be opened now, and have windows; nothing will be read."""
    try:
        table = getattr(records, "sketch", records.open)()
    except DataError:
        yield None
        return
    try:
        yield table if isinstance(table, Windowed) else None
    finally:
        table.close()


def window_bytes(records: LayoutRecords) -> int:
    """Bytes of one window, as far as the arrays can be opened now."""
    return batch_bytes(records.fields(records.layouts[0]), 1)


@names_keywords
def read_windows(
    *,
    prefetch: int = 2,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Read the windows that `window_starts` names, in their order, ahead of whoever takes them.

    A window's chunks are read by several threads straight into one leased buffer, and the chunks of the next
    windows meanwhile. Gives a batch a window: its arrays [rows, ...], `start` (its first row), and
    `recording` (a number) where there are several.

    Args:
        prefetch: windows beside the one in use, from 1. Never more than these are in memory, however fast
            they are read: the next one is begun when the last batch, tensor or view of one has gone. Who
            keeps windows and waits for more gets more all the same. For a card the ring is page-locked,
            once; see `to_device` for how many are on it.
        workers: chunks, or parts of large ones, that are read at once; None: 4, or as many as the run has
            CPUs.
        on_error: what a corrupt chunk does: "raise" ends the run, "skip" counts what was to be read, and
            drops the rest of its window.
        max_errors: under "skip": how many pieces (int) or which share (float) may be skipped.

    Examples:
        >>> starts = fl.window_starts(sample_path("neural"), 512, order="sequential")
        >>> with (starts >> fl.read_windows(workers=2)).iterate() as windows:
        ...     print([(int(window["start"]), window["timeseries"].shape) for window in windows])
        [(0, (512, 32, 4)), (512, (512, 32, 4)), (1024, (512, 32, 4))]
    """
    return place(
        ReadWindowsStage(prefetch=prefetch, workers=workers, on_error=on_error, max_errors=max_errors)
    )


@names_keywords
def windows(  # noqa: PLR0913 - what is read, which windows, and how
    arrays: Any,
    size: int,
    *,
    count: int | None = None,
    order: Order = "random",
    columns: Limits = None,
    neurons: Limits = None,
    missing: Missing = "fill",
    rows: Any = None,
    select: Mapping[str, Any] | None = None,
    dtype: Any = None,
    conversion: bool | None = None,
    stride: int | None = None,
    events: Any = None,
    before: int = 0,
    weights: Any = None,
    total: int | None = None,
    prefetch: int = 2,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Begin a graph with windows of rows [start, start + size) of one or several arrays over time.

    The same as `window_starts(arrays, size, ...) >> read_windows(...)`; write those two where windows are
    shared between ranks, or parted by recording.

    Args:
        arrays: a recording (a folder, zip or URL with `timeseries.zarr`; HDF5, NWB, `.npy`, a folder of
            suite2p's, SpikeGLX's `.bin`: see the page on recordings), one zarr array, arrays by name
            (`{"activity": "a.zarr", "stimulus": "s.zarr"}`: windows of all begin at the same row), or a list
            of those, for several recordings. Or a function of yours: `load_fn(start, end)` returns the rows
            from `start` up to `end` as an array (key "x"), a tuple of arrays (keys "0", "1", ...), or a dict
            of arrays. It is called in a thread, for one window after the other in the order in which they are
            given (`workers`: so many at once), and has no more windows made than `prefetch` says. What it
            raises ends the run, with a note that names the rows. How large its windows are `graph.memory()`
            learns from the largest that it has returned; before, it counts none, and warns.
        size: rows of a window; a recording that is shorter is one window.
        count: windows of a pass; None: as many as fit into the recordings side by side.
        order: "random": `start` is uniform on 0 ... T - size, so windows may overlap; "sequential": all rows
            once, in order, the last window perhaps shorter.
        columns: read only so many of the last axis: of every array, or of those that are named:
            `{"stimulus": 5}`.
        neurons: read only so many of axis 1, in the same way.
        missing: what a window does that lacks a chunk, because none was written or it was lost: "fill" gives
            the array's fill value in its place, counts the rows and tells it once for each array; "raise" is
            an error; "skip" drops the window, counted as "missing". Where no chunk of an array exists, that
            is an error always.
        rows: (first, behind the last): the part of the rows that windows lie in, in every recording, or a
            list with one for each. `start` is uniform on every row from which a whole window lies inside, the
            last one included, so windows of ranges beside each other share no row. None for the last: to the
            end.
        select: what a window has, by keys of your own: the name of an array, or a dict with `array` (its
            name; may be left out where there is one), `columns` (of the last axis) and `neurons` (of axis 1):
            a number, which loses the axis, a list, or a slice; and `dtype`. Several keys of one array read
            and decode its chunks once, and only chunks that hold some of it are read.
        dtype: of all numbers: "float16" or "bfloat16" (halves; `pip install 'flowload[bfloat16]'`),
            "float32", "float64"; None: as they are stored. A number too large for it is a DataError.
        conversion: whether the numbers of NWB's time series are made what they stand for, such as volts, by
            `conversion`, `channel_conversion` and `offset` of the file (in float64, then `dtype`; without one
            float32 of numbers with up to 16 bits and of float32, else float64). None: they stay as they are
            stored, with a warning where that is something else; False: without. May stand in `select`, too.
        stride: windows begin at the first row and every so many rows behind it, as far as a whole one fits:
            a grid, whose windows overlap where `stride` is less than `size`. None: anywhere, or side by side.
        events: rows that windows lie around: numbers, or a list of those of each recording. In random order
            each comes once a pass, or `count` are drawn. Those without room for a window are counted as
            dropped. Of times: `events=np.searchsorted(timestamps, times)`.
        before: rows of a window that lie before its event.
        weights: how often a random window is of each recording; None: each row is as likely as any other.
        total: rows that there are, where a function loads them.
        prefetch: see `read_windows`.
        workers: see `read_windows`.
        on_error: see `read_windows`.
        max_errors: see `read_windows`.

    Examples:
        >>> graph = fl.windows(sample_path("neural"), 256, count=4, columns=2)
        >>> with graph.iterate(seed=0) as windows:
        ...     print([window["timeseries"].shape for window in windows])
        [(256, 32, 2), (256, 32, 2), (256, 32, 2), (256, 32, 2)]

        >>> select = {"calcium": {"columns": 2}, "light": {"columns": 1, "neurons": slice(0, 8)}}
        >>> graph = fl.windows(sample_path("neural"), 256, rows=(0, 1280), select=select, count=1)
        >>> with graph.iterate(seed=0) as windows:
        ...     print({key: array.shape for key, array in next(windows).items()})
        {'calcium': (256, 32), 'light': (256, 8), 'start': ()}
    """
    starts = window_starts(
        arrays,
        size,
        count=count,
        order=order,
        columns=columns,
        neurons=neurons,
        missing=missing,
        rows=rows,
        select=select,
        dtype=dtype,
        conversion=conversion,
        stride=stride,
        events=events,
        before=before,
        weights=weights,
        total=total,
    )
    if callable(arrays) and workers is None:
        workers = 1
    return starts >> read_windows(
        prefetch=prefetch, workers=workers, on_error=on_error, max_errors=max_errors
    )
