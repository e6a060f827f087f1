"""Bad games and bad tars: a clear error, or a skip that is counted and costs nothing else."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flowload.cli import main
from flowload.errors import DataError
from tests.acceptance.lines import chess, dropped, is_balanced
from tests.acceptance.oracle import SIZE, Digest, games, multiset, whole
from tests.runtime.reading import Face

from .damage import CHUNKS, TARS, Damage, good_games, tar_of

CHESS = str(Path(__file__).parents[3] / "pipelines" / "chess.py")
Capture = pytest.CaptureFixture[str]
BAD = "game.000001.gz"


@pytest.fixture(scope="module")
def good(sample: list[Path]) -> dict[str, bytes]:
    """Three good games."""
    return good_games(sample[0], 3)


@pytest.fixture
def good_tar(tmp_path: Path, good: dict[str, bytes]) -> Path:
    path = tmp_path / "a-good.tar"
    path.write_bytes(tar_of(good))
    return path


@pytest.fixture(params=CHUNKS)
def chunk(request: pytest.FixtureRequest) -> Damage:
    """One way in which a game is bad."""
    return CHUNKS[request.param]


@pytest.fixture(params=TARS)
def tar(request: pytest.FixtureRequest) -> Damage:
    """One way in which a tar is bad."""
    return TARS[request.param]


@pytest.fixture
def with_bad_chunk(tmp_path: Path, sample: list[Path], good: dict[str, bytes], chunk: Damage) -> Path:
    """A tar whose second of three games is bad."""
    _, records = next(games(sample[0]))
    path = tmp_path / "b-bad.tar"
    path.write_bytes(tar_of({**good, BAD: chunk.make(records[: 50 * SIZE])}))
    return path


@pytest.fixture
def bad_tar(tmp_path: Path, good: dict[str, bytes], tar: Damage) -> Path:
    path = tmp_path / "b-bad.tar"
    path.write_bytes(tar.make(tar_of(good)))
    return path


def frames_of(tmp_path: Path, members: dict[str, bytes]) -> Counter[Digest]:
    """What the oracle finds in good games."""
    path = tmp_path / "oracle"
    path.write_bytes(tar_of(members))
    found = whole([path])
    path.unlink()
    return found


def fails(face: Face, data: list[Path], stage: str, **options: Any) -> DataError:
    """The error of a run: of the right kind, with its stage and the line that declared it."""
    with pytest.raises(DataError) as caught:
        face.read(chess(data, **options))
    (note,) = caught.value.__notes__
    assert note.startswith(f"in stage {stage!r}, declared at ")
    assert "lines.py:" in note
    return caught.value


@pytest.mark.slow
def test_a_bad_game_ends_the_run(face: Face, good_tar: Path, with_bad_chunk: Path, chunk: Damage) -> None:
    error = fails(face, [good_tar, with_bad_chunk], "unpack")
    assert error.reason == chunk.reason
    assert str(with_bad_chunk) in error.where
    assert BAD in error.where
    assert error.found
    assert error.wanted or chunk.reason in ("bad CRC", "wrong gzip size")
    assert all(part in str(error) for part in (error.reason, error.where, error.found, error.wanted))


def test_a_bad_game_is_skipped(
    tmp_path: Path,
    good: dict[str, bytes],
    good_tar: Path,
    with_bad_chunk: Path,
    chunk: Damage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    graph = chess([good_tar, with_bad_chunk], on_error="skip")
    with caplog.at_level(logging.WARNING), graph.iterate(epochs=2) as run:
        found = multiset(run)
        stats = run.stats()
    assert is_balanced(stats)
    assert dropped(stats) == {"unpack": {chunk.reason: 2}}
    kept = {name: data for name, data in good.items() if name != BAD}
    once = frames_of(tmp_path, good) + frames_of(tmp_path, kept)
    assert found == once + once
    (line,) = [record.getMessage() for record in caplog.records]  # once a source, not once a game
    assert str(with_bad_chunk) in line
    assert BAD in line


def test_a_bad_tar_ends_the_run(face: Face, good_tar: Path, bad_tar: Path, tar: Damage) -> None:
    error = fails(face, [good_tar, bad_tar], "read")
    assert error.reason == tar.reason
    assert str(bad_tar) in error.where
    assert error.wanted


def test_a_bad_tar_is_skipped(
    tmp_path: Path, good: dict[str, bytes], good_tar: Path, bad_tar: Path, tar: Damage
) -> None:
    with chess([good_tar, bad_tar], on_error="skip").iterate() as run:
        assert multiset(run) == frames_of(tmp_path, good)
        stats = run.stats()
    assert is_balanced(stats)
    assert dropped(stats) == {"read": {tar.reason: 1}}


def told(capsys: Capture, *argv: object) -> tuple[int, str, str]:
    """Exit status, output, errors of `flowload run pipelines/chess.py ...`."""
    status = main(["run", CHESS, "--device", "cpu", *map(str, argv)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return status, captured.out, captured.err


def test_the_command_says_what_is_wrong_with_a_game(
    capsys: Capture, with_bad_chunk: Path, chunk: Damage
) -> None:
    status, out, err = told(capsys, "--data", with_bad_chunk)
    assert status == 1
    assert "The run failed" in out
    first, second = err.splitlines()
    assert first.startswith(f"flowload: {with_bad_chunk}: {BAD}")
    assert chunk.reason in first
    assert "in stage 'unpack'" in second


def test_the_command_skips_games(capsys: Capture, with_bad_chunk: Path, chunk: Damage) -> None:
    status, out, err = told(capsys, "--data", with_bad_chunk, "--on-error", "skip")
    assert status == 0
    assert "every sample is accounted for" in out
    assert chunk.reason in out + err


def test_the_command_says_what_is_wrong_with_a_tar(capsys: Capture, bad_tar: Path, tar: Damage) -> None:
    status, _, err = told(capsys, "--data", bad_tar)
    assert status == (2 if tar.reason == "no chunks" else 1)
    assert err.startswith(f"flowload: {bad_tar}")
    assert tar.reason in err


def test_the_command_skips_tars(capsys: Capture, good_tar: Path, bad_tar: Path, tar: Damage) -> None:
    status, out, err = told(capsys, "--data", f"{good_tar},{bad_tar}", "--on-error", "skip")
    assert status == 0
    assert "every sample is accounted for" in out
    assert tar.reason in out + err


def test_no_good_file_at_all_is_told(bad_tar: Path, tar: Damage) -> None:
    with chess([bad_tar], on_error="skip").iterate() as run:
        assert list(run) == []
        assert is_balanced(run.stats())
        assert dropped(run.stats()) == {"read": {tar.reason: 1}}
