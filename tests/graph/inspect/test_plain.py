"""Parameters become JSON that is the same in every process."""

from __future__ import annotations

import enum
import functools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.graph.inspect.plain import plain


class Colour(enum.Enum):
    RED = 1


class Opaque:
    pass


def double(x: Any) -> Any:
    return 2 * x


def make() -> Any:
    return lambda x: x


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Colour.RED, "RED"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (Path("a") / "b", "a/b"),
        ({1: (2, 3)}, {"1": [2, 3]}),
        ({"b", "a"}, ["a", "b"]),
        (range(3), [0, 1, 2]),
        (b"\x00a", "b'\\x00a'"),
        (double, "double"),
        (Opaque, "Opaque"),
        (Opaque(), "Opaque"),
        (len, "len"),
        (functools.partial(double, x=3), "partial(double, x=3)"),
        (functools.partial(double, "a"), "partial(double, 'a')"),
        (complex(1, 2), "(1+2j)"),
    ],
)
def test_values_by_kind(value: object, text: object) -> None:
    assert plain(value) == text
    assert type(plain(value)) is type(text)


def test_a_lambda_says_where_it_is() -> None:
    assert "(test_plain.py:" in plain(make())


def test_arrays_are_told_apart_by_their_bytes() -> None:
    zeros, ones = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    assert plain(zeros).startswith("float32 array (2, 3) ")
    assert plain(zeros) != plain(ones)
    assert plain(ones) == plain(ones.copy(order="F"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@pytest.mark.slow
@given(values)
def test_json_holds_it_and_gives_it_back(value: object) -> None:
    once = plain(value)
    assert json.loads(json.dumps(once, allow_nan=False)) == once
    assert plain(once) == once
