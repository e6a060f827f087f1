"""A folder that grows, and what arrives there."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowload.stages.files.writers import LOCAL, filesystem, nobody_writes

from .damage import GAMES, good_games, tar_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder on a file system whose kernel knows who writes."""
    place = tmp_path / "growing"
    place.mkdir()
    (tmp_path / "probe").write_bytes(b"x")
    if filesystem(str(place)) not in LOCAL or nobody_writes(str(tmp_path / "probe")) is None:
        pytest.skip("the kernel does not tell who writes here")
    return place


@pytest.fixture(scope="module")
def parts(sample: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small tars of different games, outside of the folder."""
    place = tmp_path_factory.mktemp("parts")
    every = list(good_games(sample[0], 4 * GAMES).items())
    paths = [place / f"{number}.tar" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(tar_of(dict(every[GAMES * number :][:GAMES])))
    return paths
