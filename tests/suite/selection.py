"""Which tests run: `-m quick` for the inner loop, of a grid what covers it, and a share of the hammers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any
from zlib import crc32

import pytest

__all__ = ["covering", "find_addresses", "of_share", "quick", "share_of", "superfluous"]

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
SHARE = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


def number(text: str) -> int:
    """The same for a name in every process, on every machine and Python."""
    return crc32(text.encode())


def quick(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """One case of every test that is neither slow nor a hammer: over them all, every parameter has its turn.

    Which one it is depends on nothing but the names of the test and its cases.
    """
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if not any(item.iter_markers("slow")) and not any(item.iter_markers("hammer")):
            cases[item.nodeid.split("[", 1)[0]].append(item)
    return [some[number(name) % len(some)] for name, some in cases.items()]


def superfluous(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Cases of tests marked `covering` that the others cover: they are hammers.

    A test over a grid of parameters mostly fails for one value, or for two that meet. `covering` keeps each
    value of each parameter, `covering(2)` each pair of values.
    """
    tests: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if any(item.iter_markers("covering")):
            tests[item.nodeid.split("[", 1)[0]].append(item)
    found = []
    for some in tests.values():
        strength = next((mark.args[0] for mark in some[0].iter_markers("covering") if mark.args), 1)
        cases = {item.nodeid: values_of(item) for item in some}
        kept = covering(cases, strength)
        found += [item for item in some if item.nodeid not in kept]
    return found


def values_of(item: pytest.Item) -> tuple[object, ...]:
    """What tells a case's value of each parameter from others; parameters that are given together are one."""
    params: dict[str, object] = dict(item.callspec.params)  # type: ignore[attr-defined]  # a Function has it
    values: list[object] = []
    for mark in item.iter_markers("parametrize"):
        names: Any = mark.args[0]
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
        values.append(tuple(id(params.pop(name)) for name in names))  # one object in all cases that have it
    return *values, *map(id, params.values())


def covering(cases: Mapping[str, tuple[object, ...]], strength: int) -> set[str]:
    """Names of cases in which there is each combination of so many values that there is in all."""
    wanted = {name: set(combinations(enumerate(values), strength)) for name, values in cases.items()}
    left, kept = set().union(*wanted.values()), set[str]()
    while left:
        best = max(wanted, key=lambda name: (len(wanted[name] & left), number(name)))
        left -= wanted[best]
        kept.add(best)
    return kept


def share_of(text: str) -> tuple[int, int]:
    """Which share of how many: "all" is the first of one, "2/5" the second of five."""
    if text == "all":
        return 1, 1
    found = SHARE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise pytest.UsageError(f"--hammers {text}: wanted 'all', or a share as '2/5'")
    return int(found[1]), int(found[2])


def of_share(nodeid: str, share: tuple[int, int]) -> bool:
    """Whether a test belongs to a share; each belongs to one of them."""
    which, shares = share
    return number(nodeid) % shares == which - 1


def find_addresses(nodeids: Iterable[str]) -> Sequence[str]:
    """Names that will be others in the next process: they name an object by its place in memory."""
    return [nodeid for nodeid in nodeids if ADDRESS.search(nodeid)]
