"""What is selected: a case of every test, and each hammer in one share."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any

import pytest

from tests.suite.selection import covering, find_addresses, of_share, quick, share_of, superfluous


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


def grid(*sizes: int) -> dict[str, tuple[object, ...]]:
    return {str(case): case for case in product(*map(range, sizes))}


def test_each_value_is_covered_or_each_pair() -> None:
    cases = grid(5, 3, 2)
    for strength, fewest, most in ((1, 5, 6), (2, 15, 18), (3, 30, 30)):
        kept = covering(cases, strength)
        assert fewest <= len(kept) <= most
        for axes in combinations(range(3), strength):
            seen = {tuple(cases[name][axis] for axis in axes) for name in kept}
            assert seen == set(product(*(range((5, 3, 2)[axis]) for axis in axes)))
        assert covering(dict(reversed(cases.items())), strength) == kept, "whatever their order"


class Case:
    """As much of a case of a grid: given by two marks and a fixture, with values that are not hashable."""

    def __init__(
        self, nodeid: str, given: tuple[str, list[int]], other: list[str], face: str, *strength: int
    ):
        self.nodeid = nodeid
        self.callspec = SimpleNamespace(params={"a": given[0], "b": given[1], "c": other, "face": face})
        self.marks = {
            "covering": [SimpleNamespace(args=strength)],
            "parametrize": [SimpleNamespace(args=("a, b",)), SimpleNamespace(args=(["c"],))],
        }

    def iter_markers(self, name: str) -> Any:
        return iter(self.marks.get(name, []))


@pytest.mark.parametrize(("strength", "kept"), [((), {4}), ((1,), {4}), ((2,), {12, 13, 14}), ((3,), {24})])
def test_cases_that_others_cover_are_superfluous(strength: tuple[int, ...], kept: set[int]) -> None:
    given = [("x", [1]), ("x", [2]), ("y", [1]), ("y", [2])]  # four values of one parameter
    axes = product(given, [["c"], ["d"], ["e"]], ["iterate", "trio"])
    cases: Any = [Case(f"test_it[{number}]", *values, *strength) for number, values in enumerate(axes)]
    assert len(cases) - len(superfluous(cases)) in kept
    assert superfluous([Item("test_it[0]"), Item("test_it[1]")]) == []  # type: ignore[list-item]  # not marked


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
