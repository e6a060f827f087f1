"""What acceptance is measured on, and what every test leaves behind: nothing."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowload.sample import sample_path
from tests.acceptance.oracle import Digest, whole
from tests.descriptors import none_left_open
from tests.runtime.reading import FACES, Face, run_threads


@pytest.fixture(scope="session")
def sample() -> list[Path]:
    """The tars that ship with the project."""
    return sorted(sample_path("chess").glob("*.tar"))


@pytest.fixture(scope="session")
def sample_frames(sample: list[Path]) -> Counter[Digest]:
    """How often each frame is in them."""
    return whole(sample)


@pytest.fixture
def tars(tmp_path: Path, sample: list[Path]) -> list[Path]:
    """Copies of the sample's tars."""
    copies = [tmp_path / path.name for path in sample]
    for path, copy in zip(sample, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    return copies


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
    with none_left_open():  # also by the watcher's own thread, which is none of Python's
        yield
        gc.collect()
        assert run_threads() == []
