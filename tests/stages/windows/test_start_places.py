"""Where windows begin: grids, events, weights of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import GraphError
from flowload.stages.windows.start_places import StartPlaces
from flowload.testing import check_resume, check_stage
from tests.formats.recordings.made import numbers, write_array

LENGTHS = (40, 7, 33)


class Table:
    """As far as places of windows ask."""

    def __init__(self, lengths: Any, size: int, offsets: Any = None) -> None:
        self.lengths = lengths
        self.size = size
        self.offsets = offsets or [0] * len(lengths)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [
        write_array(tmp_path / f"{k}" / "timeseries.zarr", numbers((rows, 2)), (8, 2)).parent
        for k, rows in enumerate(LENGTHS)
    ]


def found(graph: fl.Graph, **how: Any) -> list[tuple[int, int]]:
    with graph.iterate(**how) as batches:
        return [(int(batch["recording"]), int(batch["start"])) for batch in batches]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    size=st.integers(1, 20),
    stride=st.one_of(st.none(), st.integers(1, 9)),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_place_is_drawn_and_no_other(
    lengths: list[int], size: int, stride: int | None, weighted: bool, seed: int
) -> None:
    places = StartPlaces(stride=stride, weights=tuple(range(len(lengths), 0, -1)) if weighted else None)
    table: Any = Table(lengths, size)
    legal, begin = [], 0
    for length in lengths:
        last = max(length - size, 0)
        legal += [begin + k for k in range(0, last + 1, stride or 1)]
        begin += length
    rng = np.random.Generator(np.random.Philox(seed))
    drawn = places.drawn(table, 40 * len(legal) * len(lengths), rng)
    assert set(drawn.tolist()) <= set(legal)
    if len(drawn) < 4000:
        assert len(set(drawn.tolist())) > 0.9 * len(legal)
    again = places.drawn(table, 7, np.random.Generator(np.random.Philox(seed)))
    assert again.tolist() == drawn[:7].tolist()


def test_a_fixed_grid_that_overlaps(paths: list[Path]) -> None:
    graph = fl.windows(paths, 10, order="sequential", stride=4, rows=[(3, 30), (0, None), (0, 33)], count=9)
    with pytest.raises(fl.errors.DataError, match="rows too few for a window; found rows 0 to 7"):
        found(graph)
    graph = fl.windows([paths[0], paths[2]], 10, order="sequential", stride=4, rows=[(3, 30), (0, None)])
    assert len(graph) == 5 + 6
    assert found(graph) == [(0, s) for s in (3, 7, 11, 15, 19)] + [(1, s) for s in range(0, 24, 4)]


def test_weights_of_recordings(paths: list[Path]) -> None:
    graph = fl.windows(paths, 7, count=600, weights=[1, 2, 0])
    starts = found(graph, seed=2)
    assert np.bincount([k for k, _ in starts], minlength=3).tolist() == pytest.approx([200, 400, 0], abs=45)
    assert {s for k, s in starts if k == 1} == {0}
    assert {s for k, s in starts if k == 0} == set(range(34))


@pytest.mark.parametrize("order", ["random", "sequential"])
def test_windows_around_events(order: Any, paths: list[Path]) -> None:
    events = [np.array([2, 9, 20, 39]), [], np.array([10, 12])]
    graph = fl.windows(paths, 7, order=order, events=events, before=3)
    with graph.iterate(seed=3) as batches:
        starts = [(int(batch["recording"]), int(batch["start"])) for batch in batches]
        dropped = batches.stats().stages["window_starts"].dropped
    wanted = [(0, 6), (0, 17), (2, 7), (2, 9)]
    assert (starts if order == "sequential" else sorted(starts)) == wanted
    assert dropped == {"event too near an end": 2}
    assert len(graph) == 4
    drawn = found(fl.windows(paths, 7, events=events, before=3, count=50), seed=3)
    assert set(drawn) == set(wanted)
    assert len(drawn) == 50


def test_events_of_one_recording_in_a_range(paths: list[Path]) -> None:
    graph = fl.windows(paths[0], 4, order="sequential", events=np.arange(0, 40, 5), rows=(8, 31), before=2)
    with graph.iterate() as batches:
        rows = [(int(b["start"]), b["timeseries"][2, 0]) for b in batches]
    assert rows == [(k - 2, numbers((40, 2))[k, 0]) for k in (10, 15, 20, 25)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [{"stride": 3, "order": "sequential"}, {"events": [[5, 20], [3], [12]]}, {"weights": [1, 1, 5]}]
)
def test_it_goes_on_where_it_stopped(how: dict[str, Any], paths: list[Path]) -> None:
    graph = fl.windows(paths, 6, **how)
    assert check_stage(graph, epochs=2)
    assert check_resume(graph, epochs=2)


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ({"stride": 0}, "stride is 0"),
        ({"stride": True}, "stride is True"),
        ({"before": 3}, "before=3 goes with events"),
        ({"events": [3], "before": 1.5}, "before is 1.5"),
        ({"events": [3], "stride": 2}, "a grid, or around events"),
        ({"events": []}, "events are none"),
        ({"events": [1.5]}, "events are .*np.searchsorted"),
        ({"events": [[1], "ab"]}, "events are 'ab'"),
        ({"weights": [1, -1, 1]}, r"weights are \[1, -1, 1\]"),
        ({"weights": [0, 0, 0]}, "weights are"),
        ({"weights": [1, 1, 1], "order": "sequential"}, "weights go with order='random'"),
    ],
)
def test_places_that_say_nothing(how: dict[str, Any], wanted: str, paths: list[Path]) -> None:
    with pytest.raises(GraphError, match=wanted):
        fl.windows(paths, 5, **how)


@pytest.mark.parametrize("how", [{"weights": [1, 2]}, {"events": [[3], [4]]}])
def test_as_many_as_there_are_recordings(how: dict[str, Any], paths: list[Path]) -> None:
    with pytest.raises(GraphError, match="are of 2 recordings; wanted those of 3"):
        found(fl.windows(paths, 5, **how))
