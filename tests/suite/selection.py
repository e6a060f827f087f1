"""Which tests run: `-m quick` for the inner loop, and a share of the hammers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from zlib import crc32

import pytest

__all__ = ["find_addresses", "of_share", "quick", "share_of"]

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
