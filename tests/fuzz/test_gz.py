"""gzip data, of one member and of several."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib
from functools import partial

import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.containers.gzip import inflate
from tests.fuzz.inputs.mutate import mutants, survives

TEXT = b"".join(b"%d, " % k for k in range(400))
LIMIT = 1 << 16


def full_header() -> bytes:
    """A member with a name and a time."""
    file = io.BytesIO()
    with gzip.GzipFile("name of a game", "wb", fileobj=file, mtime=12345) as packed:
        packed.write(TEXT)
    return file.getvalue()


VALID = {
    "plain": gzip.compress(TEXT),
    "named": full_header(),
    "stored": gzip.compress(TEXT, 0),
    "several": gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:]) + bytes(600),
    "large": gzip.compress(bytes(LIMIT)),
}


@pytest.mark.parametrize("name", VALID)
def test_damaged_gzip_data_are_what_gzip_says_or_named(name: str, fuzz_count: int) -> None:
    tracemalloc.start()
    try:
        for number, data in enumerate(
            mutants(VALID[name], count=fuzz_count // len(VALID), seed=number_of(name))
        ):
            found: list[bytes] = []
            what = f"{name} {number}"
            if survives(partial(unpacked, data, found), what):
                assert found == [oracle(data)], what
            assert tracemalloc.get_traced_memory()[1] < 4 << 20, what
    finally:
        tracemalloc.stop()


def number_of(name: str) -> int:
    return list(VALID).index(name)


def unpacked(data: bytes, to: list[bytes]) -> None:
    to.append(inflate(data, np.empty(1000, np.uint8), limit=LIMIT, where="fuzz").tobytes())


def oracle(data: bytes) -> bytes:
    """What zlib makes of it, member by member."""
    out = b""
    while data.lstrip(b"\0"):
        engine = zlib.decompressobj(31)
        out += engine.decompress(data.lstrip(b"\0"))
        assert engine.eof
        data = engine.unused_data
    return out


def test_the_limit_holds() -> None:
    with pytest.raises(DataError, match="chunk too large"):
        unpacked(gzip.compress(bytes(LIMIT + 1)), [])
