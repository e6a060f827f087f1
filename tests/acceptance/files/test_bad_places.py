"""Files that go, that cannot be opened, that are none; sizes that do not fit; budgets that are spent."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.blocks import Chunks, Files
from flowload.cli import main
from flowload.errors import DataError, NoDataError, TooManyErrors
from flowload.graph import Graph
from tests.acceptance.lines import OnError, chess, dropped, is_balanced, texts
from tests.acceptance.oracle import SIZE, Digest, games, multiset, whole
from tests.runtime.reading import Face

from .damage import CHUNKS, packed, tar_of

CHESS = str(Path(__file__).parents[3] / "pipelines" / "chess.py")
See = Callable[[Any], Any]


def removing(path: Path, at: type[Files | Chunks]) -> Callable[[Any], Any]:
    """A user's function that removes a file when blocks of a kind pass."""

    def remove(block: Files | Chunks) -> Files | Chunks:
        assert isinstance(block, at)
        paths = block.paths if isinstance(block, Files) else [source.path for source in block.sources]
        if str(path) in paths:
            path.unlink(missing_ok=True)
        return block

    return remove


def losing(tars: list[Path], at: type[Files | Chunks], on_error: OnError) -> Graph:
    """A line in which the first file vanishes before it is indexed, or before it is read."""
    head = fl.discover(texts(tars))
    if at is Files:
        head = head >> fl.map(removing(tars[0], at)) >> fl.read("lc0", on_error=on_error)
    else:
        head = head >> fl.read("lc0", on_error=on_error) >> fl.map(removing(tars[0], at))
    return head >> fl.unpack(on_error=on_error) >> fl.batch(100)


@pytest.mark.parametrize(("at", "stage"), [(Files, "read"), (Chunks, "unpack")])
def test_a_file_that_vanishes_ends_the_run(
    face: Face, tars: list[Path], at: type[Files | Chunks], stage: str
) -> None:
    with pytest.raises(DataError, match="vanished") as caught:
        face.read(losing(tars, at, "raise"))
    assert str(tars[0]) in caught.value.where
    assert caught.value.wanted == "a readable file"
    assert caught.value.__notes__[0].startswith(f"in stage {stage!r}")


@pytest.mark.parametrize(("at", "stage", "lost"), [(Files, "read", 1), (Chunks, "unpack", 12)])
def test_a_file_that_vanishes_is_skipped(
    tars: list[Path], at: type[Files | Chunks], stage: str, lost: int
) -> None:
    with losing(tars, at, "skip").iterate() as run:
        assert multiset(run) == whole(tars[1:])
        assert is_balanced(run.stats())
        assert dropped(run.stats()) == {stage: {"vanished": lost}}


