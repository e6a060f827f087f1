"""What every test here is held to: when it is over, nothing of its runs is left."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import flowload  # binds the engine
from tests.descriptors import none_left_open
from tests.runtime.reading import FACES, Face, run_threads

assert flowload.Graph.engine is not None


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Marked tests run on both event loops."""
    return str(request.param)


@pytest.fixture(params=FACES, ids=str)
def face(request: pytest.FixtureRequest) -> Face:
    """Both faces, the asynchronous one on both event loops."""
    found = request.param
    assert isinstance(found, Face)
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No thread of a run, no descriptor; forgotten coroutines and errors in finalizers become failures."""
    gc.freeze()  # what is there already is not this test's garbage: looking through it would cost most
    with none_left_open():
        yield
        gc.collect()
        assert run_threads() == []
