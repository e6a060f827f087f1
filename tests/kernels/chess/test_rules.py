from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.formats.lc0.records import INPUT_FORMATS, RECORDS
from flowload.kernels.chess.packing import pack_records
from flowload.kernels.chess.rules import first_broken, first_wrong_policy, have_policies
from tests.kernels import naive, strategies

NUMBERS = [0.0, -0.0, 1.0, -1.0, 1.0000001, -1.0000001, 0.5, np.nan, np.inf, -np.inf, -1e-30, 3e38, 2.0]
FLOATS = [*naive.SEARCH, *naive.MOVES, *naive.GAME, "q_st", "d_st", "policy_kld"]
BYTES = ["castling_us_ooo", "castling_us_oo", "castling_them_ooo", "castling_them_oo"]
BYTES += ["side_to_move_or_enpassant", "rule50_count", "invariance_info"]


def sound(version: int, form: int, count: int = 1, seed: int = 0) -> Bytes:
    rng = np.random.default_rng(seed)
    return np.stack([strategies.sound_record(version, form, rng) for _ in range(count)])


def all_of(records: Bytes) -> np.ndarray:
    return np.arange(len(records))


@given(st.sampled_from(list(RECORDS)), st.sampled_from(INPUT_FORMATS), st.integers(0, 2**32))
def test_sound_records_keep_the_rules(version: int, form: int, seed: int) -> None:
    records = sound(version, form, 3, seed)
    assert first_broken(records) == first_wrong_policy(records, all_of(records)) == -1
    assert all(naive.keeps_rules(naive.parse(r.tobytes())) for r in records)
    assert all(naive.has_policy(naive.parse(r.tobytes())) for r in records)


@pytest.mark.parametrize("version", RECORDS)
@pytest.mark.parametrize("form", INPUT_FORMATS)
def test_one_value_at_a_time_against_the_slow_twin(version: int, form: int) -> None:
    names = RECORDS[version].names or ()
    values: list[tuple[str, float]] = [(name, x) for name in FLOATS if name in names for x in NUMBERS]
    values += [(name, x) for name in BYTES for x in (0, 1, 2, 3, 4, 128, 129, 100, 101, 255)]
    values += [(name, x) for name in ("played_idx", "best_idx", "visits") for x in (0, 1, 1857, 1858, 65535)]
    verdicts = set()
    for name, value in values:
        records = sound(version, form, 3)
        if name not in names:
            continue
        records.view(RECORDS[version])[name][1] = value
        kept = naive.keeps_rules(naive.parse(records[1].tobytes()))
        assert first_broken(records) == (-1 if kept else 1), (name, value)
        verdicts.add(kept)
    assert verdicts == {True, False}


@given(
    st.sampled_from(list(RECORDS)),
    st.sampled_from(INPUT_FORMATS),
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=4),
)
def test_any_bytes_against_the_slow_twin(
    version: int, form: int, seed: int, changes: list[tuple[int, int]]
) -> None:
    records = sound(version, form, 2, seed)
    size = records.shape[1]
    begin = size - (124 if version == 7 else 84)  # most of what is behind the planes
    for at, value in changes:
        records[1, begin + at % (size - begin)] = value
    kept = naive.keeps_rules(naive.parse(records[1].tobytes()))
    assert first_broken(records) == (-1 if kept else 1)


@given(
    st.sampled_from(list(RECORDS)),
    st.integers(0, 2**32),
    st.lists(
        st.tuples(st.integers(0, 1857), st.sampled_from([*NUMBERS, 0.009, 0.011, 0.99, 1.01])), max_size=3
    ),
    st.sampled_from([1.0, 0.99, 0.9899, 1.01, 1.0101]),
)
def test_policies_against_the_slow_twin_packed_or_not(
    version: int, seed: int, changes: list[tuple[int, float]], scale: float
) -> None:
    records = sound(version, 1, 3, seed)
    policy = records.view(RECORDS[version])["probabilities"][1, 0]
    policy[policy > 0] *= np.float32(scale)
    for move, value in changes:
        policy[move] = value
    wanted = -1 if naive.has_policy(naive.parse(records[1].tobytes())) else 1
    rows = np.empty((3, 2112), np.uint8)
    assert pack_records(records, all_of(records), rows) == -1
    assert first_wrong_policy(records, all_of(records)) == wanted
    assert first_wrong_policy(rows, all_of(rows)) == wanted
    assert first_wrong_policy(rows, np.array([0, 2])) == -1
    assert have_policies(rows, 0, 3) == (wanted == -1)
    assert have_policies(rows, 0, 1)
    assert have_policies(rows, 2, 3)


@pytest.mark.parametrize("name", ["played_idx", "best_idx"])
def test_1858_is_no_move_even_where_nothing_was_searched(name: str) -> None:
    records = sound(6, 1)
    records.view(RECORDS[6])["visits"] = 0
    for move, wanted in ((1857, -1), (1858, 0)):
        records.view(RECORDS[6])[name] = move
        assert first_broken(records) == wanted


def test_no_records() -> None:
    assert first_broken(np.empty((0, 8356), np.uint8)) == -1
