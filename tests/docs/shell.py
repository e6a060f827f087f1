"""Commands of a page, each done in the way that shows most for its price.

`flowload` runs in this process; `python` and `torchrun` run files of the page in theirs; `sbatch` runs a
job's script with an `srun` that starts the tasks here. What installs is compared with what the project has.
Anything else is an error: a page shows no command that nobody tried.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from flowload.cli import main

from .pages import ROOT

__all__ = ["do"]

STUB = Path(__file__).with_name("srun")
#: What sbatch tells a script, and a single rank for each node of a page's example.
JOB = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "here", "SLURM_NNODES": "2", "RANKS": "1"}
SET_UP = ("pip", "pipx", "uv", "git", "apt-get", "nox", "pre-commit", "tmux")


def do(command: str, folder: Path) -> str:
    """Do what a line of shell says, in a folder; what it printed. Raises AssertionError where it failed."""
    words = shlex.split(command, comments=True)
    if words[0] == "flowload":
        return run_here(words[1:], command)
    if words[0] in SET_UP or "venv" in command:
        check_set_up(command)
        return ""
    assert words[0] in ("python", "torchrun", "sbatch"), f"no page shows what nobody tries: {command}"
    return run_apart(words, folder)


def run_here(words: list[str], command: str) -> str:
    """`flowload`, in this process: capturing what it prints is the caller's business."""
    assert main(words) == 0, command
    return ""


def run_apart(words: list[str], folder: Path) -> str:
    """A command in a process of its own."""
    programs = {
        "python": [sys.executable],
        "torchrun": [sys.executable, "-m", "torch.distributed.run"],
        "sbatch": ["bash"],
    }
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{STUB.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        **JOB,
    }
    done = subprocess.run(
        [*programs[words[0]], *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def check_set_up(command: str) -> None:
    """Raise AssertionError where extras, sessions or files are named that the project does not have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for names in re.findall(r"(?:flowload|\.)\[([a-z0-9,-]+)\]", command):
        unknown = set(names.split(",")) - set(project["optional-dependencies"])
        assert not unknown, f"{command}: no extra {', '.join(sorted(unknown))}"
    for session in re.findall(r"nox -s (\w+)", command):
        assert f"\ndef {session}(" in (ROOT / "noxfile.py").read_text(), command
    for path in re.findall(r"-c (\S+)", command):
        assert (ROOT / path).exists(), command
