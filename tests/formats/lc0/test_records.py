from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.formats.lc0.records import RECORDS, SIZES, check_chunk, check_rows, infer_records
from flowload.kernels.chess import records as kernel_records
from tests.kernels import naive, strategies

OFFSETS = {
    "version": 0, "input_format": 4, "probabilities": 8, "planes": 7440,
    "castling_us_ooo": 8272, "castling_us_oo": 8273, "castling_them_ooo": 8274, "castling_them_oo": 8275,
    "side_to_move_or_enpassant": 8276, "rule50_count": 8277, "invariance_info": 8278, "dep_result": 8279,
    "root_q": 8280, "best_q": 8284, "root_d": 8288, "best_d": 8292, "root_m": 8296, "best_m": 8300,
    "plies_left": 8304, "result_q": 8308, "result_d": 8312, "played_q": 8316, "played_d": 8320,
    "played_m": 8324, "orig_q": 8328, "orig_d": 8332, "orig_m": 8336, "visits": 8340, "played_idx": 8344,
    "best_idx": 8346, "policy_kld": 8348, "q_st": 8352,
    "d_st": 8356, "opp_played_idx": 8360, "next_played_idx": 8362, "reserved": 8364,
}  # fmt: skip


@pytest.mark.parametrize("version", RECORDS)
def test_fields_lie_where_the_format_says(version: int) -> None:
    record = RECORDS[version]
    assert SIZES[version] == record.itemsize == naive.SIZES[version] == kernel_records.size_of(version)
    shift = 0 if version >= 5 else -4
    assert record.fields is not None
    for name, (_, offset, *_) in record.fields.items():
        assert offset == OFFSETS[name] + (shift if name != "version" else 0)


def test_all_fields_are_there() -> None:
    assert set(RECORDS[7].names or ()) == set(OFFSETS)
    assert set(RECORDS[6].names or ()) == {name for name, offset in OFFSETS.items() if offset < 8356}


@given(st.sampled_from(list(SIZES)), st.integers(1, 400))
def test_records_are_inferred_from_sizes(version: int, count: int) -> None:
    size = SIZES[version]
    sizes = np.array([size * count, size * count + 1, 0, -1, -size])
    assert infer_records(sizes).tolist() == [count, -1, -1, -1, -1]


def test_what_two_record_sizes_divide_is_not_guessed() -> None:
    assert infer_records(np.array([np.lcm(8308, 8292)])).tolist() == [-1]


@given(strategies.games())
def test_a_game_is_a_chunk(game: Bytes) -> None:
    assert check_chunk(game.reshape(-1), "here") == game.shape[1]
    check_rows(game, "here")


def chunk(count: int = 3, version: int = 6) -> Bytes:
    rng = np.random.default_rng(0)
    return np.stack([strategies.record(version, 1, rng) for _ in range(count)])


def fails(data: Bytes, reason: str, where: str, found: str, wanted: str) -> None:
    with pytest.raises(DataError) as caught:
        check_chunk(np.ascontiguousarray(data).reshape(-1), "file, chunk")
    error = caught.value
    assert (error.reason, error.where, error.found, error.wanted) == (reason, where, found, wanted)


def test_an_empty_chunk() -> None:
    fails(np.empty(0, np.uint8), "empty chunk", "file, chunk", "0 bytes", "whole records")


@pytest.mark.parametrize("rest", [1, 3, 4, 100, 8355])
def test_a_size_that_is_not_whole_records(rest: int) -> None:
    data = chunk().reshape(-1)[: 2 * 8356 + rest]
    found = f"{len(data)} bytes: 2 records of version 6 and {rest} bytes"
    fails(data, "wrong record size", "file, chunk", found, "a multiple of 8356")


def test_fewer_bytes_than_a_version() -> None:
    fails(np.array([6, 0], np.uint8), "wrong record size", "file, chunk",
          "2 bytes: 0 records of version 6 and 2 bytes", "a multiple of 8356")  # fmt: skip


@pytest.mark.parametrize("version", [0, 2, 8, 2**32 - 1])
@pytest.mark.parametrize("at", [0, 2])
def test_an_unknown_version(version: int, at: int) -> None:
    data = chunk()
    data[at, :4] = np.array([version], np.uint32).view(np.uint8)
    fails(data, "unknown version", f"file, chunk, record {at}", str(version), "3, 4, 5, 6 or 7")


def test_versions_that_change_within_a_chunk() -> None:
    wanted = ("mixed versions", "file, chunk, record 3", "version 5", "6, as in record 0")
    fails(np.concatenate([chunk().reshape(-1), chunk(2, 5).reshape(-1)]), *wanted)
    data = chunk(5)
    data[3, 0] = 5
    fails(data, *wanted)


@pytest.mark.parametrize("form", [0, 6, 131, 134, 2**32 - 1])
def test_an_unknown_input_format(form: int) -> None:
    data = chunk()
    data[1, 4:8] = np.array([form], np.uint32).view(np.uint8)
    wanted = "one of 1, 2, 3, 4, 5, 132, 133"
    fails(data, "unknown input format", "file, chunk, record 1", str(form), wanted)


def test_a_bad_result() -> None:
    data = chunk(version=4)
    data[2, 8275] = 2
    fails(data, "bad result", "file, chunk, record 2", "2", "1, 0 or -1")


def test_rows_of_any_version_with_room_behind() -> None:
    rows = np.zeros((2, 8400), np.uint8)
    rows[0, :8356], rows[1, :8276] = chunk(1), chunk(1, 3)
    check_rows(rows, "here")
    check_rows(rows[:0], "here")


@pytest.mark.parametrize(("rows", "reason", "words"), [
    (np.zeros((2, 8400), np.uint8), "unknown version", "here, record 0"),
    (np.zeros((2, 100), np.uint8), "wrong record size", "rows of 100 bytes; wanted at least 1208"),
    (chunk(2, 7)[:, :8390], "wrong record size", "record 0.* a row of 8390 bytes; wanted 8396 for"),
])  # fmt: skip
def test_rows_that_are_no_records(rows: Bytes, reason: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        check_rows(np.ascontiguousarray(rows), "here")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "rows", [np.zeros(8356, np.uint8), np.zeros((2, 8356), np.int8), np.zeros((2, 8356))]
)
def test_rows_of_another_type(rows: Bytes) -> None:
    with pytest.raises(TypeError, match=r"wanted uint8 \(n, stride\)"):
        check_rows(rows, "here")
