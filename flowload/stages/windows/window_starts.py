"""`fl.window_starts`: begin a graph with references to windows of recordings."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from flowload.abc.amount import Amount
from flowload.abc.operators import Call, Operator, Setting, State
from flowload.abc.records import MOST_ROWS, LayoutRecords, Missing, Picks
from flowload.abc.stage import whole
from flowload.abc.windows import Windowed
from flowload.blocks import Rows
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.fingerprint import Fingerprint
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.batches.arrays.gather import guard_of
from flowload.stages.cursor import Cursor
from flowload.stages.rows.printed_files import PrintedFiles
from flowload.stages.rows.reopened_tables import open_table
from flowload.stages.rows.selection import RowList, joined

from .loaded import loaded
from .start_places import StartPlaces, start_places, whole_windows

__all__ = ["Limits", "Order", "WindowStarts", "WindowStartsStage", "window_starts"]

FORMAT = "flowload.formats.recordings.recording"  #: by name: stages and formats are strangers
BLOCK = 1 << 12  #: windows of a block
MOST = 1 << 28  #: windows of a random pass: their starts are drawn at once, and take 2 GiB

Order: TypeAlias = Literal["random", "sequential"]
Limits: TypeAlias = int | Mapping[str, int] | None


@dataclass(frozen=True, kw_only=True)
class WindowStartsStage(Stage):
    """The declaration of `window_starts`."""

    word: ClassVar[str] = "window_starts"
    makes: ClassVar[type] = Rows

    records: LayoutRecords
    count: int | None = None
    order: Order = "random"
    places: StartPlaces = field(default_factory=StartPlaces)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count is not None and (not whole(self.count) or self.count < 1):
            raise GraphError(f"windows: count is {self.count!r}; wanted a number of windows from 1, or None")
        if self.order not in ("random", "sequential"):
            raise GraphError(f"windows: order is {self.order!r}; wanted 'random' or 'sequential'")

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Source."""
        return (WindowStarts(self.records, self.count, self.order, self.places),)

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """The windows of every pass, and how many rows they have."""
        source, epochs = WindowStarts(self.records, self.count, self.order, self.places), setting.epochs or 1
        opened.callback(source.close)
        source.table = table = source.opened()
        if self.order == "random":
            count = self.places.default(table) if self.count is None else self.count
            sizes = {min(length, table.size) for length in table.lengths}
            windows = dict.fromkeys(sizes, count * epochs) if len(sizes) == 1 else None
            return {"out": Amount(samples=count * epochs, windows=windows)}
        picks = joined(list(self.places.spans(table, self.count)))
        rows = Counter(table.window(row)[2] for row in picks.array().tolist())
        windows = {size: count * epochs for size, count in rows.items()}
        rows_of_a_pass = Rows(table, picks, self.records)
        return {"out": Amount(samples=len(picks) * epochs, rows=rows_of_a_pass, windows=windows)}


