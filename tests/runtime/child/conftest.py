from __future__ import annotations

import gc
from collections.abc import Iterator

import psutil
import pytest

from tests.threads import none_left


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process, descriptor or thread."""
    me = psutil.Process()
    children, files = {each.pid for each in me.children()}, me.num_fds()
    with none_left():
        yield
        gc.collect()
    assert {each.pid for each in me.children()} <= children
    assert me.num_fds() <= files
