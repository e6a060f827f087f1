from __future__ import annotations

import gc
from collections.abc import Iterator

import psutil
import pytest

from tests.descriptors import none_left_open
from tests.threads import none_left


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process, descriptor or thread."""
    me = psutil.Process()
    children = {each.pid for each in me.children()}
    with none_left_open():
        with none_left():
            yield
            gc.collect()
        assert {each.pid for each in me.children()} <= children
