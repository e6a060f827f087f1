from __future__ import annotations

import numpy as np
import pytest

from flowload.formats.lc0.format import FORMAT
from flowload.formats.molecules.packed import PackedMolecules
from flowload.sample import sample_path
from tests.stages.fakes import FakeCall


def test_the_chess_sample_is_small_and_whole() -> None:
    tars = sorted(sample_path("chess").iterdir())
    assert [tar.suffix for tar in tars] == [".tar", ".tar"]
    assert sum(tar.stat().st_size for tar in tars) < 1_500_000
    tables = [FORMAT.index(str(tar)) for tar in tars]
    assert [len(table) for table in tables] == [12, 12]
    assert all((table["records"] > 0).all() for table in tables)


def test_the_molecules_are_small_and_whole() -> None:
    folder = sample_path("molecules")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 300_000
    table = PackedMolecules(folder).open()
    sizes = table.sizes(np.arange(len(table)))
    assert (len(table), sizes.min(), sizes.max()) == (385, 1, 26)
    assert len(set(table.group("molecule", np.arange(385)).tolist())) == 97
    assert np.abs(table.pack.forces).max() < 2000
    assert len(table.usable(np.arange(385), FakeCall())) == 385


@pytest.mark.parametrize("name", ["checkers", "", ".", "..", "__pycache__", "chess/.."])
def test_an_unknown_sample(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"there is no sample '{name}'; there are 'chess', 'games', 'molecules', 'neural'"
    ):
        sample_path(name)
