"""The line of keys: what ASE reads we read, in one pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.formats.molecules.convert.xyz.comment import PAIR, WrongLineError, read_comment, says_no

ase_extxyz = pytest.importorskip("ase.io.extxyz")


def by_ase(line: str) -> dict[str, str]:
    """The same by ASE, whose numbers and truth values are left as text."""
    words: dict[str, str] = {}
    for key, value in ase_extxyz.key_val_str_to_dict(line).items():
        words[key] = str(value)
    return words


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a=1 b=2", {"a": "1", "b": "2"}),
        ('a="1 2" b=\'3 "4"\' c={5 6} d=[7 8]', {"a": "1 2", "b": '3 "4"', "c": "5 6", "d": "7 8"}),
        ("a = 1 b= 2 c =3", {"a": "1", "b": "2", "c": "3"}),
        ("\ta=1\r", {"a": "1"}),
        ("words that are no keys a=1 and more", {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("\"a b\"=1 'c'=2", {"a b": "1", "c": "2"}),
        (r"a=\"x\" b=x\ y", {"a": '"x"', "b": "x y"}),
        (r'a="x\"y"', {"a": 'x"y'}),
        ("a=[[1, 2], [3, 4]] b=5", {"a": "[1, 2], [3, 4]", "b": "5"}),
        ('a=x"y z"w', {"a": "xy zw"}),
        ("a=]} b=1", {"a": "]}", "b": "1"}),
        ("pbc energy=1", {"pbc": "T", "energy": "1"}),
        ('note="energy=-9" energy=1', {"note": "energy=-9", "energy": "1"}),
        ("a=", {"a": ""}),
        ("é=ü", {"é": "ü"}),
        ("", {}),
    ],
)
def test_spellings(line: str, values: dict[str, str]) -> None:
    assert read_comment(line) == (values, frozenset())


@pytest.mark.parametrize(
    "line", ['a="1 b=2', "a='1 b=2", "a={1 b=2", "a=[1 b=2", "=1", "a=1 =2", "it's", 'a="\\"', "a=1\\"]
)
def test_what_is_not_closed_is_told(line: str) -> None:
    with pytest.raises(WrongLineError) as caught:
        read_comment(line)
    assert caught.value.reason == "not closed"


def test_a_key_that_comes_twice() -> None:
    assert read_comment("a=1 b=2 a=3 b=2") == ({"a": "1", "b": "2"}, frozenset({"a"}))


# What needs no quotes, in keys and in values; no number or truth value, which ASE would spell anew.
bare = st.text(st.characters(categories=["L"], include_characters="_:;"), min_size=1, max_size=5).map(
    "x{}".format
)
inner = st.text(
    st.characters(categories=["L", "S"], include_characters=" ,.;:=", exclude_characters="\\\"'[]{}"),
    max_size=8,
).map("x{}".format)
quoted = st.builds(str.format, st.sampled_from(['"{}"', "'{}'", "{{{}}}", "[{}]"]), inner)
blanks = st.sampled_from(["", " ", "  "])


@given(
    st.lists(
        st.tuples(bare, st.one_of(bare, quoted)), min_size=1, max_size=5, unique_by=lambda pair: pair[0]
    ),
    blanks,
    blanks,
)
def test_ase_reads_the_same(found: list[tuple[str, str]], before: str, behind: str) -> None:
    line = " ".join(f"{key}{before}={behind}{value}" for key, value in found)
    assert read_comment(line).values == by_ase(line)


@given(st.text(alphabet=" ab=\"'\\[]{}\t", max_size=40))
def test_any_text_is_read_or_refused(line: str) -> None:
    try:
        comment = read_comment(line)
    except WrongLineError:
        return
    assert all(isinstance(value, str) for value in comment.values.values())


def hostile(size: int) -> Iterator[str]:
    """Lines that regular expressions go over again and again."""
    yield from ("a" * size, "a " * (size // 2), " " * size + "x", "=" * size, "a=" * (size // 2), '"' * size)
    yield from (
        "[" * size,
        "{" * size,
        "[[]" * (size // 3),
        '"\\' * (size // 2),
        "'" + '"' * size,
        "\\" * size,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", range(12))
def test_a_megabyte_is_read_in_one_pass(number: int) -> None:
    """In time that is quadratic, this takes hours: the time limit of the tests ends it."""
    line = list(hostile(1 << 20))[number]
    list(PAIR.finditer(line))
    try:
        read_comment(line)
    except WrongLineError:
        return  # it is told quickly, too


@pytest.mark.parametrize(
    ("value", "no"),
    [
        ("F F F", True),
        ("f,F;false", True),
        ("0", True),
        (".FALSE.", True),
        ("", False),
        ("F T F", False),
        ("F F x", False),
        ("none", False),
        (" ", False),
        ("[F, F, F]", True),
        ("00", False),
        ("0 0 1", False),
    ],
)
def test_what_says_no(value: str, no: bool) -> None:
    assert says_no(value) is no


@pytest.mark.parametrize("line", ["".join(f"k{number}=1 " for number in range(1500)), "k" * 1500 + "=1"])
def test_no_line_has_so_many_keys(line: str) -> None:
    with pytest.raises(WrongLineError) as caught:
        read_comment(line)
    assert caught.value.reason == "too many keys"
