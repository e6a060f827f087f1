"""What is selected: a case of every test, and each hammer in one share."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.suite.selection import find_addresses, of_share, quick, share_of


class Item:
    """As much of a test as is looked at."""

    def __init__(self, nodeid: str, *marks: str) -> None:
        self.nodeid = nodeid
        self.marks = marks

    def iter_markers(self, name: str) -> Any:
        return (mark for mark in self.marks if mark == name)


def chosen(items: list[Item]) -> list[str]:
    given: Any = items
    return [item.nodeid for item in quick(given)]


def test_one_case_of_every_quick_test_is_chosen() -> None:
    names = [f"tests/test_{part}.py::test_it" for part in "abcdefgh"]
    items = [Item(f"{name}[{case}]") for name in names for case in ("asyncio", "trio", "iterate")]
    slow = [Item("tests/test_i.py::test_it", "slow"), Item("tests/test_i.py::test_more[1]", "hammer")]
    found = chosen([*items, *slow])
    assert [nodeid.split("[")[0] for nodeid in found] == names
    assert len({nodeid.split("[")[1] for nodeid in found}) == 3, "not always the first one"
    assert chosen(items) == found


def test_each_hammer_is_in_one_share() -> None:
    names = [f"tests/test_a.py::test_it[{case}]" for case in range(1000)]
    shares = Counter(which for which in (1, 2, 3, 4) for name in names if of_share(name, (which, 4)))
    assert shares.total() == 1000
    assert min(shares.values()) > 200
    assert all(of_share(name, share_of("all")) for name in names)


@pytest.mark.parametrize("text", ["", "some", "0/4", "5/4", "1/0", "1/4/2", "-1/4"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(pytest.UsageError, match="wanted 'all', or a share as '2/5'"):
        share_of(text)


def test_names_that_hold_addresses_are_found() -> None:
    bad = "tests/test_a.py::test_it[<function numbers at 0x7f987f3c4540>]"
    assert find_addresses([bad, "tests/test_a.py::test_it[0x1f]", "tests/test_a.py::test_it"]) == [bad]
