"""The tree of errors is its docstring, and errors survive a trip between processes."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from flowload import errors
from flowload.errors import DataError, FlowloadError, NoDataError, TooManyErrors


def drawn() -> dict[str, tuple[str, list[str]]]:
    """Per class of the docstring's tree: its parent there, and the builtins in brackets."""
    parents: dict[int, str] = {}
    found: dict[str, tuple[str, list[str]]] = {}
    for line in (errors.__doc__ or "").splitlines():
        row = re.match(r"([│├└─ ]*)([A-Z]\w+)(?: \((\w+)\))?", line)
        if row is None or not (row[1] or line == "FlowloadError"):
            continue
        depth = len(row[1]) // 4
        parents[depth] = row[2]
        found[row[2]] = (parents.get(depth - 1, "Exception"), [row[3]] if row[3] else [])
    return found


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    tree = drawn()
    assert sorted(tree) == errors.__all__ == sorted(errors.__all__)
    for name, (parent, builtins) in tree.items():
        bases = [base.__name__ for base in getattr(errors, name).__bases__]
        assert bases == [parent, *builtins]


def test_every_error_is_caught_by_one_name() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), FlowloadError)


def test_a_data_error_says_where_what_and_what_not() -> None:
    full = DataError("bad gzip", where="a.tar: game_7.gz", found="CRC 1", wanted="CRC 2")
    assert str(full) == "a.tar: game_7.gz: bad gzip; found CRC 1; wanted CRC 2"
    assert (full.reason, full.where, full.found, full.wanted) == (
        "bad gzip",
        "a.tar: game_7.gz",
        "CRC 1",
        "CRC 2",
    )
    assert str(DataError("no records", where="b.gz")) == "b.gz: no records"
    assert str(DataError("too long", where="b.gz", wanted="10 bytes")) == "b.gz: too long; wanted 10 bytes"


@pytest.mark.parametrize("kind", [DataError, NoDataError, TooManyErrors])
def test_data_errors_can_be_copied_and_pickled(kind: type[DataError]) -> None:
    error = kind("bad gzip", where="a.tar", found="1", wanted="2")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("name", sorted({*errors.__all__} - {"DataError", "NoDataError", "TooManyErrors"}))
def test_the_others_can_be_pickled(name: str) -> None:
    kind = getattr(errors, name)
    twin = pickle.loads(pickle.dumps(kind("a message")))
    assert (type(twin), str(twin)) == (kind, "a message")
