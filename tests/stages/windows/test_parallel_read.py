"""Windows in pieces, without a run: in any company, saved in the middle, and with pieces that are lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from flowload.abc.operators import Mark
from flowload.abc.windows import Windowed
from flowload.blocks import Rows
from flowload.formats.recordings.recording import Recording, recording
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import RowRange
from flowload.stages.windows.parallel_read import CutWindows, JoinPieces, Piece, ReadPieces
from tests.formats.recordings.made import numbers, write_array
from tests.stages.fakes import FakeCall
from tests.states import through_json


@pytest.fixture
def records(tmp_path: Path) -> Recording:
    """Two arrays, so that a window has two pieces at least."""
    paths = {name: write_array(tmp_path / name, numbers((60, 4)), (8, 4), codec="zstd") for name in "abc"}
    return recording(paths, 20)


def cut(records: Recording) -> tuple[Windowed, list[Piece]]:
    """The pieces of its windows side by side."""
    table = records.open()
    return table, list(CutWindows().push(Rows(table, RowRange(0, 60, 20), records), FakeCall()))


def join(records: Recording, reading: ReadPieces) -> JoinPieces:
    return JoinPieces(reading, ReopenedTables([records]))


def test_a_window_comes_with_its_last_piece(records: Recording) -> None:
    _, pieces = cut(records)
    assert len(pieces) == 9
    assert {piece.nbytes for piece in pieces} == {0}
    reading, call = ReadPieces(None), FakeCall()
    joining = join(records, reading)
    assert reading.gauges() == {}
    held, starts = [], []
    for piece in pieces:
        for batch in joining.push(reading.apply(piece, call), call):
            starts.append(int(batch.whole["start"]))
            np.testing.assert_array_equal(batch.arrays["b"], numbers((60, 4))[starts[-1] : starts[-1] + 20])
        held.append(joining.held)
    assert starts == [0, 20, 40]
    assert held == [20, 20, 0] * 3
    assert call.entered == 60
    assert len([size for size in call.leases if size == 3 * 20 * 4 * 4]) == 3
    assert reading.gauges() == {"missing_chunks": 0, "arrays_by_pread_zstd": 3}


@pytest.mark.parametrize("came", range(9))
def test_a_saved_window_goes_on_with_its_rest(came: int, records: Recording) -> None:
    _, pieces = cut(records)
    reading, call = ReadPieces(None), FakeCall()
    joining = join(records, reading)
    for piece in pieces[:came]:
        list(joining.push(reading.apply(piece, call), call))
    state = through_json(joining.state())
    _, fresh = cut(records)  # what was read is gone with its process
    restored = join(records, reading)
    restored.restore(state)
    assert restored.held == joining.held
    assert restored.state() == joining.state()
    made = [batch for piece in fresh[came:] for batch in restored.push(reading.apply(piece, call), call)]
    restored.close()
    assert [int(batch.whole["start"]) for batch in made] == [0, 20, 40][came // 3 :]
    for batch in made:
        begin = int(batch.whole["start"])
        for array in batch.arrays.values():
            np.testing.assert_array_equal(array, numbers((60, 4))[begin : begin + 20])
    assert call.drops == Counter()


@pytest.mark.parametrize("lost", range(9))
def test_a_window_that_lost_a_piece_is_dropped_as_a_whole(lost: int, records: Recording) -> None:
    _, pieces = cut(records)
    reading, call = ReadPieces(None), FakeCall()
    joining = join(records, reading)
    made = []
    for piece in pieces[:lost] + pieces[lost + 1 :]:
        made += list(joining.push(reading.apply(piece, call), call))
    made += list(joining.mark(Mark.EPOCH, call))
    made += list(joining.flush(call))
    assert [int(batch.whole["start"]) for batch in made] == [s for s in (0, 20, 40) if s != 20 * (lost // 3)]
    assert call.drops == {"window with a bad chunk": 20}
    assert call.entered == 60
    assert joining.held == 0


def restored(records: Recording, came: int) -> JoinPieces:
    """The fold of a state after so many pieces."""
    _, pieces = cut(records)
    reading, call = ReadPieces(None), FakeCall()
    joining, again = join(records, reading), join(records, reading)
    for piece in pieces[:came]:
        list(joining.push(reading.apply(piece, call), call))
    again.restore(through_json(joining.state()))
    return again


def test_a_state_stays_what_it_was(records: Recording) -> None:
    _, pieces = cut(records)
    reading, call = ReadPieces(None), FakeCall()
    joining = join(records, reading)
    list(joining.push(reading.apply(pieces[0], call), call))
    state = joining.state()
    list(joining.push(reading.apply(pieces[1], call), call))
    assert state["came"] == [0]


@pytest.mark.parametrize("first", [3, 4, 5])
def test_a_saved_window_whose_rest_never_comes_is_dropped(first: int, records: Recording) -> None:
    """Another window comes, at any of its pieces."""
    joining, reading, call = restored(records, 2), ReadPieces(None), FakeCall()
    _, pieces = cut(records)
    made = [batch for piece in pieces[first:] for batch in joining.push(reading.apply(piece, call), call)]
    assert call.drops["window with a bad chunk"] == (20 if first == 3 else 40)
    assert [int(batch.whole["start"]) for batch in made] == [20, 40][first > 3 :]


@pytest.mark.parametrize("first", [0, 1])
def test_a_saved_window_that_begins_anew_is_another(first: int, records: Recording) -> None:
    """The same row in the next pass: its pieces came before, so this is not the rest of that window."""
    joining, reading, call = restored(records, 2), ReadPieces(None), FakeCall()
    _, pieces = cut(records)
    made = [batch for piece in pieces[first:3] for batch in joining.push(reading.apply(piece, call), call)]
    assert call.drops == {"window with a bad chunk": 20}
    assert len(made) == (first == 0)
    assert call.entered == 20


def test_a_window_that_was_read_here_does_not_go_on_as_another_of_its_row(records: Recording) -> None:
    """It lost its last piece, and the same row comes again, of which the first pieces are lost."""
    _, pieces = cut(records)
    _, again = cut(records)
    reading, call = ReadPieces(None), FakeCall()
    joining = join(records, reading)
    for piece in pieces[:2]:
        list(joining.push(reading.apply(piece, call), call))
    assert list(joining.push(reading.apply(again[2], call), call)) == []
    assert call.drops == {"window with a bad chunk": 20}
    assert joining.held == 20
    list(joining.flush(call))
    assert call.drops == {"window with a bad chunk": 40}