@pytest.fixture
def locked(tars: list[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that may not be opened; the tests may run as root, who may open all."""
    real = os.open

    def refuses(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == str(tars[0]):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuses)
    return tars[0]


def test_a_file_that_may_not_be_read(face: Face, tars: list[Path], locked: Path) -> None:
    with pytest.raises(DataError, match="permission denied") as caught:
        face.read(chess(tars))
    assert caught.value.where == str(locked)
    with chess(tars, on_error="skip").iterate() as run:
        assert multiset(run) == whole(tars[1:])
        assert is_balanced(run.stats())
        assert dropped(run.stats()) == {"read": {"permission denied": 1}}


def empty(place: Path) -> Path:
    return place


def folder_named_tar(place: Path) -> Path:
    (place / "x.tar").mkdir()
    return place / "x.tar"


def only_folders(place: Path) -> Path:
    (place / "x.tar").mkdir()
    return place / "*.tar"


def pipe(place: Path) -> Path:
    os.mkfifo(place / "x.tar")
    return place / "x.tar"


def folder_with_pipe(place: Path) -> Path:
    return pipe(place).parent


def absent(place: Path) -> Path:
    return place / "x.tar"


def absent_folder(place: Path) -> Path:
    return place / "nowhere" / "*.tar"


def hidden(place: Path) -> Path:
    (place / ".x.tar").touch()
    (place / "y.tar.part").touch()
    return place


NOTHING = [empty, folder_named_tar, only_folders, pipe, folder_with_pipe, absent, absent_folder, hidden]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("make", NOTHING)
def test_nothing_to_read_is_an_error(
    tmp_path: Path, face: Face, make: Callable[[Path], Path], on_error: OnError
) -> None:
    data = make(tmp_path)
    with pytest.raises(NoDataError) as caught:
        face.read(chess(data, on_error=on_error))
    assert caught.value.where == str(data)
    assert caught.value.found or caught.value.reason == "no such file"
    assert caught.value.__notes__[0].startswith("in stage 'discover'")


@pytest.mark.parametrize("make", NOTHING)
def test_the_command_says_so(
    tmp_path: Path, make: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = make(tmp_path)
    assert main(["run", CHESS, "--data", str(data)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(
        f"flowload: {data}: {'not a file; found a pipe' if make is pipe else 'no '}"
    )
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("drop_last", [False, True])
def test_sizes_beyond_the_data(
    sample: list[Path], sample_frames: Counter[Digest], drop_last: bool, caplog: pytest.LogCaptureFixture
) -> None:
    graph = chess(sample, pool=10**7, reservoir=10**5, size=10**5, drop_last=drop_last)
    with graph.iterate() as run:
        found = multiset(run)
        assert is_balanced(run.stats())
    assert found == (Counter[Digest]() if drop_last else sample_frames)
    assert ("no batch at all: 3987 samples" in caplog.text) is drop_last  # never in silence


def test_the_limit_of_a_game_is_adjustable(sample: list[Path]) -> None:
    sizes = [len(data) for path in sample for _, data in games(path)]
    limit = sorted(sizes)[len(sizes) // 2]
    with pytest.raises(DataError, match="chunk too large"):
        list(chess(sample, max_chunk_bytes=limit).iterate())
    with chess(sample, max_chunk_bytes=limit, on_error="skip").iterate() as run:
        found = multiset(run)
        stats = run.stats()
    assert is_balanced(stats)
    assert dropped(stats) == {"unpack": {"chunk too large": sum(size > limit for size in sizes)}}
    assert found.total() == sum(size for size in sizes if size <= limit) // SIZE
    with chess(sample, max_chunk_bytes=max(sizes)).iterate() as run:
        assert multiset(run).total() == sum(sizes) // SIZE


@pytest.fixture
def one_bad_in_ten(tmp_path: Path, sample: list[Path]) -> Path:
    """20 tars of 10 games, one of which is bad: 20 bad ones of 200."""
    _, records = next(games(sample[0]))
    members = {f"game.{number:06d}.gz": packed(records[: 9 * SIZE]) for number in range(10)}
    members["game.000004.gz"] = CHUNKS["bad CRC"].make(records[: 9 * SIZE])
    for number in range(20):
        (tmp_path / f"{number}.tar").write_bytes(tar_of(members))
    return tmp_path


@pytest.mark.parametrize(
    ("budget", "enough"), [(20, True), (19, False), (0, False), (0.15, True), (0.09, False)]
)
def test_budgets_of_errors(face: Face, one_bad_in_ten: Path, budget: float, enough: bool) -> None:
    graph = chess(one_bad_in_ten, on_error="skip", max_errors=budget, layout="bits", size=1000)
    if enough:
        assert face.read(graph)
        return
    with pytest.raises(TooManyErrors, match="too many bad inputs") as caught:
        face.read(graph)
    assert "game.000004.gz" in caught.value.where
    assert isinstance(caught.value.__cause__, DataError)
    assert caught.value.__cause__.reason == "bad CRC"


def test_a_share_of_files(tmp_path: Path, one_bad_in_ten: Path) -> None:
    for number in range(100, 110):
        (tmp_path / f"{number}.tar").write_bytes(b"This is no tar.\n" * 100)

    def draw(share: float) -> Graph:
        return fl.discover(str(tmp_path)) >> fl.read("lc0", on_error="skip", max_errors=share)

    with pytest.raises(TooManyErrors, match=r"found 10; wanted at most a share of 0\.3 of 30"):
        list(draw(0.3).iterate())
    with draw(0.34).iterate() as run:
        assert sum(len(block) for block in run) == 200
