"""How games are packed today: a loop of plain Python over moves, one process a core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from flowload.sample import sample_path

from .corpus import Rate

__all__ = ["python_rate", "replay"]

BLACK, WHITE = 0x8000000810000001, 0x0100001008000080


def python_rate(seconds: float) -> Rate:
    """Positions a second of one process that works for so long."""
    (path,) = (path for path in sample_path("games").iterdir() if path.is_file())
    rows, began, cpu = 0, perf_counter(), process_time()
    while True:
        for inputs, _ in replay(path):
            rows += len(inputs)
            if perf_counter() - began >= seconds:
                return Rate(rows / (perf_counter() - began), rows / (process_time() - cpu))


def replay(path: Path) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """The positions of each game, and its outcome; unlike ours, it believes every move."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        moves, drawn = data[at], data[at + 1]
        end = at + 2 + 2 * moves
        board = [BLACK, WHITE, 0]
        words = []
        for ply in range(moves + 1):
            if ply >= drawn:
                words.append((*board, ply & 1))
            if ply < moves:
                source, target = data[at + 2 + 2 * ply], data[at + 3 + 2 * ply]
                if source or target:
                    board[ply & 1] ^= (1 << source) | (1 << target)
                    board[2] |= 1 << source
        black, white = data[end], data[end + 1]
        at = end + 2
        if drawn < moves:
            yield np.array([features(*word) for word in words]), 1 - (black > white) + (white > black)


def features(black: int, white: int, gone: int, turn: int) -> NDArray[np.uint8]:
    """193 bytes."""
    octets = b"".join(word.to_bytes(8, "big") for word in (black, white, gone))
    return np.append(np.unpackbits(np.frombuffer(octets, np.uint8)), np.uint8(turn))
