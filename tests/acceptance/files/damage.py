"""Ways in which games and tars are bad, and what each is called."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tests.acceptance.oracle import SIZE, games

__all__ = ["CHUNKS", "GAMES", "TARS", "Damage", "good_games", "packed", "tar_of"]

BOMB = 65 << 20  #: bytes; the limit is 64 MiB
BLOCK = 512
GAMES = 3  #: of each file that arrives in a folder that grows
LONGEST = 30  #: records of a game, so that tests are quick


class Damage(NamedTuple):
    """How to make something bad of something good, and the reason that is counted."""

    make: Callable[[bytes], bytes]
    reason: str


def packed(records: bytes) -> bytes:
    """A game as a gzip file."""
    return gzip.compress(records, 1, mtime=0)


def good_games(path: Path, count: int) -> dict[str, bytes]:
    """The beginnings of some games of a tar, gzipped, by member name."""
    some = islice(games(path), count)
    return {f"game.{i:06d}.gz": packed(data[: LONGEST * SIZE]) for i, (_, data) in enumerate(some)}


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """A tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def with_word(records: bytes, record: int, at: int, word: int) -> bytes:
    """Records, in one of which another number stands."""
    data = bytearray(records)
    struct.pack_into("<I", data, record * SIZE + at, word)
    return bytes(data)


def flipped(data: bytes, at: int) -> bytes:
    """One bit is another."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at:][1:]


def bad_crc(records: bytes) -> bytes:
    """The check sum of the data is wrong."""
    data = packed(records)
    return flipped(data, len(data) - 8)


def bad_length(records: bytes) -> bytes:
    """The length that the gzip file ends with is wrong."""
    data = packed(records)
    return flipped(data, len(data) - 4)


def bomb(_: bytes) -> bytes:
    """Small on disk, large in memory."""
    return packed(bytes(BOMB))


#: From the records of a game to a member of a tar.
CHUNKS = {
    "cut in its data": Damage(lambda records: packed(records)[:-5000], "truncated gzip"),
    "cut in its trailer": Damage(lambda records: packed(records)[:-3], "truncated gzip"),
    "cut in its header": Damage(lambda records: packed(records)[:7], "truncated gzip"),
    "bad CRC": Damage(bad_crc, "bad CRC"),
    "bad length": Damage(bad_length, "wrong gzip size"),
    "garbage behind it": Damage(lambda records: packed(records) + b"garbage", "trailing garbage"),
    "no gzip": Damage(lambda records: records, "bad gzip"),
    "part of a record": Damage(lambda records: packed(records[:-10]), "wrong record size"),
    "less than a record": Damage(lambda records: packed(records[:10]), "wrong record size"),
    "no records": Damage(lambda _: packed(b""), "empty chunk"),
    "version 99": Damage(lambda records: packed(with_word(records, 0, 0, 99)), "unknown version"),
    "version 99 later": Damage(lambda records: packed(with_word(records, 3, 0, 99)), "unknown version"),
    "version 5 later": Damage(lambda records: packed(with_word(records, 3, 0, 5)), "mixed versions"),
    "input format 77": Damage(lambda records: packed(with_word(records, 2, 4, 77)), "unknown input format"),
    "a bomb": Damage(bomb, "chunk too large"),
}


def second_header(tar: bytes) -> int:
    """Where the second member's header begins."""
    size = int(tar[124:135], 8)
    return BLOCK + -(-size // BLOCK) * BLOCK


def declaring(tar: bytes, size: bytes) -> bytes:
    """The second member's header says another size, and its check sum is right."""
    at = second_header(tar)
    header = bytearray(tar[at : at + BLOCK])
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return tar[:at] + bytes(header) + tar[at + BLOCK :]


#: From a tar of at least two good games to a file named .tar.
TARS = {
    "cut in a header": Damage(lambda tar: tar[: second_header(tar) + 100], "truncated tar"),
    "cut in data": Damage(lambda tar: tar[: second_header(tar) + 2000], "truncated tar"),
    "8 GiB declared": Damage(lambda tar: declaring(tar, b"77777777777\0"), "truncated tar"),
    "1 EiB declared": Damage(
        lambda tar: declaring(tar, b"\x80" + (1 << 60).to_bytes(11, "big")), "truncated tar"
    ),
    "a bad header": Damage(lambda tar: flipped(tar, second_header(tar)), "bad tar header"),
    "nothing": Damage(lambda _: b"", "no chunks"),
    "only zeros": Damage(lambda _: bytes(2 * BLOCK), "no chunks"),
    "no member": Damage(lambda _: tar_of({}), "no chunks"),
    "text": Damage(lambda _: b"This is no tar.\n" * 100, "not a tar"),
    "a short text": Damage(lambda _: b"no tar", "truncated tar"),
    "a gzipped tar": Damage(packed, "compressed tar"),
}
