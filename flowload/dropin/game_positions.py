"""Memory-mapped positions of board games: for scripts that have `GameDatasetMemmap`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from flowload.abc.records import WRITTEN
from flowload.formats.games import PackedGames
from flowload.formats.games.pack import pack_games
from flowload.formats.games.table import GamesTable

__all__ = ["GameDatasetMemmap", "preprocess_dataset_to_memmap"]

Sample = tuple[Tensor, Tensor]


def preprocess_dataset_to_memmap(
    games_dir: str | os.PathLike[str], output_prefix: str | os.PathLike[str]
) -> None:
    """Replay a folder of games once, and write their positions to `PREFIX_inputs.npy`, `PREFIX_outputs.npy`.

    Inputs are (N, 193) float32 and outputs (N,) int64: 780 bytes a sample. Called again for the same games it
    does nothing; stopped half-way it goes on; several processes wait for the first. The files appear when all
    is done. Stands for `flowload pack games GAMES_DIR FOLDER --layout float32 --prefix NAME`.

    Args:
        games_dir: a folder with files `games*`, or a pattern.
        output_prefix: what the two paths begin with, such as "data/dataset"; its folder is made.

    Raises DataError for the first bad game (file, byte, game and ply), NoDataError where there are none, and
    OSError, such as for a full disk; then nothing is left.

    Examples:
        >>> from flowload.sample import sample_path
        >>> preprocess_dataset_to_memmap(sample_path("games"), "packed/dataset")
    """
    folder, name = os.path.split(os.fspath(output_prefix))
    pack_games(games_dir, Path(folder), layout="float32", prefix=name)


class GameDatasetMemmap(Dataset[Sample]):
    """Map-style data set over the two files: `ds[i]` is (inputs [193] float32, outcome int64).

    Works under `DataLoader` with any number of workers, by fork or spawn, and under `DistributedSampler`; it
    maps the files once a process and holds nothing else in memory. Headerless uint8 files of the same names
    are read as well. The graph that does the same without worker processes, several times as fast:

    ```python
    fl.rows(PackedGames(data_prefix)) >> fl.shuffle() >> fl.shard() >> fl.batch(16_384) >> fl.to_device()
    ```

    Args:
        data_prefix: what the paths of the files begin with, such as "data/dataset".

    Raises FileNotFoundError that says how to make the files, and DataError where they do not fit.

    Examples:
        >>> from flowload.sample import sample_path
        >>> preprocess_dataset_to_memmap(sample_path("games"), "packed/dataset")
        >>> inputs, outcome = GameDatasetMemmap("packed/dataset")[0]
    """

    def __init__(self, data_prefix: str | os.PathLike[str]) -> None:
        self.data_prefix = os.fspath(data_prefix)
        absent = [path for path in self.files() if not Path(path).exists()]
        if absent:
            raise FileNotFoundError(
                f"{' and '.join(absent)}: no such file; make it once with"
                f" preprocess_dataset_to_memmap(games_dir, {self.data_prefix!r})"
            )
        self.table: GamesTable | None = None
        self.length = len(self.opened())

    def files(self) -> tuple[str, str]:
        """The paths of inputs and outputs."""
        return f"{self.data_prefix}_inputs.npy", f"{self.data_prefix}_outputs.npy"

    def opened(self) -> GamesTable:
        """The files, mapped: once in each process, by whoever asks first."""
        if self.table is None:
            self.table = PackedGames(self.files()[0]).open()
        return self.table

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Sample:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Several samples at once, in the order asked for: one kernel call, as `DataLoader` asks."""
        rows = np.array([self.row(i) for i in indices], np.int64)
        table = self.opened()
        out: dict[str, NDArray[Any]] = {
            key: np.empty((len(rows), *shape), dtype)
            for key, (shape, dtype) in table.fields(table.layouts[0], rows).items()
        }
        with table.guard:
            table.write_order(rows, WRITTEN, out)
        inputs, outputs = torch.from_numpy(out["inputs"]), torch.from_numpy(out["outputs"])
        return list(zip(inputs.unbind(), outputs.unbind(), strict=True))

    def row(self, i: int) -> int:
        """The number of a row; negative ones count from the end. Raises IndexError."""
        row = index(i)
        if not -self.length <= row < self.length:
            raise IndexError(f"sample {row} of {self.length:,}")
        return row % self.length

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "table": None}  # a map is opened where it is used, never sent
