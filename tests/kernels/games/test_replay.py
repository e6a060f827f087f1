from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels.games import replay as kernels
from flowload.kernels.games.replay import COUNTS, FAULT, FINE, replay, survey
from tests.kernels.games import naive as naive_games
from tests.kernels.games.naive import BadGameError, play_game

WORDS = {
    kernels.TOO_MANY_RANDOM: "more random moves than moves",
    kernels.ILLEGAL_MOVE: "illegal move",
    kernels.ILLEGAL_PASS: "illegal pass",
    kernels.WRONG_SCORE: "wrong score",
}

lengths = st.sampled_from([0, 1, 2, 5, 70])
games = st.lists(st.builds(play_game, st.integers(0, 10**6), lengths, st.integers(0, 70)), max_size=3)
Rows = NDArray[np.uint64]


def surveyed(data: bytes) -> tuple[int, list[int], list[int]]:
    counts, fault = np.zeros(COUNTS, np.int64), np.zeros(FAULT, np.int64)
    size = survey(np.frombuffer(data, np.uint8), counts, fault)
    return size, counts.tolist(), fault.tolist()


def replayed(data: bytes, first: int = 0) -> tuple[Rows, Rows, list[int]]:
    """Rows, games, fault; what must not be written stays 7."""
    _, (count, skipped, samples, _), _ = surveyed(data)
    rows, told = np.full((samples + 1, 4), 7, np.uint64), np.full((count - skipped + 1, 2), 7, np.uint64)
    fault = np.zeros(FAULT, np.int64)
    number = replay(np.frombuffer(data, np.uint8), rows[:-1], told[:-1], first, fault)
    assert (rows[-1] == 7).all()
    assert (told[-1] == 7).all()
    return rows[:-1], told[:number], fault.tolist()


def unpacked(rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features and outcomes, by numpy."""
    octets = rows.view(np.uint8)
    assert not octets[:, 26:].any()
    return np.hstack([np.unpackbits(octets[:, :24], axis=1), octets[:, 24:25]]), octets[:, 25]


def verdict(data: bytes) -> tuple[Any, ...] | None:
    """What the kernels say is wrong, in the twin's words."""
    size, (count, *_), fault = surveyed(data)
    if fault[0] == FINE and size < len(data):
        return "truncated game", size, count
    if fault[0] == FINE:
        fault = replayed(data)[2]
    what, at, game, ply = fault[:4]
    if what == FINE:
        return None
    if what == kernels.TOO_MANY_RANDOM:
        return WORDS[what], at, game
    if what == kernels.WRONG_SCORE:
        moves = data[at]
        return WORDS[what], at + 2 + 2 * moves + ply, game, moves - 1
    return WORDS[what], at + 2 + 2 * ply, game, ply


@given(games, st.integers(0, 10**9))
def test_positions_are_those_of_the_naive_twin(parts: list[bytes], first: int) -> None:
    data = b"".join(parts)
    wanted = naive_games.replay(data)
    size, counts, fault = surveyed(data)
    samples = [sample for game in wanted for sample in game]
    assert (size, counts) == (
        len(data),
        [len(parts), len(parts) - len(wanted), len(samples), sum(game[0] == 0 for game in parts)],
    )
    assert fault[0] == FINE
    rows, told, fault = replayed(data, first)
    assert fault[0] == FINE
    features, outcomes = unpacked(rows)
    assert features.tolist() == [features for features, _ in samples]
    assert outcomes.tolist() == [outcome for _, outcome in samples]
    starts = np.cumsum([0, *map(len, wanted)])[:-1]
    assert told[:, 0].tolist() == [first + start for start in starts.tolist()]


@given(games)
def test_a_game_is_known_by_its_moves(parts: list[bytes]) -> None:
    _, told, _ = replayed(b"".join(parts))
    assert told[:, 1].tolist() == [naive_games.fnv(game[2:-2]) for game in parts if game[0] > game[1]]


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(0, 40), st.data())
def test_a_changed_byte_is_found_where_the_twin_finds_it(seed: int, drawn: int, data: st.DataObject) -> None:
    whole = bytearray(play_game(seed + 1, 70, 0) + play_game(seed, 70, drawn))
    where = data.draw(st.integers(0, len(whole) - 1))
    whole[where] = data.draw(st.one_of(st.integers(0, 66), st.integers(0, 255)))
    compare(bytes(whole))


@given(st.integers(0, 10**6), st.data())
def test_a_file_that_is_cut_is_found(seed: int, data: st.DataObject) -> None:
    whole = play_game(seed, 70, 3) * 2
    compare(whole[: data.draw(st.integers(0, len(whole)))])


@given(st.binary(max_size=40))
@example(bytes([2, 0, 0, 1, 7, 6, 1, 1]))
@example(bytes([1, 0, 0, 0, 0, 0]))
@example(bytes([1, 0, 64, 3, 1, 0]))
@example(bytes([1, 0, 0, 255, 1, 0]))
@example(bytes([0, 0, 0, 0]))
@example(bytes([0, 0, 1, 0]))
def test_any_bytes(data: bytes) -> None:
    compare(data)


def compare(data: bytes) -> None:
    assert verdict(data) == naive_verdict(data)


def naive_verdict(data: bytes) -> tuple[Any, ...] | None:
    try:
        naive_games.replay(data)
    except BadGameError as error:
        return error.wrong
    return None


@pytest.mark.parametrize("target", range(64))
def test_every_first_move_is_judged_as_by_the_twin(target: int) -> None:
    for source in range(64):
        for scores in ([1, 0], [0, 0]):
            compare(bytes([1, 0, source, target, *scores]))


def test_the_first_position_is_the_one_of_the_rules() -> None:
    rows, _, _ = replayed(bytes([1, 0, 0, 1, 1, 0]))
    black, white, gone = (rows[0, k].byteswap() for k in range(3))
    assert (black, white, gone) == (0x8000000810000001, 0x0100001008000080, 0)
    assert rows[0, 3] == 0  # black to move; black wins
    assert rows[1, 3] == 1


def test_the_outcome_is_by_score() -> None:
    for seed in range(20):
        game = play_game(seed, 70, 0)
        black, white = game[-2:]
        rows, _, _ = replayed(game)
        assert set(unpacked(rows)[1].tolist()) == {1 - (black > white) + (white > black)}


def test_passes_are_played() -> None:
    games = [play_game(seed, 70, 0) for seed in range(60)]
    with_pass = [
        game for game in games if any(game[at : at + 2] == b"\0\0" for at in range(2, len(game) - 2, 2))
    ]
    assert with_pass
    for game in with_pass:
        compare(game)
