from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowload.cli import main
from flowload.formats.games.packed import PackedGames
from tests.cli.test_program import read_all as read_terminal
from tests.formats.games.on_disk import naive_arrays, read_all, write_games

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_games(tmp_path / "raw", files=2, count=6)
    return tmp_path / "raw"


@pytest.mark.parametrize("layout", [None, "bits", "uint8", "float32"])
def test_games_are_packed(raw: Path, tmp_path: Path, capsys: Capture, layout: str | None) -> None:
    out = tmp_path / "out"
    words = ["pack", "games", str(raw), str(out), *(["--layout", layout] if layout else [])]
    assert main(words) == 0
    inputs, outputs = naive_arrays(sorted(raw.iterdir()))
    told = f"{out}/positions: {len(outputs):,} positions of 12 games, 4 of them all random and skipped"
    assert capsys.readouterr().out == f"{told}\n"
    found = read_all(PackedGames(out))
    np.testing.assert_array_equal(found[0], inputs)
    np.testing.assert_array_equal(found[1], outputs)
    assert main(words) == 0
    assert capsys.readouterr().out == f"{told}; nothing had changed\n"


def test_several_files_and_another_prefix(raw: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["pack", "games", *map(str, sorted(raw.iterdir())), str(tmp_path / "out"), "--prefix", "x"]
    assert main([*words, "--workers", "1"]) == 0
    assert (tmp_path / "out" / "x_bits.npy").exists()
    assert f"{tmp_path}/out/x: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "Missing argument"),
        (["RAW"], 2, "Missing argument"),
        (["GONE", "OUT"], 2, "gone: no games; wanted a file"),
        (["RAW", "OUT", "--layout", "zip"], 2, "'zip' is not one of 'bits', 'uint8', 'float32'"),
        (["RAW", "OUT", "--workers", "0"], 2, "0 is not in the range"),
        (["RAW", "OUT", "--prefix", "a/b"], 2, "wanted the beginning of a file name"),
        (["BAD", "OUT"], 1, "bad, byte 0, game 0: truncated game; found 1 bytes; wanted 14 bytes"),
        (["RAW", "BAD"], 1, "File exists"),
    ],
)
def test_mistakes_are_said(
    raw: Path, tmp_path: Path, capsys: Capture, words: list[str], status: int, message: str
) -> None:
    (tmp_path / "bad").write_bytes(b"\x05")
    places = {name: str(tmp_path / name.lower()) for name in ("RAW", "GONE", "BAD", "OUT")}
    assert main(["pack", "games", *(places.get(word, word) for word in words)]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.slow
def test_on_a_terminal_progress_is_shown_and_goes(raw: Path, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "flowload.cli", "pack", "games", str(raw), str(tmp_path / "out")]
    done = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm"}
    )
    os.close(follower)
    text = read_terminal(leader)
    assert done.wait() == 0
    assert "packing" in text
    assert "\x1b[2K" in text
    assert re.search(r"positions: [\d,]+ positions of 12 games", text)
