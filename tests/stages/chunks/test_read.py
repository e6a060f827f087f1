"""Files to references."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.abc.operators import Block, Map, Mark, Setting
from flowload.blocks import CHUNK, Chunks, Files
from flowload.errors import DataError, GraphError
from flowload.files.identity import stat_of
from flowload.stages.chunks.read import MEMO, Index, Memo, ReadStage, read
from flowload.stages.files.discover import WatchStage
from flowload.stages.files.seen import Seen
from flowload.testing import check_resume, check_stage
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, ToyFormat


@dataclass(frozen=True)
class Indexed(ToyFormat):
    """A file of n bytes has n chunks; what begins with "!" is no source."""

    indexed: list[str] = field(default_factory=list, compare=False)

    def index(self, path: str) -> NDArray[np.void]:
        self.indexed.append(Path(path).name)
        data = Path(path).read_bytes()
        if data.startswith(b"!"):
            raise DataError("bad source", where=path)
        table = np.zeros(len(data), CHUNK)
        table["index"] = np.arange(len(data))
        return table


def write(folder: Path, **sizes: int) -> Files:
    for name, size in sizes.items():
        (folder / name).write_bytes(b"x" * size)
    return Files(tuple(str(folder / name) for name in sizes))


def setting(**given: Any) -> Setting:
    return Setting(seed=0, cpus=1, **({"epochs": 1} | given))


def pairs(chunks: Chunks | None) -> list[tuple[str, int]]:
    assert chunks is not None
    return [(chunks.sources[row["source"]].name, int(row["index"])) for row in chunks.table]


def test_every_chunk_of_every_file_by_reference(tmp_path: Path) -> None:
    call, form = FakeCall(), Indexed()
    index = Index(form, Memo(0))
    assert isinstance(index, Map)
    chunks = index.apply(write(tmp_path, a=2, b=1, c=3), call)
    assert pairs(chunks) == [("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 1), ("c", 2)]
    assert chunks is not None
    assert chunks.format is form
    assert call.entered == 6


def test_use_is_the_number_of_the_pass(tmp_path: Path) -> None:
    files = write(tmp_path, a=2, b=1)
    index = Index(Indexed(), Memo(MEMO))
    for epoch in (0, 3, 1):
        chunks = index.apply(Files(files.paths, epoch), FakeCall())
        assert chunks is not None
        assert chunks.table["use"].tolist() == [epoch] * 3


def test_bad_sources_end_the_run_or_are_counted(tmp_path: Path) -> None:
    files = write(tmp_path, a=2, b=1, c=3)
    (tmp_path / "b").write_bytes(b"!")
    index = Index(Indexed(), Memo(0))
    with pytest.raises(DataError, match="bad source"):
        index.apply(files, FakeCall())
    call = FakeCall(on_error="skip")
    chunks = index.apply(files, call)
    assert pairs(chunks) == [("a", 0), ("a", 1), ("c", 0), ("c", 1), ("c", 2)]
    assert call.drops == {"bad source": 1}
    assert call.entered == 6


def test_only_bad_sources_give_nothing(tmp_path: Path) -> None:
    call = FakeCall(on_error="skip")
    assert Index(Indexed(), Memo(0)).apply(write(tmp_path, a=0), call) is None
    assert call.drops == {"no chunks": 1}
    assert call.entered == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError(2, "No such file or directory"), "vanished"),
        (PermissionError(13, "Permission denied"), "permission denied"),
        (IsADirectoryError(21, "Is a directory"), "not a file"),
        (OSError(5, "Input/output error"), "unreadable"),
    ],
)
def test_what_the_system_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    def refuse(_: Indexed, path: str) -> None:
        raise error

    monkeypatch.setattr(Indexed, "index", refuse)
    with pytest.raises(DataError) as caught:
        Index(Indexed(), Memo(0)).apply(write(tmp_path, a=1), FakeCall())
    assert caught.value.reason == reason
    assert caught.value.where == str(tmp_path / "a")
    assert caught.value.found == error.strerror
    assert caught.value.__cause__ is error


def test_a_file_that_vanished_is_counted(tmp_path: Path) -> None:
    files = write(tmp_path, a=1, b=1)
    (tmp_path / "a").unlink()
    call = FakeCall(on_error="skip")
    assert pairs(Index(Indexed(), Memo(0)).apply(files, call)) == [("b", 0)]
    assert call.drops == {"vanished": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, a=1)
    (tmp_path / "a").chmod(0)
    with pytest.raises(DataError, match="permission denied"):
        Index(Indexed(), Memo(0)).apply(files, FakeCall())


def test_a_second_pass_does_not_index_again(tmp_path: Path) -> None:
    form, files = Indexed(), write(tmp_path, a=2, b=1)
    index = Index(form, Memo(MEMO))
    first, second = (index.apply(files, FakeCall()) for _ in range(2))
    assert pairs(first) == pairs(second)
    assert form.indexed == ["a", "b"]


def test_a_file_that_changed_is_indexed_again(tmp_path: Path) -> None:
    form, files = Indexed(), write(tmp_path, a=2)
    index = Index(form, Memo(3 * CHUNK.itemsize))
    index.apply(files, FakeCall())
    assert len(pairs(index.apply(write(tmp_path, a=3), FakeCall()))) == 3
    os.utime(tmp_path / "a", ns=(1, 1))
    index.apply(files, FakeCall())
    index.apply(files, FakeCall())
    assert form.indexed == ["a"] * 3


def test_a_vanished_file_is_not_served_from_memory(tmp_path: Path) -> None:
    files = write(tmp_path, a=2)
    index = Index(Indexed(), Memo(MEMO))
    index.apply(files, FakeCall())
    (tmp_path / "a").unlink()
    with pytest.raises(DataError, match="vanished"):
        index.apply(files, FakeCall())


def test_the_memory_is_bounded_and_keeps_what_it_has(tmp_path: Path) -> None:
    form, files = Indexed(), write(tmp_path, a=2, b=2, c=1)
    memo = Memo(3 * CHUNK.itemsize)
    index = Index(form, memo)
    for _ in range(3):
        index.apply(files, FakeCall())
    assert form.indexed == ["a", "b", "c", "b", "b"]
    assert memo.free == 0


def test_blocks_do_not_share_what_is_remembered(tmp_path: Path) -> None:
    files = write(tmp_path, a=2)
    index = Index(Indexed(), Memo(MEMO))
    first = index.apply(files, FakeCall())
    assert first is not None
    first.table["cap"] = 7
    second = index.apply(files, FakeCall())
    assert second is not None
    assert second.table["cap"].tolist() == [0, 0]


def test_several_threads_at_once(tmp_path: Path) -> None:
    files = write(tmp_path, **{f"f{number}": number % 5 + 1 for number in range(40)})
    memo = Memo(20 * CHUNK.itemsize)
    index = Index(Indexed(), memo)
    wanted = pairs(index.apply(files, FakeCall()))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: pairs(index.apply(files, FakeCall())), range(20)))
    assert all(result == wanted for result in results)
    kept = sum(listed.table.nbytes for _, listed in memo.kept.values())
    assert memo.free + kept == 20 * CHUNK.itemsize


def test_only_several_passes_remember() -> None:
    stage = ReadStage(format=TOY)
    assert stage.memory(setting(epochs=1)) == 0
    assert stage.memory(setting(epochs=2)) == MEMO
    assert stage.memory(setting(epochs=None)) == MEMO
    assert stage.memory(setting(epochs=None, upstream=(WatchStage(patterns=("a",)),))) == 0
    (index,) = stage.open(setting(epochs=2))
    assert isinstance(index, Index)
    assert index.memo.free == MEMO


def test_the_exam(tmp_path: Path) -> None:
    files = write(tmp_path, a=2, b=1, c=3)
    words: list[Block | Mark] = [files, Mark.EPOCH, Files(files.paths, 1), Mark.EPOCH]
    made = check_stage(ReadStage(format=Indexed()), words)
    assert [len(block) for block in made] == [6, 6]
    check_resume(ReadStage(format=Indexed()), words)


def test_the_word_takes_a_name_or_an_object() -> None:
    (node,) = read(TOY, workers=3, on_error="skip", max_errors=0.1).nodes()
    assert node.stage == ReadStage(format=TOY, workers=3, on_error="skip", max_errors=0.1)
    assert node.carries == (Chunks,)
    assert node.stage.parameters()["format"] == "toy"
    (node,) = read("lc0").nodes()
    assert node.stage.parameters() == {"format": "lc0"}


def test_what_is_no_format() -> None:
    with pytest.raises(GraphError, match="is not a ChunkFormat: it has no name, suffixes"):
        read(object())  # type: ignore[arg-type]


def test_an_index_of_another_form_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Indexed, "index", lambda *_: np.zeros(3))
    with pytest.raises(GraphError, match="'toy' indexes as float64; wanted CHUNK"):
        Index(Indexed(), Memo(0)).apply(write(tmp_path, a=1), FakeCall())


def test_files_that_were_indexed_are_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "flowload")
    index = Index(Indexed(), Memo(MEMO))
    files = write(tmp_path, a=3, b=2)
    index.apply(files, FakeCall())
    assert index.gauges() == {"files_indexed": 2}
    assert caplog.messages[0] == f"read: {tmp_path / 'a'}: indexed, 3 chunks"
    index.apply(files, FakeCall())  # from the memo
    assert index.gauges() == {"files_indexed": 2}
    assert len(caplog.messages) == 2


def test_a_file_must_be_in_each_pass_what_it_was_in_the_first(tmp_path: Path) -> None:
    files = write(tmp_path, a=2, b=1, c=3)
    index = Index(Indexed(), Memo(MEMO), Seen())
    for _ in range(2):
        chunks = index.apply(files, FakeCall())
        assert chunks is not None
        assert [source.stamp for source in chunks.sources] == [
            identity.pack() for path in files.paths if (identity := stat_of(path))
        ]
    index.check_files()
    (tmp_path / "b").write_bytes(b"y")
    os.utime(tmp_path / "b", ns=(7, 7))
    with pytest.raises(DataError, match=r"b: file changed; found 1 bytes, written 1970"):
        index.apply(files, FakeCall())
    with pytest.raises(DataError, match="b: file changed"):
        index.check_files()
    call = FakeCall(on_error="skip")
    assert pairs(index.apply(files, call)) == [("a", 0), ("a", 1), ("c", 0), ("c", 1), ("c", 2)]
    assert call.drops == {"file changed": 1}


@pytest.mark.parametrize("growing", [False, True])
def test_a_folder_that_grows_tells_no_file_twice(growing: bool) -> None:
    upstream = (WatchStage(patterns=("x",)),) if growing else ()
    (index,) = ReadStage(format=TOY).open(setting(epochs=None, upstream=upstream))
    assert isinstance(index, Index)
    assert (index.seen is None) == growing
    index.check_files()
