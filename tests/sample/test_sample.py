from __future__ import annotations

import pytest

from flowload.formats.lc0 import FORMAT
from flowload.sample import sample_path


def test_the_chess_sample_is_small_and_whole() -> None:
    tars = sorted(sample_path("chess").iterdir())
    assert [tar.suffix for tar in tars] == [".tar", ".tar"]
    assert sum(tar.stat().st_size for tar in tars) < 1_500_000
    tables = [FORMAT.index(str(tar)) for tar in tars]
    assert [len(table) for table in tables] == [12, 12]
    assert all((table["records"] > 0).all() for table in tables)


@pytest.mark.parametrize("name", ["checkers", "", ".", "..", "__pycache__", "chess/.."])
def test_an_unknown_sample(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"there is no sample '{name}'; there are 'chess', 'games', 'neural'"
    ):
        sample_path(name)
