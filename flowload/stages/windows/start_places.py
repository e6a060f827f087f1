"""Where windows may begin: anywhere, on a grid, or around events; and how often in which recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import Numbers, Picks
from flowload.abc.stage import whole
from flowload.abc.windows import Windowed
from flowload.errors import GraphError
from flowload.stages.rows.selection import RowList, RowRange

__all__ = ["StartPlaces", "start_places", "whole_windows"]

Events = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class StartPlaces:
    """The rule; a value.

    Args:
        stride: rows from one place to the next; None: any row for random windows, side by side for others.
        events: rows of the arrays, of each recording, that windows lie around; None: no events.
        before: rows of a window before its event.
        weights: how often a random window is of each recording; None: each place is as likely.
    """

    stride: int | None = None
    events: Events | None = None
    before: int = 0
    weights: tuple[float, ...] | None = None

    def check(self, table: Windowed, what: str) -> None:
        """Raise GraphError where the numbers of recordings differ."""
        for name, own in (("events", self.events), ("weights", self.weights)):
            if own is not None and len(own) != len(table.lengths):
                wanted = f"those of {len(table.lengths)}: {what}"
                raise GraphError(f"windows: {name} are of {len(own)} recordings; wanted {wanted}")

    def around_events(self, table: Windowed) -> tuple[list[Numbers], int]:
        """Of each recording the rows at which windows around its events begin; and how many have no room."""
        found, lost = [], 0
        begin = 0
        for number, rows in enumerate(self.events or ()):
            length = table.lengths[number]
            starts = np.array(rows, np.int64) - self.before - table.offsets[number]
            fits = (starts >= 0) & (starts <= length - table.size)
            lost += int(len(starts) - fits.sum())
            found.append(begin + starts[fits])
            begin += length
        return found, lost

    def counts(self, table: Windowed) -> NDArray[np.int64]:
        """Of each recording, how many places there are; one that is shorter than a window has one."""
        if self.events is not None:
            return np.array([len(rows) for rows in self.around_events(table)[0]], np.int64)
        room = np.maximum(np.array(table.lengths, np.int64) - table.size, 0)
        return np.asarray(room // (self.stride or 1) + 1, np.int64)

    def at(self, table: Windowed, which: Numbers, place: Numbers) -> Numbers:
        """The rows of places, by the number of the recording, and of the place in it."""
        if self.events is not None:
            found, _ = self.around_events(table)
            firsts = np.cumsum([0, *map(len, found)])[which]
            return np.asarray(np.concatenate(found)[firsts + place], np.int64)
        lengths = np.array(table.lengths, np.int64)
        begins = np.cumsum(lengths) - lengths
        return np.asarray(begins[which] + place * (self.stride or 1), np.int64)

    def drawn(self, table: Windowed, count: int | None, rng: np.random.Generator) -> Numbers:
        """The rows at which random windows begin.

        Args:
            table: the recordings.
            count: how many; None: as many as fit into the recordings side by side, or each event once.
            rng: of the pass: the first n of more are the same.
        """
        counts = self.counts(table)
        ends = np.cumsum(counts)
        if not ends[-1]:
            return np.empty(0, np.int64)
        if self.weights is not None:
            number = count or self.default(table)
            weights = np.where(counts > 0, np.array(self.weights), 0)
            shares, places = rng.random((number, 2)).T  # in pairs: the first n of more are the same
            edges = np.cumsum(weights) / weights.sum()
            edges[np.flatnonzero(weights)[-1] :] = 1.0
            which = np.searchsorted(edges, shares, side="right")
            return self.at(table, which, (places * counts[which]).astype(np.int64))
        if self.events is not None and count is None:
            places_of_all = rng.permutation(int(ends[-1]))
        else:
            places_of_all = rng.integers(0, ends[-1], count or self.default(table))
        which = np.searchsorted(ends, places_of_all, side="right")
        return self.at(table, which, places_of_all - (ends - counts)[which])

    def default(self, table: Windowed) -> int:
        """Windows of a random pass where nobody says how many."""
        return whole_windows(table) if self.events is None else int(self.counts(table).sum())

    def spans(self, table: Windowed, count: int | None) -> Iterator[Picks]:
        """All places in order, by recording; the first `count` of them."""
        left, begin = count, 0
        events = None if self.events is None else self.around_events(table)[0]
        for number, length in enumerate(table.lengths):
            span: Picks
            if events is not None:
                span = RowList(events[number])
            elif self.stride is None:
                span = RowRange(begin, begin + length, table.size)  # the last one perhaps shorter
            else:
                span = RowRange(begin, begin + max(length - table.size, 0) + 1, self.stride)
            span = span if left is None else span.select(slice(0, left))
            left = left if left is None else left - len(span)
            begin += length
            yield span


def whole_windows(table: Windowed) -> int:
    """As many as fit into the recordings side by side; one that is shorter than a window is one."""
    return sum(max(length // table.size, 1) for length in table.lengths)


def start_places(stride: Any, events: Any, before: Any, weights: Any, order: str) -> StartPlaces:
    """The rule that a user wrote. Raises GraphError."""
    if stride is not None and not (whole(stride) and stride >= 1):
        raise GraphError(f"windows: stride is {stride!r}; wanted a number of rows from 1, or None")
    if not whole(before):
        raise GraphError(f"windows: before is {before!r}; wanted a number of rows")
    if events is None and before:
        raise GraphError(f"windows: before={before} goes with events")
    if events is not None and stride is not None:
        raise GraphError("windows: stride and events: windows lie on a grid, or around events")
    if weights is not None and order != "random":
        raise GraphError("windows: weights go with order='random'")
    return StartPlaces(
        stride=stride,
        events=None if events is None else events_of(events),
        before=before,
        weights=None if weights is None else weights_of(weights),
    )


def events_of(events: Any) -> Events:
    """The rows of events, of each recording. Raises GraphError."""
    several = isinstance(events, Sequence) and len(events) > 0 and not np.isscalar(events[0])
    found = []
    for own in events if several else [events]:
        rows = np.asarray(own)
        if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
            raise GraphError(
                f"windows: events are {own!r}; wanted numbers of rows, or a list of those of each recording"
                " (of times: np.searchsorted(timestamps, times))"
            )
        found.append(tuple(rows.tolist()))
    if not any(found):
        raise GraphError("windows: events are none; wanted at least one")
    return tuple(found)


def weights_of(weights: Any) -> tuple[float, ...]:
    """The weights of recordings. Raises GraphError."""
    given = np.asarray(weights)
    if given.ndim != 1 or given.dtype.kind not in "iuf" or not (given >= 0).all() or not given.sum() > 0:
        raise GraphError(f"windows: weights are {weights!r}; wanted a number from 0 for each recording")
    return tuple(float(weight) for weight in given)
