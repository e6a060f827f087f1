"""Games of Yolah, replayed move by move: each checked against the rules, each position packed.

A packed position is a row of four little-endian words of 64 bits, of which one cache line holds two: black,
white and destroyed squares, their bytes reversed so that the most significant bit comes first in memory, and
then a word with the turn in byte 0 and the outcome in byte 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.words import byte_at

from .onehot import reversed_bytes

__all__ = [
    "COUNTS",
    "FAULT",
    "FINE",
    "ILLEGAL_MOVE",
    "ILLEGAL_PASS",
    "TOO_MANY_RANDOM",
    "WRONG_SCORE",
    "replay",
    "survey",
]

#: What `replay` and `survey` find, the first word of a fault.
FINE, TOO_MANY_RANDOM, ILLEGAL_MOVE, ILLEGAL_PASS, WRONG_SCORE = range(5)

COUNTS = 4  #: of `survey`
FAULT = 6  #: words of a fault: what, byte of the game, game, ply, and two that were found or wanted

ZERO, ONE, EIGHT = np.uint64(0), np.uint64(1), np.uint64(8)
BLACK = np.uint64(0x8000000810000001)
WHITE = np.uint64(0x0100001008000080)
NOT_A = np.uint64(0xFEFEFEFEFEFEFEFE)  # without the first column
NOT_H = np.uint64(0x7F7F7F7F7F7F7F7F)  # without the last

FNV_BASIS = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)


@kernel
def survey(data: Bytes, counts: NDArray[np.int64], fault: NDArray[np.int64]) -> int:
    """Count what the whole games at the beginning of `data` will give; the bytes that they take.

    Args:
        counts: to which games, games that are skipped, samples, and games without a move are added.
        fault: (FAULT,), whose first word is FINE; on a fault the count ends before that game.
    """
    at = 0
    while at + 2 <= len(data):
        moves, drawn = byte_at(data, at), byte_at(data, at + 1)
        if drawn > moves:
            blame(fault, TOO_MANY_RANDOM, at, counts[0], 0, drawn, moves)
            break
        size = 4 + 2 * moves
        if at + size > len(data):
            break
        counts[0] += 1
        counts[1] += drawn == moves
        counts[2] += 0 if drawn == moves else moves - drawn + 1
        counts[3] += moves == 0
        at += size
    return at


@kernel
def blame(fault: NDArray[np.int64], what: int, at: int, game: int, ply: int, found: int, wanted: int) -> None:
    """Say what is wrong."""
    fault[0], fault[1], fault[2], fault[3], fault[4], fault[5] = what, at, game, ply, found, wanted


@kernel
def replay(
    data: Bytes, rows: NDArray[np.uint64], games: NDArray[np.uint64], first: int, fault: NDArray[np.int64]
) -> int:
    """Replay whole games; how many of them gave samples.

    Args:
        data: the games, as `survey` found them.
        rows: (samples, 4), the packed positions.
        games: (games that give samples, 2): the row that each begins with, and a hash of its moves.
        first: the row of `rows[0]` among all.
        fault: (FAULT,), whose first word is FINE; on a fault all ends before that game.
    """
    at, game, told, row = 0, 0, 0, 0
    while at < len(data):
        moves, drawn = byte_at(data, at), byte_at(data, at + 1)
        label, key = play(data, at, rows[row:], fault)
        if fault[0] != FINE:
            fault[2] = game
            break
        if drawn < moves:
            count = moves - drawn + 1
            for i in range(row, row + count):
                rows[i, 3] |= np.uint64(label) << EIGHT
            games[told, 0], games[told, 1] = np.uint64(first + row), key
            told += 1
            row += count
        at += 4 + 2 * moves
        game += 1
    return told


@kernel
def play(data: Bytes, at: int, rows: NDArray[np.uint64], fault: NDArray[np.int64]) -> tuple[int, np.uint64]:
    """Replay the game at byte `at`, all its positions from the last random one on to `rows`.

    Returns the outcome (0 black wins, 1 draw, 2 white wins), and FNV-1a of the bytes of its moves.
    """
    moves, drawn = byte_at(data, at), byte_at(data, at + 1)
    board = np.array([BLACK, WHITE, ZERO])
    scores = np.zeros(2, np.int64)
    key = FNV_BASIS
    for ply in range(moves + 1):
        if drawn <= ply and drawn < moves:
            write(rows, ply - drawn, board, ply & 1)
        if ply < moves:
            source, target = byte_at(data, at + 2 + 2 * ply), byte_at(data, at + 3 + 2 * ply)
            key = (((key ^ np.uint64(source)) * FNV_PRIME) ^ np.uint64(target)) * FNV_PRIME
            what = move(board, scores, ply & 1, source, target)
            if what != FINE:
                blame(fault, what, at, 0, ply, source, target)
                return 0, key
    for side in range(2):
        told = byte_at(data, at + 2 + 2 * moves + side)
        if scores[side] != told:
            blame(fault, WRONG_SCORE, at, 0, side, told, int(scores[side]))
            break
    return (1 if scores[0] == scores[1] else 0 if scores[0] > scores[1] else 2), key


@kernel
def move(board: NDArray[np.uint64], scores: NDArray[np.int64], side: int, source: int, target: int) -> int:
    """Make one move, or pass, if the rules allow it; what is wrong with it."""
    taken = board[0] | board[1] | board[2]
    if source == 0 and target == 0:
        return ILLEGAL_PASS if near(board[side]) & ~taken else FINE
    if not legal(board[side], taken, source, target):
        return ILLEGAL_MOVE
    left = ONE << np.uint64(source)
    board[side] = (board[side] ^ left) | (ONE << np.uint64(target))
    board[2] |= left
    scores[side] += 1
    return FINE


@kernel
def write(rows: NDArray[np.uint64], i: int, board: NDArray[np.uint64], turn: int) -> None:
    """Pack a position, still without its outcome."""
    for k in range(3):
        rows[i, k] = reversed_bytes(board[k])
    rows[i, 3] = np.uint64(turn)


@kernel
def near(pieces: np.uint64) -> np.uint64:
    """All squares that touch a piece; a piece can move if one of them is free."""
    row = pieces | ((pieces << ONE) & NOT_A) | ((pieces >> ONE) & NOT_H)
    return (row | (row << EIGHT) | (row >> EIGHT)) & ~pieces


@kernel
def legal(mine: np.uint64, taken: np.uint64, source: int, target: int) -> bool:
    """Whether a piece of mine goes from one square to another as a queen does, over free squares only."""
    if source > 63 or target > 63 or source == target or not (mine >> np.uint64(source)) & ONE:
        return False
    up, right = target // 8 - source // 8, target % 8 - source % 8
    if up != 0 and right != 0 and abs(up) != abs(right):
        return False
    step = 8 * np.sign(up) + np.sign(right)
    for k in range(1, max(abs(up), abs(right)) + 1):
        if (taken >> np.uint64(source + k * step)) & ONE:
            return False
    return True
