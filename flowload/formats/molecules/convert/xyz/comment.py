"""The second line of an extended XYZ frame: `key=value` pairs, read in one pass whatever it holds.

Values may stand in `"..."`, `'...'`, `{...}` or `[...]`, keys in the first two; a backslash takes the next
character as it is. Source: libAtoms/extxyz, and what ASE makes of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flowload.formats.molecules.convert.keys import PERIODIC, plain

__all__ = ["PAIR", "Comment", "WrongLineError", "read_comment", "says_no"]

# Quantifiers are possessive: nothing that was read is given back and read again, so time is linear.
QUOTED = r""" "(?:[^"\\]++|\\.)*+" | '(?:[^'\\]++|\\.)*+' """
NESTED = r"\[(?:[^\[\]]++|\[[^\[\]]*+\])*+\]"
BARE = r"""[^\s="'{\[\\]++ | \\."""
PAIR = re.compile(
    rf"""((?:{QUOTED}|{BARE})++) (?:\s*+=\s*+ ((?:{QUOTED}|\{{[^}}]*+\}}|{NESTED}|{BARE}|=)*+) )?+ \s*+""",
    re.VERBOSE | re.DOTALL,
)
PIECE = re.compile(rf"{QUOTED}|\{{[^}}]*+\}}|{NESTED}|{BARE}|=", re.VERBOSE | re.DOTALL)
SPECIAL = re.compile(r"""["'{\[\\]""")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)

MOST = 1000  #: keys of a frame: with more it is no line of keys
LONGEST = 1000  #: characters of one

NO = frozenset({"f", "false", ".false.", "0", "n", "no", "off", "fff"})


class WrongLineError(ValueError):
    """What is wrong with the line: for a DataError of whoever knows its place."""

    def __init__(self, reason: str, found: str, wanted: str) -> None:
        super().__init__(reason)
        self.reason, self.found, self.wanted = reason, found, wanted


class Comment(NamedTuple):
    """The `key=value` pairs of a comment line."""

    values: dict[str, str]  #: of keys that have one; "T" of a lone `pbc`
    twice: frozenset[str]  #: keys that come again with another value


def read_comment(line: str) -> Comment:
    """Keys and values; words that are no key are left out. Raises WrongLineError."""
    values: dict[str, str] = {}
    twice = set()
    at = len(line) - len(line.lstrip())
    while at < len(line):
        pair = PAIR.match(line, at)
        if pair is None:
            found = repr(line[at : at + 40].strip())
            raise WrongLineError("not closed", found, "key=value, and quotes in pairs")
        at = pair.end()
        key = text(pair[1])
        if pair[2] is None and (len(key) > LONGEST or plain(key) not in PERIODIC):
            continue
        value = "T" if pair[2] is None else text(pair[2])
        if len(key) > LONGEST or len(values) >= MOST:
            found = f"{len(values):,} keys, then {key[:40]!r}"
            raise WrongLineError("too many keys", found, f"at most {MOST:,}, of {LONGEST} characters")
        if values.setdefault(key, value) != value:
            twice.add(key)
    return Comment(values, frozenset(twice))


def text(written: str) -> str:
    """Without quotes, brackets and backslashes."""
    if not SPECIAL.search(written):
        return written
    if written[0] == '"' and written.find('"', 1) == len(written) - 1 and "\\" not in written:
        return written[1:-1]
    return "".join(inside(piece[0]) for piece in PIECE.finditer(written))


def inside(piece: str) -> str:
    """One piece of a key or value."""
    if piece[0] in "\"'{[":
        piece = piece[1:-1]
    return ESCAPED.sub(r"\1", piece) if "\\" in piece else piece


def says_no(value: str) -> bool:
    """Whether a value of `pbc` clearly says that no axis is periodic."""
    if len(value) > LONGEST:
        return False
    words = re.split(r"[\s,;\[\](){}\"']+", value.lower())
    return bool(any(words)) and all(word in NO for word in words if word)
