"""A copy of the tree in which bugs are planted, and its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

from .sites import Site, planted

__all__ = ["Copy", "Outcome", "copied"]

Outcome: TypeAlias = Literal["killed", "timeout", "SURVIVED"]

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", "scratch", "build", "dist", "docs", ".hypothesis"
)


class Copy:
    """A copy of a tree. Tests run in processes of their own, whose output is thrown away."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def passes(self, tests: Sequence[str], seconds: float) -> Outcome:
        """What the tests say of the tree as it is now: SURVIVED when all pass."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return "killed" if process.wait(seconds) else "SURVIVED"
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            stop(process)

    def try_one(self, path: str, site: Site, tests: Sequence[str], seconds: float) -> Outcome:
        """What the tests say of one bug, which is gone afterwards."""
        file = self.root / path
        source = file.read_text(encoding="utf-8")
        try:
            file.write_text(planted(source, site), encoding="utf-8")
            return self.passes(tests, seconds)
        finally:
            file.write_text(source, encoding="utf-8")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process of tests and what it has started: they are a session of their own."""
    if process.poll() is None:
        os.killpg(process.pid, 9)
        process.wait()


@contextmanager
def copied(root: Path) -> Iterator[Copy]:
    """A copy of a tree, deleted at the end. Compiled kernels come with it: times of files stay the same."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        shutil.copytree(root, Path(folder, root.name), ignore=LEFT_OUT, symlinks=True)
        yield Copy(Path(folder, root.name))
