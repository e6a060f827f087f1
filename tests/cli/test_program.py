from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from flowload.cli import main
from flowload.cli.versions import own_version

Capture = pytest.CaptureFixture[str]
FLOWLOAD = [sys.executable, "-m", "flowload.cli"]


def test_the_version_is_told(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"flowload {own_version()}\n"


def test_without_a_command_help_is_shown(capsys: Capture) -> None:
    assert main([]) == 2
    assert "run" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["show", "-h"]])
def test_help_is_no_error(words: list[str], capsys: Capture) -> None:
    assert main(words) == 0
    assert "Usage: flowload" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["walk"], "No such command 'walk'"),
        (["run"], "Missing argument 'FILE'"),
        (["--nothing"], "No such option"),
    ],
)
def test_mistakes_are_status_2(words: list[str], message: str, capsys: Capture) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("flowload: ")
    assert message in captured.err


def test_ctrl_c_while_the_file_is_executed_is_status_130(write: object, capsys: Capture) -> None:
    assert callable(write)
    assert main(["run", write("raise KeyboardInterrupt\n")]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
def test_on_a_terminal_the_table_is_live(count: str) -> None:
    leader, follower = pty.openpty()
    command = [*FLOWLOAD, "run", count, "--epochs", "inf", "--seconds", "0.7"]
    done = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower,
                            env={**os.environ, "TERM": "xterm"})  # fmt: skip
    os.close(follower)
    text = read_all(leader)
    assert done.wait() == 0
    assert text.count("\x1b[?25h") == 1  # the cursor is visible again
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.rpartition("\x1b[2K")[2])
    assert last.count("stage  ") == 1
    assert "Stopped after 0.7 s, as asked" in last


@pytest.mark.slow
def test_a_terminal_without_a_check_mark_gets_something_else(count: str) -> None:
    command, env = [*FLOWLOAD, "run", count], {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=env, capture_output=True, check=True, text=True)
    assert "+ 0  ?" in done.stdout


def read_all(leader: int) -> str:
    """What a terminal gets, until everybody has left it."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux says EIO when the last writer has gone
            part = b""
        if not part:
            os.close(leader)
            return b"".join(parts).decode()
        parts.append(part)


@pytest.mark.slow
def test_a_reader_that_leaves_early_stops_it_without_noise(count: str) -> None:
    command = [*FLOWLOAD, "run", count]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