class WindowStarts:
    """Opens the recordings at its first pass, in a thread; gives rows at which windows begin."""

    def __init__(
        self, records: LayoutRecords, count: int | None, order: Order, places: StartPlaces | None = None
    ) -> None:
        self.records = records
        self.places = places or StartPlaces()
        self.count = count
        self.order = order
        self.cursor = Cursor()  # counts windows
        self.table: Windowed | None = None
        self.expected: list[int] | None = None  #: lengths when the state was saved
        self.files = PrintedFiles()

    def epoch(self, number: int, call: Call) -> Iterator[Rows]:
        """The windows of one pass. Raises DataError where the recordings are bad, or others than before."""
        if self.table is None:
            self.table = self.opened()
        else:
            guard_of(self.table).check()
        given = self.cursor.begin(number)
        for picks in self.picks(self.table, number, call):
            skip = min(given, len(picks))  # a pass has a span for each recording
            given -= skip
            for start in range(skip // BLOCK * BLOCK, len(picks), BLOCK):
                part = picks.select(slice(max(start, skip), start + BLOCK))
                if len(part):
                    self.cursor.given += len(part)
                    yield Rows(self.table, part, self.records)

    def picks(self, table: Windowed, number: int, call: Call) -> Iterator[Picks]:
        """All starts of pass `number`."""
        if self.places.events is not None:
            call.drop(self.places.around_events(table)[1], "event too near an end")
        if self.order == "random":
            yield RowList(self.places.drawn(table, self.count, call.rng(number)))
        else:
            yield from self.places.spans(table, self.count)

    def look(self, call: Call) -> None:  # noqa: ARG002 - nothing to ask
        """Open the recordings, if nobody has."""
        if self.table is None:
            self.table = self.opened()

    def fingerprint(self) -> Fingerprint | None:
        """How long the recordings are, and what the documents say that their chunks are read by."""
        return self.files.fingerprint()

    def check_files(self) -> None:
        """Raise DataError where a file of the recordings changed since they were opened."""
        if self.table is not None:
            guard_of(self.table).check()

    def opened(self) -> Windowed:
        """The recordings, opened. Raises NoDataError where they are others than before."""
        table = open_table(self.records)
        if not isinstance(table, Windowed):
            raise GraphError(f"windows: {self.records!r} has no windows; wanted recordings")
        lengths = list(table.lengths)
        self.files.of(table, lengths=lengths)
        self.places.check(table, repr(self.records))
        self.check_sizes(table, lengths)
        if self.expected is not None and self.expected != lengths:
            table.close()
            raise NoDataError(
                "other recordings than when the state was saved",
                where=repr(self.records),
                found=f"{lengths} rows",
                wanted=f"{self.expected} rows",
            )
        return table

    def check_sizes(self, table: Windowed, lengths: Sequence[int]) -> None:
        """Raise DataError for more rows than any disk holds, or more windows than can be drawn."""
        count = self.count or whole_windows(table)
        found, most = f"{sum(lengths):,} rows", MOST_ROWS
        too_many = sum(lengths) > MOST_ROWS
        if self.order == "random" and count > MOST:
            too_many, found, most = True, f"{count:,} windows of a pass", MOST
        if too_many:
            table.close()
            raise DataError(
                "too many rows", where=repr(self.records), found=found, wanted=f"at most {most:,}"
            )

    def state(self) -> State:
        """Windows given in this pass, and of which recordings."""
        return {
            **self.cursor.state(),
            "lengths": self.expected if self.table is None else list(self.table.lengths),
        }

    def restore(self, state: State) -> None:
        """Go on there; the recordings are compared when they are opened."""
        self.cursor.restore(state)
        self.expected = state["lengths"]

    def close(self) -> None:
        """Let go of the files."""
        if self.table is not None:
            self.table.close()


@names_keywords
def window_starts(  # noqa: PLR0913 - what is read, and which windows
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
) -> Graph:
    """Begin a graph with references to windows of recordings; `read_windows` reads them.

    Between the two the windows can be shared with `shard`, parted with `split(by="recording", ...)` and,
    where they are sequential, shuffled. The arguments are those of `windows`.

    Examples:
        >>> starts = fl.window_starts(sample_path("neural"), 256, order="sequential") >> fl.shuffle()
        >>> with (starts >> fl.read_windows()).iterate(seed=0) as windows:
        ...     print(sorted(int(window["start"]) for window in windows))
        [0, 256, 512, 768, 1024, 1280]
    """
    places = start_places(stride, events, before, weights, order)
    if callable(arrays):
        others = {"columns": columns, "neurons": neurons, "select": select, "dtype": dtype}
        others["conversion"] = conversion
        others["missing"] = None if missing == "fill" else missing
        function = loaded(arrays, size, total, rows, others)
        return place(WindowStartsStage(records=function, count=count, order=order, places=places))
    if total is not None:
        raise GraphError("windows: total goes with a function that loads rows; files say how many they have")
    records = importlib.import_module(FORMAT).recording(
        arrays,
        size,
        columns=columns,
        neurons=neurons,
        missing=missing,
        rows=rows,
        select=select,
        dtype=dtype,
        conversion=conversion,
    )
    return place(WindowStartsStage(records=records, count=count, order=order, places=places))
