from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from flowload.blocks import Chunks, Frames
from flowload.errors import DataError
from flowload.stages.chunks.inflate.decompress import Decompress
from flowload.stages.chunks.inflate.sampling import Sampling
from flowload.stages.chunks.source_table import concatenate
from tests.stages.fakes import FakeCall
from tests.stages.toy import NARROW, STRIDE, check_origin, toy_file, used


def inflate(
    chunks: Chunks, call: FakeCall, *, seed: int = 3, limit: int = 1 << 20, **rule: int
) -> Frames | None:
    operator = Decompress(Sampling(**rule), seed=seed, limit=limit)
    try:
        return operator.apply(chunks, call)
    finally:
        operator.close()


def test_everything_comes_in_the_chunks_own_order_without_a_copy(tmp_path: Path) -> None:
    chunks = toy_file(tmp_path, [3, 1, 20])
    call = FakeCall()
    frames = inflate(chunks, call)
    assert frames is not None
    assert check_origin(frames) == [
        (0, chunk, record) for chunk, count in enumerate([3, 1, 20]) for record in range(count)
    ]
    assert call.entered == 24
    assert not call.drops
    assert len(call.leases) == 1
    assert frames.data.flags.writeable
    assert frames.data.flags.c_contiguous


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 3, 7])
def test_over_one_pth_uses_every_record_comes_once(tmp_path: Path, parts: int) -> None:
    chunks = toy_file(tmp_path, [1, 7, 40])
    seen: Counter[tuple[int, int, int]] = Counter()
    for use in range(parts):
        call = FakeCall()
        frames = inflate(used(chunks, use), call, num=1, den=parts)
        rows = check_origin(frames) if frames else []
        assert rows == sorted(rows)
        assert call.entered == 48
        assert call.drops["not sampled"] == 48 - len(rows)
        seen.update(rows)
    assert len(seen) == 48
    assert set(seen.values()) == {1}


def test_a_count_takes_so_many_or_all(tmp_path: Path) -> None:
    chunks = toy_file(tmp_path, [2, 5, 40])
    frames = inflate(chunks, FakeCall(), count=5)
    assert frames is not None
    assert Counter(chunk for _, chunk, _ in check_origin(frames)) == {0: 2, 1: 5, 2: 5}
    assert len(set(check_origin(frames))) == 12


@pytest.mark.parametrize("rule", [{}, {"num": 1, "den": 2}, {"count": 6}])
def test_a_cap_keeps_some_of_the_same_records(tmp_path: Path, rule: dict[str, int]) -> None:
    chunks = toy_file(tmp_path, [30, 30])
    whole = inflate(chunks, FakeCall(), **rule)
    chunks.table["cap"] = [4, 0]
    call = FakeCall()
    capped = inflate(chunks, call, **rule)
    assert whole is not None
    assert capped is not None
    assert len(check_origin(capped)) == 4
    assert set(check_origin(capped)) <= {row for row in check_origin(whole) if row[1] == 0}
    assert call.drops["cut to equal ranks"] == len(whole) - 4
    assert call.entered == 60 == len(capped) + call.drops.total()


@pytest.mark.parametrize("rule", [{}, {"num": 1, "den": 2}])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("claim", [None, -1, 1, 1 << 19])
def test_record_sizes_may_mix_and_claims_may_lie(
    tmp_path: Path, rule: dict[str, int], order: tuple[int, ...], claim: int | None
) -> None:
    files = [
        toy_file(tmp_path, [9, 4], tag=0),
        toy_file(tmp_path, [8, 6], tag=1, stride=NARROW),
        toy_file(tmp_path, [7], tag=2),
    ]
    chunks = concatenate([files[i] for i in order])
    if claim is not None:
        chunks.table["inflated"] = claim
    call = FakeCall()
    frames = inflate(chunks, call, **rule)
    assert frames is not None
    assert frames.data.shape[1] == STRIDE
    rows = check_origin(frames)
    assert call.entered == 34 == len(rows) + call.drops["not sampled"]
    narrow = np.array([tag == 1 for tag, _, _ in rows])
    np.testing.assert_array_equal(frames.data[:, 12], np.where(narrow, NARROW, STRIDE))
    filling = np.array([record % 251 for _, _, record in rows], np.uint8)
    np.testing.assert_array_equal(frames.data[~narrow, 20], filling[~narrow])


def test_a_bad_chunk_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    chunks = toy_file(tmp_path, [3, 4, 5], bad=frozenset({1}))
    with pytest.raises(DataError, match=r"0\.toy: game 1: bad bytes; found .*; wanted zlib"):
        inflate(chunks, FakeCall())
    call = FakeCall(on_error="skip")
    frames = inflate(chunks, call)
    assert frames is not None
    assert len(check_origin(frames)) == 8
    assert call.drops == {"bad bytes": 1}
    assert call.entered == 9


def test_nothing_left_is_none(tmp_path: Path) -> None:
    chunks = toy_file(tmp_path, [3], bad=frozenset({0}))
    assert inflate(chunks, FakeCall(on_error="skip")) is None


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too large"):
        inflate(toy_file(tmp_path, [100]), FakeCall(), limit=1000)


def test_a_file_that_vanished_is_bad_data(tmp_path: Path) -> None:
    chunks = toy_file(tmp_path, [3, 3])
    Path(chunks.sources[0].path).unlink()
    with pytest.raises(DataError, match=r"0\.toy: .*vanished; found No such file"):
        inflate(chunks, FakeCall())
    call = FakeCall(on_error="skip")
    assert inflate(chunks, call) is None
    assert call.drops == {"vanished": 2}


def test_the_choice_depends_on_seed_file_chunk_and_use_only(tmp_path: Path) -> None:
    chunks = toy_file(tmp_path, [50, 50, 50])
    together = inflate(chunks, FakeCall(number=4), num=1, den=2)
    assert together is not None
    alone = [inflate(chunks.select(slice(i, i + 1)), FakeCall(), num=1, den=2) for i in range(3)]
    assert check_origin(together) == [row for part in alone if part is not None for row in check_origin(part)]
    other = inflate(chunks, FakeCall(), seed=4, num=1, den=2)
    assert other is not None
    assert check_origin(other) != check_origin(together)
