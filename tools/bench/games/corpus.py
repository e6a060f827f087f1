"""Games on disk, as many as are wanted: the shipped ones, over and over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.formats.games.pack import pack_games
from flowload.formats.games.packed import PackedGames
from flowload.formats.games.table import GamesTable
from flowload.sample import sample_path

__all__ = ["Corpus", "Rate", "copy_games", "pack"]


class Rate(NamedTuple):
    """How fast something was done."""

    wall: float  #: a second
    cpu: float  #: a CPU second of this process: what others do on the machine disturbs it less


@dataclass(frozen=True)
class Corpus:
    """Packed positions, and one random order of them."""

    folders: dict[str, Path]  #: by layout
    order: NDArray[np.int64]

    def table(self, layout: str) -> GamesTable:
        """Opened anew."""
        return PackedGames(self.folders[layout]).open()


def copy_games(folder: Path, rows: int) -> int:
    """Files of the shipped games until there are so many positions; how many these are."""
    (sample,) = (path for path in sample_path("games").iterdir() if path.is_file())
    data = sample.read_bytes()
    folder.mkdir(parents=True)
    probe = pack_games(sample, folder / "probe").rows
    copies = -(-rows // probe)
    for number in range(copies):
        (folder / f"games_{number:05}").write_bytes(data)
    return copies * probe


def pack(folder: Path, rows: int, layouts: tuple[str, ...], workers: int) -> tuple[Corpus, dict[str, Rate]]:
    """Pack so many positions, or a few more; positions a second by layout, not waiting for the disk."""
    count = copy_games(folder / "raw", rows)
    rates, folders = {}, {}
    for layout in layouts:
        began, cpu = perf_counter(), process_time()
        done = pack_games(folder / "raw", folder / layout, layout=layout, workers=workers, sync=False)
        rates[layout] = Rate(done.rows / (perf_counter() - began), done.rows / (process_time() - cpu))
        folders[layout] = folder / layout
    return Corpus(folders, np.random.default_rng(0).permutation(count)), rates
