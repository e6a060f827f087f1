from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowload.blocks import SourceFile
from flowload.errors import DataError
from flowload.files.identity import stat_of
from flowload.stages.files import seen as module
from flowload.stages.files.seen import Seen


def sources(folder: Path, names: str) -> list[SourceFile]:
    found = []
    for name in names:
        path = str(folder / name)
        Path(path).write_text(name)
        stamp = stat_of(path)
        assert stamp is not None
        found.append(SourceFile(path, stamp=stamp.pack()))
    return found


def paths(block: list[SourceFile]) -> tuple[str, ...]:
    return tuple(source.path for source in block)


def test_a_block_is_known_when_it_comes_again(tmp_path: Path) -> None:
    seen, one, two = Seen(), sources(tmp_path, "abc"), sources(tmp_path, "de")
    assert seen.before(paths(one)) == {}
    seen.enter(paths(one), one)
    seen.enter(paths(two), two)
    for block in (one, two):
        assert seen.before(paths(block)) == {source.path: stat_of(source.path) for source in block}
    assert seen.before(()) == {}
    seen.check()


def test_files_that_could_not_be_indexed_are_left_out(tmp_path: Path) -> None:
    seen, block = Seen(), sources(tmp_path, "abc")
    seen.enter(paths(block), block[1:])
    assert list(seen.before(paths(block))) == [source.path for source in block[1:]]


def test_what_was_first_stays_known(tmp_path: Path) -> None:
    seen, block = Seen(), sources(tmp_path, "ab")
    seen.enter(paths(block), block)
    first = seen.before(paths(block))
    (tmp_path / "a").write_text("other")
    seen.enter(paths(block), sources(tmp_path, "ab"))
    assert seen.before(paths(block)) == first


@pytest.mark.parametrize("change", ["grow", "delete", "time"])
def test_the_end_finds_what_changed(tmp_path: Path, change: str) -> None:
    seen, one, two = Seen(), sources(tmp_path, "abc"), sources(tmp_path, "de")
    seen.enter(paths(one), one)
    seen.enter(paths(two), two)
    if change == "grow":
        (tmp_path / "e").write_text("ee")
    elif change == "delete":
        (tmp_path / "e").unlink()
    else:
        os.utime(tmp_path / "e", ns=(5, 5))
    with pytest.raises(DataError, match="e: file changed"):
        seen.check()


def test_of_very_many_files_the_first_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 4)
    seen, one, two = Seen(), sources(tmp_path, "abc"), sources(tmp_path, "de")
    seen.enter(paths(one), one)
    seen.enter(paths(two), two)
    (tmp_path / "e").unlink()
    seen.check()
    (tmp_path / "d").unlink()
    with pytest.raises(DataError, match="d: file changed; found no file"):
        seen.check()


def test_a_million_files_take_forty_bytes_each(tmp_path: Path) -> None:
    seen, block = Seen(), sources(tmp_path, "abc")
    seen.enter(paths(block), block)
    kept_paths, stamps = seen.blocks[block[0].path]
    assert len(stamps) == 32 * 3
    assert all(kept is source.path for kept, source in zip(kept_paths, block, strict=True))
