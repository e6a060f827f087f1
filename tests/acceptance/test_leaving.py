"""Ctrl-C in the midst of work that would take minutes: what is under way hears of it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import numpy as np
import pytest

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.molecules.pairs import rule as molecules_pairs
from flowload.graph import Graph
from flowload.kernels.stopping import STOPPED
from tests.formats.molecules import packs as small
from tests.runtime.reading import run_threads

HANG = 60  #: seconds, after which nobody walks

pytestmark = pytest.mark.usefixtures("nobody_is_stuck")


@pytest.fixture
def nobody_is_stuck(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No thread is left behind because it did not hear, after seconds of patience."""
    yield
    assert "stuck" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert run_threads() == []


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class Endless:
    """A folder that never ends; Ctrl-C comes at its thousandth entry."""

    def __init__(self, folder: Path) -> None:
        (folder / "a.txt").write_text("")
        with os.scandir(folder) as found:
            (self.entry,) = found
        self.given = 0

    @contextmanager
    def scandir(self, _: str) -> Iterator[Iterator[Any]]:
        yield self

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.given += 1
        if self.given == 1000:
            interrupt()
        return self.entry


def walks(folder: Path, *, watch: bool) -> Graph:
    return fl.discover(str(folder / "**" / "*.tar"), watch=watch)


@pytest.mark.parametrize("watch", [False, True])
def test_a_walk_through_folders(tmp_path: Path, watch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Endless(tmp_path)
    fake = SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")})
    fake.scandir = endless.scandir
    monkeypatch.setattr("flowload.stages.files.walk.os", fake)
    with pytest.raises(KeyboardInterrupt), walks(tmp_path, watch=watch).iterate() as run:
        next(run)
    assert endless.given >= 1000


@pytest.mark.parametrize("watch", [False, True])
def test_a_walk_that_is_cancelled(tmp_path: Path, watch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Endless(tmp_path)
    monkeypatch.setattr("tests.acceptance.test_leaving.interrupt", lambda: None)
    fake = SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")})
    fake.scandir = endless.scandir
    monkeypatch.setattr("flowload.stages.files.walk.os", fake)

    async def main() -> None:
        with anyio.fail_after(HANG):
            async with walks(tmp_path, watch=watch).stream():
                while endless.given < 1000:
                    await anyio.lowlevel.checkpoint()

    anyio.run(main)


@pytest.mark.slow
@pytest.mark.parametrize("cutoff", [None, 2.0])
def test_the_pairs_of_a_huge_molecule(
    tmp_path: Path, cutoff: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 150_000 if cutoff else 5_000
    content = small.content([count])
    content["R_pack.f32"] = np.random.default_rng(0).uniform(0, 1, (count, 3)).astype(np.float32)
    small.write(tmp_path, content)
    few = small.write(tmp_path / "few", small.content([5]))
    with (fl.rows(PackedMolecules(few, pairs="real", cutoff=cutoff)) >> fl.batch(1)).iterate() as run:
        list(run)  # kernels are compiled: the patience with a call that is told to stop is not for that
    name = "room_within" if cutoff else "fill_pairs"
    kernel = getattr(molecules_pairs, name)
    assert kernel.signatures
    returned = []

    def interrupted(*args: Any) -> Any:
        if threading.current_thread().name == "flowload-compile":
            return (
                None  # what is no kernel is called beforehand where others are compiled, with mere examples
            )
        interrupt()
        while cutoff is None and not args[-1][0]:  # this one would be done too soon
            pass
        returned.append(kernel(*args))
        return returned[0]

    monkeypatch.setattr(molecules_pairs, name, interrupted)
    graph = fl.rows(PackedMolecules(tmp_path, pairs="real", cutoff=cutoff)) >> fl.batch(1)
    with pytest.raises(KeyboardInterrupt), graph.iterate() as run:
        next(run)
    assert returned == [STOPPED]
