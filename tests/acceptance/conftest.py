"""What acceptance is measured on, and what every test leaves behind: nothing."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowload.sample import sample_path
from tests.acceptance.oracle import Digest, whole
from tests.runtime.reading import FACES, Face, run_threads
from tests.threads import give_way


@pytest.fixture(scope="session")
def sample() -> list[Path]:
    """The tars that ship with the project."""
    return sorted(sample_path("chess").glob("*.tar"))


@pytest.fixture(scope="session")
def sample_frames(sample: list[Path]) -> Counter[Digest]:
    """How often each frame is in them."""
    return whole(sample)


@pytest.fixture(params=FACES, ids=str)
def face(request: pytest.FixtureRequest) -> Face:
    """Both faces, the asynchronous one on both event loops."""
    found = request.param
    assert isinstance(found, Face)
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No thread of a run and no descriptor; a warning anywhere is a failure by the project's law."""
    gc.freeze()
    before = descriptors()
    yield
    gc.collect()
    assert run_threads() == []
    # The watcher's own thread is none of Python's: it closes its descriptors a moment after it is told.
    tries = 200_000
    while not descriptors() <= before and tries > 0:
        give_way()
        tries -= 1
    assert descriptors() <= before


def descriptors() -> set[str]:
    """Open file descriptors of this process."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists() or entry.is_symlink()}
