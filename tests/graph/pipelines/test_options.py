"""Options: text and Python values become what the type says, or an error that says what it wanted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import GraphError, OptionError
from flowload.graph.pipelines.options import Option, accept, convert, known_option, read_options


def option(annotation: Any, name: str = "x") -> Option:
    return Option(name, annotation, None)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "512", 512),
        (int, "-3", -3),
        (float, "0.5", 0.5),
        (float, "2", 2.0),
        (str, "512", "512"),
        (str, "", ""),
        (bool, "true", True),
        (bool, "No", False),
        (bool, "on", True),
        (bool, "0", False),
        (Path, "a/b", Path("a/b")),
        (int | None, "none", None),
        (int | None, "7", 7),
        (Optional[str], "None", None),  # noqa: UP045 - users still write it
        (str | None, "text", "text"),
        (int | str, "7", 7),
        (str | int, "seven", "seven"),
        (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2),
        (Literal["a"] | None, "none", None),
        (list[str], "a, b,c", ["a", "b", "c"]),
        (list[str], "", []),
        (tuple[int, ...], "1,2", (1, 2)),
        (tuple[float, ...] | None, "1,2.5", (1.0, 2.5)),
        (list[Literal["a", "b"]], "b,a", ["b", "a"]),
    ],
)
def test_text_becomes_a_value(annotation: Any, text: str, value: object) -> None:
    converted = convert(option(annotation), text)
    assert converted == value
    assert type(converted) is type(value)
    assert accept(option(annotation), converted) == value


@pytest.mark.parametrize(
    ("annotation", "text", "wanted"),
    [
        (int, "many", "an int"),
        (int, "1.5", "an int"),
        (float, "fast", "a float"),
        (bool, "maybe", "true or false"),
        (int | None, "x", "an int or None"),
        (Literal["a", "b"], "c", "'a' or 'b'"),
        (list[int], "1,x", "a list of int"),
        (tuple[int, ...] | None, "x", "a tuple of int or None"),
    ],
)
def test_text_that_does_not_fit(annotation: Any, text: str, wanted: str) -> None:
    with pytest.raises(OptionError) as caught:
        convert(option(annotation, "batch_size"), text)
    assert str(caught.value) == f"batch_size is {text!r}; wanted {wanted}"


@pytest.mark.parametrize(
    ("annotation", "value", "taken"),
    [
        (float, 1, 1.0),
        (float, np.float32(0.5), 0.5),
        (int, np.int64(4), 4),
        (bool, np.True_, True),
        (Path, "a", Path("a")),
        (str | Path, "a", "a"),
        (float | None, None, None),
        (list[str], ("a",), ["a"]),
        (tuple[str, ...], ["a"], ("a",)),
        (float | int, 3, 3),
    ],
)
def test_python_values_that_fit(annotation: Any, value: object, taken: object) -> None:
    accepted = accept(option(annotation), value)
    assert accepted == taken
    assert type(accepted) is type(taken)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "512"),
        (int, 1.0),
        (int, True),
        (float, "1"),
        (float, False),
        (float, None),
        (bool, 1),
        (bool, "true"),
        (str, 1),
        (str, Path("a")),
        (str, None),
        (Path, 3),
        (int | None, "none"),
        (Literal["a"], "b"),
        (Literal["a"], ["a"]),
        (Literal[1], True),
        (list[str], "abc"),
        (list[str], [1]),
        (tuple[int, ...], {1: 2}),
    ],
)
def test_python_values_that_do_not_fit(annotation: Any, value: object) -> None:
    with pytest.raises(OptionError, match=r"^x is .*; wanted "):
        accept(option(annotation), value)


@given(st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_numbers_survive_their_text(value: float | bool) -> None:
    assert convert(option(type(value)), str(value)) == value


@pytest.mark.slow
@given(st.lists(st.integers()))
def test_lists_survive_their_text(values: list[int]) -> None:
    assert convert(option(list[int]), ",".join(map(str, values))) == values


def test_text_may_be_no_number() -> None:
    assert math.isnan(convert(option(float), "nan"))


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (int | None, "int | None"),
        (Optional[Path], "Path | None"),  # noqa: UP045 - users still write it
        (Literal["a", "b"], "'a' | 'b'"),
        (list[str], "list[str]"),
        (tuple[int, ...], "tuple[int, ...]"),
    ],
)
def test_types_are_written_as_users_do(annotation: Any, text: str) -> None:
    assert option(annotation).type == text


def test_options_are_read_from_a_function() -> None:
    def chess(data: str = "*.tar", *, rate: float = 1, device: Literal["cpu", "cuda"] | None = None) -> None:
        """Draw.

        Args:
            data: where the games are;
                a pattern.
            rate (float): share of the positions.

        Returns:
            device: this is no help.
        """

    options = read_options(chess)
    assert [(o.name, o.type, o.default, o.help) for o in options] == [
        ("data", "str", "*.tar", "where the games are; a pattern."),
        ("rate", "float", 1, "share of the positions."),
        ("device", "'cpu' | 'cuda' | None", None, ""),
    ]


def no_type(x=1): ...  # type: ignore[no-untyped-def]
def no_default(x: int) -> None: ...
def not_by_name(x: int = 1, /) -> None: ...
def many(*x: int) -> None: ...
def others(**x: int) -> None: ...
def unsupported(x: dict[str, int] | None = None) -> None: ...
def fixed(x: tuple[int, int] = (1, 2)) -> None: ...
def bare(x: list = []) -> None: ...  # type: ignore[type-arg]  # noqa: B006
def misfit(x: int = "1") -> None: ...  # type: ignore[assignment]
def unknown(x: "Nowhere" = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_type, "parameter 'x' of the pipeline 'no_type' has no type; wanted name: type = default"),
        (no_default, "has no default"),
        (not_by_name, "cannot be given by name"),
        (many, "cannot be given by name"),
        (others, "cannot be given by name"),
        (unsupported, r"has the type dict\[str, int\] \| None; wanted str, int"),
        (fixed, r"has the type tuple\[int, int\]"),
        (bare, "has the type list;"),
        (misfit, "does not fit its own default: x is '1'; wanted an int"),
        (unknown, "a type of the pipeline 'unknown' is not known: name 'Nowhere'"),
    ],
)
def test_parameters_that_cannot_be_options(function: Any, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        read_options(function)


def test_an_unknown_option_lists_the_known_ones() -> None:
    options = [option(int, "batch_size"), option(str, "data")]
    assert known_option(options, "data", "f.py").name == "data"
    with pytest.raises(OptionError) as caught:
        known_option(options, "batch-sise", "f.py")
    assert str(caught.value) == (
        "f.py has no option 'batch-sise'; did you mean 'batch_size'? known: batch_size, data"
    )
    with pytest.raises(OptionError, match=r"f\.py has no option 'zzz'; known: batch_size, data"):
        known_option(options, "zzz", "f.py")
    with pytest.raises(OptionError, match="known: none"):
        known_option([], "zzz", "f.py")
