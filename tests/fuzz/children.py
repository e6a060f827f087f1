"""Readers of damaged files in a process of their own, where a library may die of what it is given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["read_in_a_child"]


def read_in_a_child(code: str, paths: Sequence[Path]) -> int:
    """How many of these files the library dies of, by itself.

    Args:
        code: a program that prints "library PATH" before the library reads a file, "us PATH" before we do,
            and "done" at the end; after it died it is run again with the rest of the files.
        paths: the files, as its arguments.

    Raises AssertionError where it ends otherwise, or dies while we read.
    """
    left, died = list(map(str, paths)), 0
    while left:
        command = [sys.executable, "-W", "ignore", "-c", code, *left]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        last = done.stdout.splitlines()[-1] if done.stdout else "nothing was printed"
        if last == "done":
            break
        who, at = last.split(" ", 1)
        if done.returncode >= 0:
            raise AssertionError(f"{at}: {done.stderr[-3000:]}")
        if who != "library":  # nobody can keep a library from dying within one process
            raise AssertionError(f"{at}: died of signal {-done.returncode}\n{done.stderr[-3000:]}")
        died += 1
        left = left[left.index(at) + 1 :]
    return died
