"""Forks are the processes that were asked for, and nothing stays of them."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.suite.warm import FORKS, ROOT, Forks, Warm, run_warm, start_warm

pytestmark = pytest.mark.skipif(not FORKS, reason="processes are started as ever")
TELLS = """
import os, sys
print(__name__, sys.argv[1:], os.getcwd(), os.environ.get("WORD"), sys.stdin.read() == "")
sys.stderr.write("mine")
sys.exit(3)
"""


@pytest.mark.slow
def test_a_program_has_its_words_folder_environment_streams_and_status(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(TELLS)
    told = f"__main__ ['a', 'b'] {tmp_path} here True\n"
    for words in (["-c", TELLS], [str(tmp_path / "script.py")]):
        done = run_warm(*words, "a", "b", more={"WORD": "here"}, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (3, told, "mine")


def test_a_module_runs_as_the_program_and_others_are_there_already() -> None:
    done = run_warm("-m", "flowload", "--version")
    assert done.stdout.startswith("flowload ")
    code = "import sys; print('numba' in sys.modules, 'tests.suite.forked' in sys.modules)"
    assert run_warm("-c", code).stdout == "True False\n"


def test_signals_come_and_one_that_takes_too_long_is_killed() -> None:
    waits = "import signal; print(flush=True); signal.pause()"
    with start_warm("-c", waits) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1].endswith("\nKeyboardInterrupt\n")
        assert process.wait() == -signal.SIGINT
    with start_warm("-c", waits) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.01)
        assert process.wait() == -signal.SIGKILL


def test_who_forks_ends_with_whom_it_serves() -> None:
    forks = Forks((), ("-X", "utf8"))
    with Warm(["-c", "import sys; print(sys.flags.utf8_mode)"], os.environ, ROOT, forks.socket) as process:
        assert process.communicate()[0] == "1\n"
    forks.end()
    assert forks.process.returncode == 0
