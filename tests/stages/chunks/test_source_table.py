from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Setting
from flowload.blocks import SourceFile
from flowload.errors import GraphError
from flowload.graph import Stage
from flowload.stages.chunks import source_table
from flowload.stages.chunks.pool import ChunkPool
from flowload.stages.chunks.shuffle_pool import ShufflePoolStage
from flowload.stages.chunks.source_table import (
    SourceTable,
    chunks_from_state,
    chunks_to_state,
    compact,
    concatenate,
    format_finder,
    tally,
)
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, ToyFormat, references, toy_chunks
from tests.states import through_json

FILES = tuple(SourceFile(f"/nowhere/{i}") for i in range(12))


@dataclass(frozen=True, kw_only=True)
class Reading(Stage):
    word: ClassVar[str] = "reading"
    format: object = TOY


block = st.lists(st.integers(0, 11), max_size=20)


@given(blocks=st.lists(block, max_size=8), shift=st.integers(0, 11))
def test_the_table_counts_like_a_multiset(blocks: list[list[int]], shift: int) -> None:
    """Blocks come in, each with its own numbering of the sources; every second one leaves again."""
    table = SourceTable()
    model: Counter[SourceFile] = Counter()
    inside: list[np.ndarray[tuple[int], np.dtype[np.int32]]] = []
    for turn, rows in enumerate(blocks):
        sources = FILES[shift:] + FILES[:shift]
        column = table.adopt(sources, np.array(rows, np.int32))
        assert [table.source(row) for row in column.tolist()] == [sources[row] for row in rows]
        model.update(sources[row] for row in rows)
        inside.append(column)
        if turn % 2:
            leaving = inside.pop(0)
            files = [table.source(row) for row in leaving.tolist()]
            kept, _ = table.release(leaving, keep=True)
            named, own = table.release(leaving)
            assert kept == named
            assert [named[row] for row in own.tolist()] == files
            assert len(named) == len(set(named))
            model -= Counter(file for file in files if file is not None)
        assert {table.source(row): int(table.counts[row]) for row in table.rows.values()} == dict(model)
        assert len(table) == len(model)


@pytest.mark.parametrize("wrong", [-1, 12])
def test_a_reference_to_no_source_is_an_error(wrong: int) -> None:
    table = SourceTable()
    with pytest.raises(IndexError, match=f"reference 1 is to source {wrong} of 12"):
        table.adopt(FILES, np.array([0, wrong], np.int32))
    assert len(table) == 0


def test_rows_of_sources_that_left_are_used_again() -> None:
    table = SourceTable()
    for i in range(1000):
        table.release(table.adopt((SourceFile(f"/nowhere/{i}"),), np.zeros(3, np.int32)))
    assert len(table) == 0
    assert len(table.sources) == 8


def test_a_source_comes_out_as_it_went_in() -> None:
    """Also two of one path, which only tests have, and with what is known of the file."""
    sources = (
        SourceFile("/a/x.gz", stamp=bytes(range(32))),
        SourceFile("/b/x.gz", stamp=bytes(32)),
        SourceFile("/a/x.gz", 7),
        SourceFile("/c/\udcff.gz", 2**64 - 1),
    )
    table = SourceTable()
    column = table.adopt(sources, np.arange(4, dtype=np.int32))
    again = table.adopt(sources[::-1], np.arange(4, dtype=np.int32))
    assert column.tolist() == again[::-1].tolist()
    named, _ = table.release(column)
    assert sorted(named, key=repr) == sorted(sources, key=repr)
    assert {source.path: source.stamp for source in named if source.key != 7} == {
        source.path: source.stamp for source in sources if source.key != 7
    }
    assert len(table) == 4
    table.release(again)
    assert len(table) == 0
    assert table.rows == {}


@pytest.mark.slow
def test_many_loose_files_cost_what_is_counted() -> None:
    """A chunk a file: references, sources, and the paths themselves; measured, not reckoned."""
    count = 20_000
    stage = ShufflePoolStage(chunks=count)
    pool, call = ChunkPool(count, growing=False), FakeCall()
    list(pool.push(toy_chunks(3, files=3), call))  # whatever a first call costs
    list(pool.flush(call))
    wide = toy_chunks(64, files=64)
    tracemalloc.start()
    try:
        for first in range(0, count, 64):
            paths = [
                f"/data/run3/training-{at // 1000:06}/training.{at:09}.gz" for at in range(first, first + 64)
            ]
            block = replace(wide, sources=tuple(SourceFile(path, stamp=bytes(32)) for path in paths))
            list(pool.push(block.select(slice(0, min(64, count - first))), call))
        del block, paths
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert pool.held == count
    counted = stage.memory(Setting(seed=0, epochs=1, cpus=1))
    assert 0.6 * counted < held < counted
    assert held / count < 330


@given(column=st.lists(st.integers(0, 30), max_size=40), spare=st.integers(0, 500))
def test_a_tally_is_numpys_unique(column: list[int], spare: int) -> None:
    rows, own, times = tally(np.array(column, np.int32), 31 + spare)
    expected = np.unique(np.array(column, np.int32), return_inverse=True, return_counts=True)
    assert (rows.tolist(), own.tolist(), times.tolist()) == tuple(part.tolist() for part in expected)


def test_compact_keeps_the_references() -> None:
    chunks = toy_chunks(12, files=4)
    some = chunks.select(np.array([1, 3, 5]))
    assert references(compact(some)) == references(some)
    assert [source.name for source in compact(some).sources] == ["1.toy", "3.toy"]
    assert compact(chunks) is chunks


def test_joined_blocks_keep_their_references() -> None:
    parts = [toy_chunks(4, files=2), toy_chunks(3, files=3, first=9)]
    joined = concatenate(parts)
    assert references(joined) == references(parts[0]) + references(parts[1])
    assert parts[1].table["source"].tolist() == [0, 1, 2]
    assert concatenate(parts[:1]) is parts[0]


def test_references_survive_json() -> None:
    chunks = toy_chunks(5, files=2)
    chunks = replace(chunks, sources=(SourceFile("/nowhere/a", 2**64 - 1), SourceFile("/nowhere/b")))
    again = chunks_from_state(through_json(chunks_to_state(chunks)), lambda _: TOY)
    assert again.sources == chunks.sources
    assert again.format is TOY
    assert again.table.tolist() == chunks.table.tolist()
    assert again.table.dtype == chunks.table.dtype


def test_formats_are_found_by_name_or_upstream() -> None:
    own = ToyFormat(name="my own")
    find = format_finder(Setting(seed=0, epochs=1, cpus=1, upstream=(Stage(), Reading(format=own))))
    assert find("my own") is own
    assert find("lc0").name == "lc0"
    with pytest.raises(GraphError, match="no format is named 'toy'"):
        find("toy")


def test_few_sources_come_out_as_the_objects_that_went_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_table, "FEW", 3)
    table = SourceTable()
    files = tuple(SourceFile(f"/{number}", stamp=bytes(32)) for number in range(5))
    first = table.adopt(files[:3], np.arange(3, dtype=np.int32))
    assert [table.source(row) is file for row, file in zip(first.tolist(), files, strict=False)] == [True] * 3
    more = table.adopt(files[3:], np.arange(2, dtype=np.int32))
    assert not table.made
    assert [table.source(row) for row in [*first.tolist(), *more.tolist()]] == list(files)
    table.release(first)
    again = table.adopt(files[2:3], np.zeros(1, np.int32))
    assert table.source(int(again[0])) is files[2]
    table.release(again)
    assert not table.made
