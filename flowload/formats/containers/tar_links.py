"""Which members of a tar are files to read: links are followed within the tar, and nowhere else.

A hard link is a second name of an earlier member, as tar programs write one for a file that they meet again.
A symbolic link is one of whatever has that name in the end. Where a link leads out of the tar, to nothing in
it, or in a circle, there is nothing to read: that is counted, by reason.
"""

from __future__ import annotations

import bisect
import posixpath
from collections import Counter
from collections.abc import Iterable

from .tar import HARD, SOFT, Member

__all__ = ["follow_links"]

HOPS = 16  #: from link to link, at most
OUTSIDE, NOTHING, CIRCLE = "link out of the tar", "link to nothing", "links in a circle"
OTHER = "no regular file"  #: a device, a pipe, or of a kind that no two programs agree on


def follow_links(found: Iterable[Member]) -> tuple[list[Member], Counter[str]]:
    """Members to read, in order, and how many cannot be, by reason.

    A link that is followed has its own name, and all else of the file that it leads to.
    """
    members = list(found)
    if all(member.kind == b"0" for member in members):
        return members, Counter()
    places: dict[str, list[int]] = {}
    for place, member in enumerate(members):
        places.setdefault(posixpath.normpath(member.name), []).append(place)
    read: list[Member] = []
    left_out: Counter[str] = Counter()
    for place, member in enumerate(members):
        target = resolve(place, members, places)
        if isinstance(target, str):
            left_out[target] += 1
        else:
            read.append(target._replace(name=member.name, link=target.name if member.link else ""))
    return read, left_out


def resolve(place: int, members: list[Member], places: dict[str, list[int]]) -> Member | str:
    """The file that a member is or leads to; or why there is none."""
    for _ in range(HOPS + 1):
        member = members[place]
        if member.kind == b"0":
            return member
        if member.kind not in (HARD, SOFT):
            return OTHER
        name = target_of(member)
        if name is None:
            return OUTSIDE
        if name not in places:
            return NOTHING
        place = nearest(place, places[name]) if member.kind == HARD else places[name][-1]
    return CIRCLE


def target_of(link: Member) -> str | None:
    """The name that a link leads to; None: it lies outside."""
    if link.kind == HARD:
        return posixpath.normpath(link.link)
    if link.link.startswith("/"):
        return None
    name = posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.link))
    return None if name == ".." or name.startswith("../") else name


def nearest(place: int, others: list[int]) -> int:
    """Of rising places the last one before this, else the first behind it, else this one."""
    at = bisect.bisect_left(others, place)
    if at:
        return others[at - 1]
    return others[min(int(others[0] == place), len(others) - 1)]
