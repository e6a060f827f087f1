from __future__ import annotations

import math
from typing import Any

import click
import pytest

from flowload.cli.parsing.numbers import limit


@pytest.mark.parametrize(
    ("how", "text", "number"),
    [
        ({"whole": True}, "3", 3.0),
        ({"whole": True}, "inf", math.inf),
        ({"whole": False}, "0.5", 0.5),
        ({"whole": False, "most": 10}, 10, 10.0),
    ],
)
def test_a_number_above_0_is_read(how: dict[str, Any], text: Any, number: float) -> None:
    assert limit(**how)(text) == number


@pytest.mark.parametrize(
    ("how", "text", "message"),
    [
        ({"whole": True}, "1.5", "'1.5' is not a whole number above 0, nor inf"),
        ({"whole": True}, "-1", "'-1' is not a whole number above 0, nor inf"),
        ({"whole": False}, "nan", "'nan' is not a number above 0, nor inf"),
        ({"whole": False}, "soon", "'soon' is not a number above 0, nor inf"),
        ({"whole": False, "most": 10}, "inf", "'inf' is not a number above 0, up to 10"),
    ],
)
def test_anything_else_is_refused(how: dict[str, Any], text: str, message: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        limit(**how)(text)
    assert refused.value.message == message
