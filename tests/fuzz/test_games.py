"""Files of games and packed positions: damaged inputs are read or refused by name, and never half written."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.formats.games.layouts import LAYOUTS
from flowload.formats.games.pack import pack_games
from flowload.formats.games.packed import PackedGames
from flowload.testing.call import PlainCall
from tests.formats.games.on_disk import read_all, some_games
from tests.fuzz.inputs.mutate import mutants, survives
from tests.kernels.games.naive import BadGameError, replay


@pytest.mark.slow
def test_damaged_files_of_games(tmp_path: Path, fuzz_count: int) -> None:
    """What the slow twin refuses is refused, and what it reads is read, whatever the bytes."""
    valid = b"".join(some_games(4)) + bytes(4)
    path, out = tmp_path / "games", tmp_path / "out"
    refused = 0
    for number, data in enumerate(mutants(valid, count=fuzz_count, seed=1, first=8)):
        path.write_bytes(data)
        read = survives(lambda: pack_games(path, out, workers=1, sync=False), f"games {number}")
        try:
            samples = [sample for game in replay(data) for sample in game]
        except BadGameError:
            samples = []
        assert read == bool(samples), number
        assert not list(out.glob("*.partial"))
        if read:
            inputs, outputs = read_all(PackedGames(out))
            assert inputs.astype(int).tolist() == [features for features, _ in samples]
            assert outputs.tolist() == [outcome for _, outcome in samples]
        refused += not read
    assert 0 < refused < fuzz_count


@pytest.mark.parametrize(
    ("layout", "column"),
    [*product(["uint8", "float32"], ["inputs", "outputs"]), *product(LAYOUTS, ["json"])],
)
def test_damaged_packings(tmp_path: Path, layout: str, column: str, fuzz_count: int) -> None:
    """Whatever is given is made of zeros and ones, with an outcome."""
    source, out = tmp_path / "games", tmp_path / "out"
    source.write_bytes(b"".join(some_games(2)))
    pack_games(source, out, layout=layout)
    path = out / ("positions.json" if column == "json" else f"positions_{column}.npy")
    for number, data in enumerate(
        mutants(path.read_bytes(), count=max(1, fuzz_count // 8), seed=2, first=128)
    ):
        path.write_bytes(data)
        if survives(lambda: everything(out), f"{path.name} {number}"):
            inputs, outputs = read_all(PackedGames(out))
            assert ((inputs == 0) | (inputs == 1)).all()
            assert set(outputs.tolist()) <= {0, 1, 2}
    survives(lambda: pack_games(source, out, layout=layout), "packing again")


def everything(folder: Path) -> None:
    """Open a packing, read all of it, and ask for games."""
    table = PackedGames(folder).open()
    rows = np.arange(len(table))
    try:
        fields = table.fields("onehot", rows)
        out: dict[str, Any] = {
            key: np.empty((len(rows), *shape), dtype) for key, (shape, dtype) in fields.items()
        }
        table.write("onehot", rows, out, PlainCall((0, 0), 0))
        table.group("game", rows)
    finally:
        table.close()
