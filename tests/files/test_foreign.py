from __future__ import annotations

import struct

import pytest

from flowload.errors import DataError, FlowloadError, NoDataError
from flowload.files.foreign import foreign


@pytest.mark.parametrize(
    "error", [struct.error("x"), RecursionError("x"), MemoryError("x"), OSError("x"), KeyError("x")]
)
def test_whatever_a_library_raises_has_its_place(error: Exception) -> None:
    with pytest.raises(DataError, match=r"a.bin: bad bin; found '?x") as caught, foreign("bad bin", "a.bin"):
        raise error
    assert caught.value.__cause__ is error


def test_an_error_without_words_and_one_with_too_many() -> None:
    with pytest.raises(DataError, match="found MemoryError"), foreign("bad", "a"):
        raise MemoryError
    with pytest.raises(DataError) as caught, foreign("bad", "a"):
        raise ValueError("x" * 10**6)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("error", [NoDataError("none", where="b"), KeyboardInterrupt(), SystemExit(1)])
def test_our_own_errors_and_signals_pass(error: BaseException) -> None:
    with pytest.raises((FlowloadError, KeyboardInterrupt, SystemExit)) as caught, foreign("bad", "a"):
        raise error
    assert caught.value is error
