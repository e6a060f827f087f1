"""Small batches that travel together are the batches that would have travelled alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowload as fl
from flowload.abc.operators import Call
from flowload.abc.records import Numbers
from flowload.blocks import Batch, Bundle, Rows
from flowload.errors import ClosedRun, DataError
from flowload.formats.games.pack import pack_games
from flowload.formats.games.packed import PackedGames
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.rows.npy import NpyRows
from flowload.graph import Graph
from flowload.kernels.rows.bijection import ROUNDS
from flowload.sample import sample_path
from flowload.stages.batches.arrays.buffer_layout import batch_bytes
from flowload.stages.batches.arrays.collate import Collate, Part
from flowload.stages.batches.bundle import MOST, SWIFT, TARGET, bundle, how_many
from flowload.stages.device.to_cpu import ToCpu
from flowload.stages.rows.arrays import Arrays, CountedTable
from flowload.stages.rows.selection import PermutedRows, RowList, RowRange
from flowload.testing import check_stage
from tests.formats.molecules.packs import content, write
from tests.runtime.reading import FACES, Face
from tests.stages.cutting import arrays_of, cut, frames_of
from tests.stages.fakes import FakeCall
from tests.stages.toy_rows import ToyRecords


def made_of(
    blocks: Iterable[Part], size: int, call: FakeCall, *, bundled: bool, layout: str | None = None
) -> tuple[list[Batch], list[int]]:
    """The batches, and how many came together."""
    fold, encode = cut(size), Collate(layout, None)
    fold.cut = replace(fold.cut, together=encode.together if bundled else None)
    pieces = [piece for block in blocks for piece in fold.push(block, call)]
    made = [encode.apply(piece, call) for piece in [*pieces, *fold.flush(call)]]
    parts = [block.bundled if isinstance(block, Bundle) else (block,) for block in made if block is not None]
    batches = [batch for bundle in parts for batch in bundle if isinstance(batch, Batch)]
    return batches, [len(bundle) for bundle in parts]


def same(blocks: Callable[[], list[Part]], size: int, layout: str | None = None) -> list[int]:
    """Check batches that come together against those that come alone; how many came together."""
    calls = FakeCall(on_error="skip"), FakeCall(on_error="skip")
    alone, _ = made_of(blocks(), size, calls[0], bundled=False, layout=layout)
    found, counts = made_of(blocks(), size, calls[1], bundled=True, layout=layout)
    assert len(found) == len(alone)
    for one, two in zip(found, alone, strict=True):
        assert list(one.deliver()) == list(two.deliver())
        for key, array in two.deliver().items():
            np.testing.assert_array_equal(one.deliver()[key], array)
            assert one.deliver()[key].dtype == array.dtype
    assert calls[0].drops == calls[1].drops
    assert len(calls[0].rejects) == len(calls[1].rejects)
    return counts


def rows_of(records: Any, blocks: Sequence[Sequence[int]]) -> list[Part]:
    """References to rows."""
    table = records.open()
    return [Rows(table, RowList(np.array(block, np.int64)), records) for block in blocks]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 9))
def test_arrays_by_row(sizes: list[int], size: int) -> None:
    records = Arrays({"x": np.arange(80, dtype=np.float32).reshape(40, 2), "y": np.arange(40)})
    same(lambda: rows_of(records, [range(40)[:n] for n in sizes]), size)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 9), st.sampled_from(["f", "a"]))
def test_frames_and_arrays(sizes: list[int], size: int, kind: str) -> None:
    same(lambda: list(frames_of(sizes) if kind == "f" else arrays_of(sizes)), size)


def test_columns_of_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(90, dtype=np.float32).reshape(30, 3))
    assert same(lambda: rows_of(NpyRows(tmp_path), [range(30)]), 4) == [7, 1]


@pytest.mark.parametrize("layout", ["physnet", "masked"])
@pytest.mark.parametrize("pairs", ["molecule", "batch", "none"])
def test_molecules(layout: str, pairs: Any, tmp_path: Path) -> None:
    folder = write(tmp_path / "set", content([3, 1, 7, 5, 2, 7, 4, 6, 1, 1, 3]))
    records = PackedMolecules(folder, 7, pairs)
    assert same(lambda: rows_of(records, [range(11), [3, 2, 1]]), 3, layout) == [3, 1, 1]


def test_an_order_that_the_kernel_computes_gives_the_rows_of_its_numbers(tmp_path: Path) -> None:
    games = tmp_path / "games"
    pack_games(sample_path("games"), games)
    known: list[tuple[Any, int]] = [
        (PackedMolecules(write(tmp_path / "set", content([3, 1, 7, 5, 2, 7, 4, 6, 1, 1, 3])), 7), 11),
        (PackedGames(games), 2000),
    ]
    for records, count in known:
        table, keys = records.open(), np.random.default_rng(1).integers(0, 2**32, ROUNDS, np.uint64)
        order = PermutedRows(RowRange(0, count), keys, RowRange(0, count))
        for bundled in (False, True):
            parts: tuple[list[Part], ...] = tuple(
                [Rows(table, picks, records)] for picks in (order, RowList(order.array()))
            )
            found, wanted = (made_of(part, 3, FakeCall(), bundled=bundled)[0] for part in parts)
            for one, two in zip(found, wanted, strict=True):
                for key, array in two.deliver().items():
                    np.testing.assert_array_equal(one.deliver()[key], array)


VARIED: list[dict[str, Any]] = [
    {"num_atoms": None},
    {"num_atoms": None, "pairs": "batch"},
    {"num_atoms": 7, "pairs": "real"},
    {"num_atoms": None, "pairs": "real", "cutoff": 2.0},
]


@pytest.mark.parametrize("layout", ["physnet", "masked"])
@pytest.mark.parametrize("given", VARIED)
def test_molecules_that_share_no_shape_are_made_together(
    given: dict[str, Any], layout: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set", content([3, 1, 7, 5, 2, 7, 4, 6, 1]))
    records = PackedMolecules(folder, **given)
    assert same(lambda: rows_of(records, [range(9), [0, 2, 1, 8]]), 2, layout) == [4, 1, 1, 1]
    (batch, *_), _ = made_of(rows_of(records, [range(9)]), 2, call := FakeCall(), bundled=True, layout=layout)
    assert batch.arrays["Z"].shape == (2, given["num_atoms"] or 3)
    assert all(nbytes < how_many_bytes(records, layout) for nbytes in call.leases)


def how_many_bytes(records: PackedMolecules, layout: str) -> int:
    """Bytes at most of four batches of two molecules."""
    fields, beside = records.open().most(layout, 2)
    return 4 * (batch_bytes(fields, 2) + beside) + 1


def test_a_bad_molecule_among_those_that_share_no_shape_is_missing_alone(tmp_path: Path) -> None:
    arrays = content([3, 1, 9, 5, 2, 7, 4, 6, 8, 1])
    arrays["R_pack.f32"][3] = np.nan
    folder = write(tmp_path / "set", arrays)
    unlike: list[dict[str, Any]] = [
        {"num_atoms": None},
        {"num_atoms": 7, "pairs": "real", "too_large": "drop"},
    ]
    for options in unlike:
        records = PackedMolecules(folder, **options)
        assert same(lambda: rows_of(records, [range(10)]), 2) == [5]  # noqa: B023 - called at once


def test_padding_is_counted_batch_by_batch(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", content([3, 1, 7, 5, 2, 7]))
    graph = fl.rows(PackedMolecules(folder)) >> fl.batch(2)
    with graph.iterate() as batches:
        shapes = [batch["Z"].shape for batch in batches]
        assert shapes == [(2, 3), (2, 7), (2, 7)]
        gauges = batches.stats().stages["batch"].gauges
    assert gauges["padding_efficiency"] == pytest.approx(25 / 34)


@pytest.mark.parametrize("too_large", ["drop", "raise"])
def test_molecules_that_cannot_be_delivered_are_missing_from_their_batch_alone(
    too_large: Any, tmp_path: Path
) -> None:
    arrays = content([3, 1, 9, 5, 2, 7, 4, 6, 8, 1])
    arrays["R_pack.f32"][3] = np.nan
    records = PackedMolecules(write(tmp_path / "set", arrays), 7, "batch", too_large=too_large)
    assert same(lambda: rows_of(records, [range(10)]), 2) == [5]


class Refusing(CountedTable):
    """Cannot write row 5."""

    def write(
        self, layout: str, rows: Numbers, out: Mapping[str, NDArray[Any]], call: Call
    ) -> Mapping[str, NDArray[Any]]:
        if 5 in rows:
            raise DataError("bad", where="row 5")
        return super().write(layout, rows, out, call)


def test_a_bad_row_costs_its_batch_and_no_other() -> None:
    blocks: list[Part] = [Rows(Refusing(12), RowList(np.arange(12)))]
    call = FakeCall(on_error="skip")
    found, counts = made_of(blocks, 2, call, bundled=True)
    assert counts == [5]
    assert [batch.arrays["index"].tolist() for batch in found] == [[0, 1], [2, 3], [6, 7], [8, 9], [10, 11]]
    assert [batch.more for batch in found] == [False, True, True, True, True]
    assert call.drops == {"bad": 2}
    with pytest.raises(DataError, match="bad"):
        made_of(blocks, 2, FakeCall(), bundled=True)


def test_where_all_are_bad_nothing_comes() -> None:
    call = FakeCall(on_error="skip")
    assert made_of([Rows(Refusing(12), RowList(np.array([5, 5])))], 1, call, bundled=True) == ([], [])
    assert call.drops == {"bad": 2}


def test_of_a_bundle_the_first_alone_was_waited_for() -> None:
    made = bundle({"x": np.arange(12)}, 4, {"constant": np.arange(2)})
    assert [part.more for part in made.bundled] == [False, True, True]
    assert [part.arrays["x"].tolist() for part in made.bundled] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]
    assert (len(made), made.nbytes) == (12, 96)


def test_as_many_travel_together_as_are_small() -> None:
    for swift, target in ((False, TARGET), (True, SWIFT)):
        assert [how_many(size, swift=swift) for size in (target, target + 1, 99 * target)] == [1, 1, 1]
        assert how_many(target // 2, swift=swift) == 2
        assert how_many(1, swift=swift) == how_many(0, swift=swift) == MOST


def drawn(size: int, rows: int = 40) -> Graph:
    return fl.rows({"x": np.arange(rows)}) >> fl.shuffle() >> fl.batch(size)


@pytest.mark.parametrize("face", FACES)
def test_the_reader_gets_batches_and_goes_on_within_a_bundle(face: Face) -> None:
    seen: list[list[int]] = []

    def note(batch: dict[str, Any], _: Any) -> bool:
        seen.append(batch["x"].tolist())
        return True

    face.use(drawn(4), note, seed=3, epochs=2)
    assert [len(batch) for batch in seen] == [4] * 20
    assert sorted(number for batch in seen[:10] for number in batch) == list(range(40))
    whole, seen = seen, []
    states: list[Any] = []

    def stop(batch: dict[str, Any], batches: Any) -> bool:
        seen.append(batch["x"].tolist())
        states.append(batches.state_dict())
        return len(seen) < 7

    face.use(drawn(4), stop, seed=3, epochs=2)
    face.use(drawn(4), note, seed=3, epochs=2, state=states[-1])
    assert seen == whole


def test_the_books_count_batches() -> None:
    with drawn(4).iterate() as batches:
        for _ in range(3):
            next(batches)
        assert batches.stats().blocks_delivered == 3
        assert batches.stats().delivered == 12
        assert len(list(batches)) == 7
        stats = batches.stats()
    assert (stats.blocks_delivered, stats.delivered, stats.finished) == (10, 40, True)


def test_two_threads_share_what_is_at_hand() -> None:
    both = Barrier(2)  # a loop that begins when the other has read everything is refused

    def numbers(_: int) -> list[int]:
        loop = iter(batches)
        both.wait()
        return [int(batch["x"][0]) for batch in loop]

    with drawn(1, 500).iterate() as batches, ThreadPoolExecutor(2) as threads:
        parts = threads.map(numbers, range(2))
        assert sorted(number for part in parts for number in part) == list(range(500))


def test_a_run_that_is_left_lets_go_of_what_is_at_hand() -> None:
    with drawn(1, 500).iterate() as batches:
        first = next(batches)
    assert first["x"].shape == (1,)
    with pytest.raises(ClosedRun):
        next(batches)


def test_a_map_behind_gets_batches() -> None:
    seen = []

    def note(batch: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        seen.append(len(batch["x"]))
        return {**batch, "number": rng.integers(0, 1 << 60, len(batch["x"]))}

    with (drawn(4) >> fl.map(note, random=True, workers=1)).iterate() as batches:
        assert len({batch["number"][0] for batch in batches}) == 10
    assert seen == [4] * 10


def test_tensors_travel_together_too() -> None:
    placed = (drawn(4) >> fl.to_device("cpu")).plan.nodes
    assert [node.setting().bundles for node in placed if node.name == "batch"] == [True]
    with (drawn(4) >> fl.to_device("cpu")).iterate(seed=1) as tensors, drawn(4).iterate(seed=1) as arrays:
        for one, two in zip(tensors, arrays, strict=True):
            assert isinstance(one["x"], torch.Tensor)
            assert one["x"].tolist() == two["x"].tolist()


def test_pairs_are_one_tensor_for_all_and_arrays_are_nobodys_but_their_batchs(tmp_path: Path) -> None:
    records = PackedMolecules(write(tmp_path / "set", content([3, 1, 2, 3, 3, 1])), 3, "batch")
    graph = fl.rows(records) >> fl.batch(2)
    with graph.iterate() as arrays, (graph >> fl.to_device("cpu")).iterate() as tensors:
        wanted, found = list(arrays), list(tensors)
    assert [list(batch) for batch in found] == [list(batch) for batch in wanted]
    for one, two in zip(found, wanted, strict=True):
        for key, array in two.items():
            np.testing.assert_array_equal(one[key].numpy(), array)
        assert one["dst_idx"] is found[0]["dst_idx"]
    before = found[1]["R"]._version
    found[0]["R"].zero_()  # in place: autograd must not think that the others were written to
    assert found[1]["R"]._version == before
    assert found[1]["R"].abs().sum() > 0


def test_a_bundle_with_a_gap_becomes_tensors_too() -> None:
    block = Bundle.of(one_by_one := [Batch({"x": np.arange(2)}, {"y": np.arange(k)}) for k in range(3)])
    made = ToCpu().apply(block, FakeCall())
    assert isinstance(made, Bundle)
    for batch, wanted in zip(made.bundled, one_by_one, strict=True):
        assert batch.whole["y"].tolist() == wanted.whole["y"].tolist()


def test_the_exam() -> None:
    assert check_stage(drawn(4), epochs=2)
    assert check_stage(fl.rows(ToyRecords(40)) >> fl.batch(3), epochs=2)
