"""Files of games for tests, and the samples that a slow replay finds in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import LayoutRecords
from flowload.testing.call import PlainCall
from tests.kernels.games import naive as naive_games
from tests.kernels.games.naive import play_game

__all__ = ["Arrays", "naive_arrays", "read_all", "some_games", "write_games"]

Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]


def some_games(count: int, first: int = 0, drawn: int = 5) -> list[bytes]:
    """Legal games, every third of them short and all random: it is skipped."""
    return [
        play_game(seed, 4, 4) if seed % 3 == 2 else play_game(seed, 70, drawn)
        for seed in range(first, first + count)
    ]


def write_games(folder: Path, files: int = 2, count: int = 4) -> list[Path]:
    """`games_0`, `games_1`, ... of so many games each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"games_{number}" for number in range(files)]
    for number, path in enumerate(paths):
        path.write_bytes(b"".join(some_games(count, count * number)))
    return paths


def naive_arrays(paths: Sequence[Path]) -> Arrays:
    """All samples of files, in order."""
    found = [sample for path in paths for game in naive_games.replay(path.read_bytes()) for sample in game]
    inputs = np.array([features for features, _ in found], np.float32)
    return inputs, np.array([outcome for _, outcome in found], np.int64)


def read_all(records: LayoutRecords) -> Arrays:
    """All rows of records, in order."""
    table = records.open()
    rows = np.arange(len(table))
    out: dict[str, NDArray[Any]] = {
        key: np.empty((len(rows), *shape), dtype)
        for key, (shape, dtype) in table.fields("onehot", rows).items()
    }
    table.write("onehot", rows, out, PlainCall((0, 0), 0))
    table.close()
    return out["inputs"], out["outputs"]
