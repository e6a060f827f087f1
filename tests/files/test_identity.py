from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flowload.files.identity import Identity, changed, identify, stat_of

words = st.integers(0, 2**64 - 1)


@given(st.builds(Identity, words, words, words, st.integers(-(2**63), 2**63 - 1)))
def test_what_was_packed_comes_back(one: Identity) -> None:
    assert len(one.pack()) == 32
    assert Identity.unpack(one.pack()) == one
    assert "file changed" in str(changed("x", None, Identity(1, 2, 3, 4)))


def test_a_path_and_its_descriptor_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    fd = os.open(path, os.O_RDONLY)
    try:
        found = identify(fd)
    finally:
        os.close(fd)
    assert found == stat_of(str(path))
    assert (found.size, found.modified) == (3, path.stat().st_mtime_ns)
    assert stat_of(str(tmp_path / "b")) is None
    assert stat_of(str(path / "b")) is None
